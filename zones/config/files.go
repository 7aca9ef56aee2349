package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// files reads what a configuration consists of, and remembers what it has read.
type files struct {
	dir     string // of zones.toml
	paths   []string
	digests map[string][sha256.Size]byte // by path
}

func newFiles(path string) *files {
	return &files{dir: filepath.Dir(path), digests: make(map[string][sha256.Size]byte)}
}

// path is where a file lies that the configuration calls name.
func (f *files) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(f.dir, name)
}

// read reads a file. One that cannot be read is noted as well, so that it is watched for.
func (f *files) read(path string) ([]byte, error) {
	data, err := readRegular(path)
	if err != nil {
		f.noteUnread(path, err)
		return nil, err
	}
	f.note(path, data)
	return data, nil
}

// readRegular reads a file. A pipe or a device, which could block for ever, is refused.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return os.ReadFile(path)
}

// readInside is read for a file that must lie in the folder of zones.toml, links followed. One
// that is refused is noted as read would find it, whatever is wrong with it, as it is Digest that
// tells whether to try again, and reads every file alike.
func (f *files) readInside(name string) ([]byte, error) {
	data, err := f.openInside(name)
	if err != nil {
		_, _ = f.read(f.path(name))
		return nil, insideError(err)
	}
	f.note(f.path(name), data)
	return data, nil
}

func (f *files) openInside(name string) ([]byte, error) {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	return root.ReadFile(name)
}

// insideError leaves the operation and the path, which the caller names, out of an error.
func insideError(err error) error {
	var pathError *os.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

// note remembers that a file was read.
func (f *files) note(path string, data []byte) {
	f.noteSum(path, sha256.Sum256(data))
}

// noteUnread remembers that a file could not be read. That is no content, not even an empty one:
// the same file has another digest as soon as it can be read.
func (f *files) noteUnread(path string, err error) {
	f.noteSum(path, sha256.Sum256([]byte("gslb: a file that could not be read: "+insideError(err).Error())))
}

func (f *files) noteSum(path string, sum [sha256.Size]byte) {
	if _, ok := f.digests[path]; !ok {
		f.paths = append(f.paths, path)
	}
	f.digests[path] = sum
}

// digest is that of a file that was read.
func (f *files) digest(path string) string {
	d := f.digests[path]
	return hex.EncodeToString(d[:])
}

// Digest is the Hash of a configuration that would read these files, its Set.Files, as they
// are now. A file that cannot be read counts by the reason.
func Digest(paths []string) string {
	f := newFiles("")
	for _, path := range paths {
		_, _ = f.read(path) // what cannot be read is noted too
	}
	return f.hash()
}

// hash digests everything that was read. For a configuration of one file it is what
// sha256sum prints for that file; otherwise the digest of all files' digests in the order
// of reading, so that it changes when a line moves from one file to another.
func (f *files) hash() string {
	if len(f.paths) == 1 {
		return f.digest(f.paths[0])
	}
	h := sha256.New()
	for _, path := range f.paths {
		d := f.digests[path]
		h.Write(d[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}
