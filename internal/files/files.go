// Package files reads files that an operator named, without trusting them: a path may be mistyped,
// and the file may be a pipe that nobody writes to, a device without an end, or larger than memory. It also writes
// files so that a crash leaves the old or the new one ([Replace]), and keeps what a program leaves for its next start
// ([Kept]).
package files

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// File is a file as it was read.
type File struct {
	Data     []byte
	Modified time.Time
}

// longestWait is how long a file may have nothing to read before it ends.
const longestWait = time.Second

// Read returns the content of a regular file of at most limit bytes, links followed. It never
// waits for another process: a pipe, a device and a socket are refused without being read.
// Errors wrap that of the system, such as [fs.ErrNotExist], and name the path.
func Read(path string, limit int64) ([]byte, error) {
	file, err := Open(path, limit)
	return file.Data, err
}

// Open is Read that also returns what else is known of the file.
func Open(path string, limit int64) (File, error) {
	return open(path, limit, os.OpenFile)
}

// OpenIn is Open for a path that must lie within a folder, links followed.
func OpenIn(root *os.Root, path string, limit int64) (File, error) {
	return open(path, limit, root.OpenFile)
}

// Digest is the SHA-256 digest of what Open would read. It does without the memory for it.
func Digest(path string, limit int64) (sum [sha256.Size]byte, err error) {
	f, _, err := openRegular(path, limit, os.OpenFile)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return sum, fmt.Errorf("read %s: %w", path, cause(err))
	case n > limit:
		return sum, tooLarge(path, n, limit)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

func open(path string, limit int64, openFile openFunc) (File, error) {
	f, info, err := openRegular(path, limit, openFile)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	data, err := readAll(f, info.Size(), limit)
	switch {
	case err != nil:
		return File{}, fmt.Errorf("read %s: %w", path, cause(err))
	case int64(len(data)) > limit: // it grows, or lies about its size, like those of /proc
		return File{}, tooLarge(path, int64(len(data)), limit)
	}
	return File{data, info.ModTime()}, nil
}

type openFunc func(string, int, fs.FileMode) (*os.File, error)

// openRegular opens a regular file that is not too large.
func openRegular(path string, limit int64, openFile openFunc) (f *os.File, info fs.FileInfo, err error) {
	// Opening a pipe for reading would wait for a writer (fifo(7)), hence O_NONBLOCK. It does
	// not matter to a regular file.
	f, err = openFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) {
		return nil, nil, notRegular(path, fs.ModeSocket) // a socket can't be opened at all
	}
	if err != nil {
		return nil, nil, err
	}
	// The opened file is examined, since the path may lead to another one by now.
	info, err = f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = notRegular(path, info.Mode())
	case info.Size() > limit:
		err = tooLarge(path, info.Size(), limit)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	// What calls itself a regular file may wait all the same, such as the kernel's log in /proc.
	// Those that can't wait have no deadline.
	_ = f.SetReadDeadline(time.Now().Add(longestWait))
	return f, info, nil
}

// readAll reads all, and stops one byte after limit.
func readAll(r io.Reader, size, limit int64) ([]byte, error) {
	data := make([]byte, 0, min(size, limit)+1) // one more than there is, so that its end is found without growing
	r = io.LimitReader(r, limit+1)
	for {
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
	}
}

// ErrNotRegular is wrapped by the error for a folder, a pipe, a device or a socket.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge is wrapped by the error for a file that is too large.
var ErrTooLarge = errors.New("the file is too large")

func notRegular(path string, mode fs.FileMode) error {
	what := "a device"
	switch {
	case mode.IsDir():
		what = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		what = "a pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	}
	return fmt.Errorf("%s is %s, %w", path, what, ErrNotRegular)
}

func tooLarge(path string, size, limit int64) error {
	return fmt.Errorf("%s: %w: it has %d bytes or more, and at most %d are read", path, ErrTooLarge, size, limit)
}

// cause is an error without the operation and the paths, which the caller names.
func cause(err error) error {
	var pathError *fs.PathError
	var linkError *os.LinkError // of a rename
	switch {
	case errors.As(err, &pathError):
		return pathError.Err
	case errors.As(err, &linkError):
		return linkError.Err
	}
	return err
}

// Absolute makes a path independent of the working directory, which a deployment may replace or
// remove. An empty path stays empty.
func Absolute(path string) string {
	if path == "" {
		return ""
	}
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path // there is no working directory
}
