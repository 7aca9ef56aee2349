package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gslb/internal/files"
)

// ErrHeld is what an error wraps that says that another process uses the directory.
var ErrHeld = errors.New("another gslb uses this directory")

// ErrNoLock is what an error wraps that says that the directory can't be locked: it can't be
// written to, or its file system knows no locks.
var ErrNoLock = errors.New("the directory can't be locked")

// lockName is a file that the process that uses the directory keeps locked (flock(2)). It names
// that process. The lock ends with the process, and then the content means nothing.
const lockName = "lock"

// lock reserves a directory for one process.
type lock struct {
	path string

	mu   sync.Mutex
	file *os.File // nil: it is not held
}

// hold takes the lock, or checks that the locked file is still in the directory, which may have
// been removed and made again.
func (l *lock) hold() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inPlace() {
		return nil
	}
	file, err := acquire(l.path)
	if err != nil {
		return err
	}
	l.drop()
	l.file = file
	return nil
}

// isHeld reports whether the lock is held, and the locked file still in the directory.
func (l *lock) isHeld() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inPlace()
}

func (l *lock) inPlace() bool {
	if l.file == nil {
		return false
	}
	held, err := l.file.Stat()
	there, thereErr := os.Stat(l.path)
	return err == nil && thereErr == nil && os.SameFile(held, there)
}

// release gives up the lock.
func (l *lock) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop()
}

func (l *lock) drop() {
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}

func acquire(path string) (*os.File, error) {
	file, err := openLock(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoLock, err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		err = fmt.Errorf("%w: %s, as %s says; stop that one, or give this one a state_dir of its own", ErrHeld, holder(path), path)
	case err != nil:
		err = fmt.Errorf("%w: lock %s: %w", ErrNoLock, path, err)
	default:
		sign(file)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// openLock opens the file, and makes it and its directory if they do not exist.
func openLock(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is %w", path, files.ErrNotRegular)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// sign writes into the file which process holds the lock, for the operator. The lock is held even
// if this fails.
func sign(file *os.File) {
	host, _ := os.Hostname()
	text := fmt.Sprintf("process %d on %s since %s\n", os.Getpid(), host, time.Now().UTC().Format(time.RFC3339))
	if err := file.Truncate(0); err == nil {
		_, _ = file.WriteAt([]byte(text), 0)
	}
}

// holder is who holds the lock, as far as that is known.
func holder(path string) string {
	const most = 1000
	text, err := files.Read(path, most)
	if line := strings.TrimSpace(string(text)); err == nil && line != "" {
		return fmt.Sprintf("%q", line)
	}
	return "a process that it does not name"
}
