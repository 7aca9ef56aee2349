package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gslb/internal/files"
)

// Limits of the size of files, in bytes. They are far above real needs: a million steered names
// take some 60 MB, and a master file of the maximal size has eight million records.
const (
	maxConfiguration = 128 << 20
	maxFile          = 256 << 20 // of any other file
	maxSmallFile     = 4 << 20   // of certificates or secrets
)

// reader reads the files of a configuration, and remembers what it has read.
type reader struct {
	main    string // the path of zones.toml
	paths   []string
	digests map[string][sha256.Size]byte // by path
	times   map[string]time.Time         // of the last modification, by path

	within string   // as LoadOptions.Within
	also   []string // as LoadOptions.Also
}

func newReader(path string) *reader {
	return &reader{main: path, digests: make(map[string][sha256.Size]byte), times: make(map[string]time.Time)}
}

// readSmall is read for a file of certificates or secrets.
func (f *reader) readSmall(path string) ([]byte, error) {
	data, err := f.read(path)
	if err == nil && len(data) > maxSmallFile {
		return nil, fmt.Errorf("%s: %w: it has %d bytes, and at most %d are expected here", path, files.ErrTooLarge, len(data), maxSmallFile)
	}
	return data, err
}

// dir is the folder of zones.toml.
func (f *reader) dir() string { return filepath.Dir(f.main) }

// path is the path of a file that the configuration calls name.
func (f *reader) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(f.dir(), name)
}

// read reads a file. One that cannot be read is recorded as well, so that it is watched.
func (f *reader) read(path string) ([]byte, error) {
	if err := f.permit(path); err != nil {
		f.noteUnread(path, err)
		return nil, err
	}
	limit := int64(maxFile)
	if path == f.main {
		limit = maxConfiguration
	}
	file, err := files.Open(path, limit)
	if err != nil {
		f.noteUnread(path, err)
		return nil, err
	}
	f.note(path, file)
	return file.Data, nil
}

// errOutside is a file that is not read for who has sent the configuration.
var errOutside = errors.New("it lies outside of the folder of the running configuration, and is not read for a client on the network; send the configuration over the admin socket")

// permit refuses a path that LoadOptions.Within does not allow. Its text alone decides first, so that the
// answer does not tell which files there are elsewhere.
func (f *reader) permit(path string) error {
	if f.within == "" || slices.Contains(f.also, path) {
		return nil
	}
	if !liesIn(f.within, path) {
		return errOutside
	}
	dir, err := realPath(f.within)
	if err != nil {
		return err
	}
	real, err := realPath(path)
	if err != nil {
		return err
	}
	if !liesIn(dir, real) {
		return errOutside
	}
	return nil
}

// liesIn reports whether a path leads to something in a folder, by its text.
func liesIn(dir, path string) bool {
	inside, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(inside)
}

// readInside is read for a file that must lie in the folder of zones.toml, links followed; an
// absolute name may say where that is. A refused file is recorded with the result of read, since
// Digest, which tells whether to try again, reads every file in the same way.
func (f *reader) readInside(name string) ([]byte, error) {
	file, err := f.openInside(name)
	if err != nil {
		_, _ = f.read(f.path(name))
		return nil, insideError(err)
	}
	f.note(f.path(name), file)
	return file.Data, nil
}

func (f *reader) openInside(name string) (files.File, error) {
	if err := f.permit(f.path(name)); err != nil {
		return files.File{}, err
	}
	inside, err := f.inside(name)
	if err != nil {
		return files.File{}, err
	}
	root, err := os.OpenRoot(f.dir())
	if err != nil {
		return files.File{}, err
	}
	defer root.Close()
	return files.OpenIn(root, inside, maxFile)
}

// inside is the path of a file seen from the folder of zones.toml, with all links followed: a
// root takes no absolute path, and no link that has one. If the file lies elsewhere, so does what
// is returned, and a root refuses it.
func (f *reader) inside(name string) (string, error) {
	dir, err := realPath(f.dir())
	if err != nil {
		return "", err
	}
	file, err := realPath(f.path(name))
	if err != nil {
		return "", err
	}
	return filepath.Rel(dir, file)
}

// realPath is an absolute path without links.
func realPath(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
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
func (f *reader) note(path string, file files.File) {
	f.noteSum(path, sha256.Sum256(file.Data))
	f.times[path] = file.Modified
}

// noteUnread remembers that a file could not be read. This differs from any content, even an empty
// one, so that the digest changes as soon as the file can be read.
func (f *reader) noteUnread(path string, err error) {
	f.noteSum(path, sha256.Sum256([]byte("gslb: a file that could not be read: "+insideError(err).Error())))
}

func (f *reader) noteSum(path string, sum [sha256.Size]byte) {
	if _, ok := f.digests[path]; !ok {
		f.paths = append(f.paths, path)
	}
	f.digests[path] = sum
}

// digest is that of a file that was read.
func (f *reader) digest(path string) string {
	d := f.digests[path]
	return hex.EncodeToString(d[:])
}

// hash digests everything that was read. For a configuration of one file it is what
// sha256sum prints for that file; otherwise the digest of all files' digests in the order
// of reading, so that it changes when a line moves from one file to another.
func (f *reader) hash() string {
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
