package handover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// doorName is the socket in the directory of the state at which a gslb waits for the next one.
const doorName = "handover.sock"

// ErrNobody is what an error of Dial wraps if no gslb uses the directory.
var ErrNobody = errors.New("no gslb waits there to hand over")

// Door is where the next process comes to. Only the same user and root get in.
type Door struct {
	path string

	mu       sync.Mutex
	listener *net.UnixListener
	file     os.FileInfo
	closed   bool
}

// Listen makes the door of a directory that this process has reserved for itself: a file of a process that
// has ended without removing it is replaced.
func Listen(dir string) (*Door, error) {
	d := &Door{path: filepath.Join(dir, doorName)}
	if err := d.listen(); err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	return d, nil
}

func (d *Door) listen() error {
	if info, err := os.Lstat(d.path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if err := os.Remove(d.path); err != nil {
			return err
		}
	}
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var failed error
		err := conn.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) }) // bind(2) gives the file the same
		return errors.Join(err, failed)
	}}
	listener, err := config.Listen(context.Background(), "unix", d.path)
	if err != nil {
		return err
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false) // it may be the next one's by then: see Close
	file, err := os.Lstat(d.path)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	d.listener, d.file = listener.(*net.UnixListener), file
	return nil
}

// Renew makes the file again if it was removed, perhaps with its directory, by somebody who cleaned up. The
// caller still has the directory for itself.
func (d *Door) Renew() (renewed bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.inPlace() {
		return false, nil
	}
	old := d.listener
	if err := d.listen(); err != nil {
		return false, fmt.Errorf("handover: %w", err)
	}
	return true, old.Close()
}

func (d *Door) inPlace() bool {
	there, err := os.Lstat(d.path)
	return err == nil && os.SameFile(there, d.file) && there.ModTime().Equal(d.file.ModTime()) // the number of a file is used again
}

func (d *Door) current() *net.UnixListener {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.listener
}

// Accept waits for a process, and refuses those of other users.
func (d *Door) Accept() (Conn, int, error) {
	for {
		listener := d.current()
		conn, err := listener.AcceptUnix()
		if err != nil && listener != d.current() {
			continue
		}
		if err != nil {
			return Conn{}, 0, err
		}
		user, pid := peer(conn)
		if user == uint32(os.Geteuid()) || user == 0 {
			return newConn(conn), pid, nil
		}
		conn.Close()
	}
}

// Close ends Accept and removes the file, unless it is another one by now.
func (d *Door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if d.inPlace() {
		_ = os.Remove(d.path) // if it stays, the next one to listen replaces it
	}
	return d.listener.Close()
}

// peer is the user and the process that opened a connection, by the kernel: SO_PEERCRED in unix(7).
func peer(conn *net.UnixConn) (user uint32, pid int) {
	user = ^uint32(0) // nobody
	raw, err := conn.SyscallConn()
	if err != nil {
		return user, 0
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			user, pid = cred.Uid, int(cred.Pid)
		}
	})
	return user, pid
}

// Dial comes to the gslb that uses a directory.
func Dial(dir string) (Conn, error) {
	path := filepath.Join(dir, doorName)
	conn, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOTDIR):
		return Conn{}, fmt.Errorf("%w: %s", ErrNobody, path)
	case err != nil:
		return Conn{}, fmt.Errorf("handover: %w", err)
	}
	return newConn(conn.(*net.UnixConn)), nil
}

// Pair is the two ends of a conversation with a child, for which the second one is to be inherited.
func Pair() (Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return Conn{}, nil, fmt.Errorf("handover: make a pair of sockets: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "handover")
	ours, err := FromFD(fds[0])
	if err != nil {
		return Conn{}, nil, errors.Join(err, theirs.Close())
	}
	return ours, theirs, nil
}

// FromFD is a conversation over a descriptor, which it takes.
func FromFD(fd int) (Conn, error) {
	file := os.NewFile(uintptr(fd), "handover")
	if file == nil {
		return Conn{}, fmt.Errorf("handover: %d is no descriptor", fd)
	}
	defer file.Close() // the connection has a duplicate
	conn, err := net.FileConn(file)
	if err != nil {
		return Conn{}, fmt.Errorf("handover: %w", err)
	}
	if c, ok := conn.(*net.UnixConn); ok {
		return newConn(c), nil
	}
	return Conn{}, errors.Join(errors.New("handover: the descriptor is no unix socket"), conn.Close())
}
