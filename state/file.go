package state

import (
	"crypto/sha256"
	"encoding/json"
	"io/fs"
	"os"

	"gslb/internal/files"
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
	info, err := files.Replace(files.OS{}, f.path, data)
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
