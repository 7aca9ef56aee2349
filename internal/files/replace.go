package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// System is what Replace needs of a file system, so that a test may have one that fails, hangs, or
// loses in a crash what was not synced.
type System interface {
	MkdirAll(dir string, mode fs.FileMode) error
	CreateTemp(dir, pattern string) (SystemFile, error)
	Rename(from, to string) error
	Remove(path string) error
	// SyncDir returns when the names in a folder would survive a crash.
	SyncDir(dir string) error
}

// SystemFile is a file that is being written.
type SystemFile interface {
	io.WriteCloser
	Name() string
	Sync() error
	Stat() (fs.FileInfo, error)
}

// OS is the operating system's.
type OS struct{}

// MkdirAll is [os.MkdirAll].
func (OS) MkdirAll(dir string, mode fs.FileMode) error { return os.MkdirAll(dir, mode) }

// CreateTemp is [os.CreateTemp].
func (OS) CreateTemp(dir, pattern string) (SystemFile, error) { return os.CreateTemp(dir, pattern) }

// Rename is [os.Rename].
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove is [os.Remove].
func (OS) Remove(path string) error { return os.Remove(path) }

// SyncDir implements System.
func (OS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil // this file system does it by itself, or not at all
	}
	return errors.Join(err, d.Close())
}

// Replace writes a file and renames it into place. A crash leaves the old file or the new one, and
// after Replace has returned the new one. After an error it may be either. The new content is first
// in a file with the name of path, a dot and digits, which a crash may leave behind.
func Replace(sys System, path string, data []byte) (fs.FileInfo, error) {
	dir := filepath.Dir(path)
	if err := sys.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := sys.CreateTemp(dir, filepath.Base(path)+".*")
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, cause(err))
	}
	info, err := fill(f, data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = sys.Rename(f.Name(), path)
	}
	if err != nil { // the error names path, and not the temporary file
		_ = sys.Remove(f.Name())
		return nil, fmt.Errorf("write %s: %w", path, cause(err))
	}
	return info, sys.SyncDir(dir)
}

// fill writes a file, and returns when the content would survive a crash.
func fill(f SystemFile, data []byte) (fs.FileInfo, error) {
	if _, err := f.Write(data); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	return f.Stat()
}
