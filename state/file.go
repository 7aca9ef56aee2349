package state

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// file is one file of the state, and what was last written to it.
type file struct {
	path string
	sum  [sha256.Size]byte
	info fs.FileInfo // nil: nothing was written yet
}

// save writes some content as JSON, unless the file has it already.
func (f *file) save(content any) error {
	data, err := json.Marshal(content)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	if sum == f.sum && f.intact() {
		return nil
	}
	info, err := replace(f.path, data)
	if err != nil {
		return err
	}
	f.sum, f.info = sum, info
	return nil
}

// intact reports whether the file is still the one that was last written. A file that was removed
// or replaced is written again even if its content has not changed.
func (f *file) intact() bool {
	if f.info == nil {
		return false
	}
	info, err := os.Stat(f.path)
	return err == nil && os.SameFile(info, f.info) && info.Size() == f.info.Size() && info.ModTime().Equal(f.info.ModTime())
}

// replace writes a file and renames it into place. A crash leaves the old file or the new one.
func replace(path string, data []byte) (fs.FileInfo, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing to remove
	info, err := fill(f, data)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return info, os.Rename(f.Name(), path)
}

// fill writes a file, and returns when the content would survive a crash.
func fill(f *os.File, data []byte) (fs.FileInfo, error) {
	if _, err := f.Write(data); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	return f.Stat()
}
