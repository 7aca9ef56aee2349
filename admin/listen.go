package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gslb/zones"
)

// securing makes the connections of a listener such of TLS while a certificate is configured.
type securing struct {
	net.Listener
	settings func() *zones.Admin
}

// Accept implements net.Listener.
func (l securing) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	settings := l.settings()
	if settings.Certificate == nil {
		return conn, nil
	}
	return tls.Server(conn, tlsConfig(settings)), nil
}

// tlsConfig is what a new connection uses. No session outlives its connection, so that a change of the
// certificates counts for all that come after it.
func tlsConfig(settings *zones.Admin) *tls.Config {
	config := &tls.Config{
		Certificates:           []tls.Certificate{*settings.Certificate},
		MinVersion:             tls.VersionTLS12,
		NextProtos:             []string{"http/1.1"}, // in HTTP/2 one connection would count for many
		SessionTicketsDisabled: true,
	}
	if settings.ClientCAs != nil {
		config.ClientAuth, config.ClientCAs = tls.VerifyClientCertIfGiven, settings.ClientCAs
	}
	return config
}

// Socket is the unix socket of those who are on this machine: whoever may open it may do everything. It
// implements net.Listener.
type Socket struct {
	net.Listener
	path string
	file os.FileInfo // the file that was made
	once sync.Once
}

const (
	// socketMode is for the user that the server runs as, and its group.
	socketMode = 0o660
	// longestSocket is how long a path may be: sun_path in unix(7), with a zero byte at its end.
	longestSocket = 107
)

// ErrSocket is what an error of ListenSocket wraps.
var ErrSocket = errors.New("listen on the admin socket")

// ListenSocket makes a socket. A file of a process that has ended without removing it is replaced, and
// nothing else.
func ListenSocket(path string) (*Socket, error) {
	s, err := listenSocket(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSocket, err)
	}
	return s, nil
}

func listenSocket(path string) (*Socket, error) {
	if len(path) > longestSocket {
		return nil, fmt.Errorf("%s: its path has %d bytes, and at most %d are possible: choose a shorter one", path, len(path), longestSocket)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	// The socket has its mode before it can be seen, so that nobody gets in who may not: bind(2) takes
	// that of the descriptor, without the bits of the umask, and what is missing is added afterwards.
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var failed error
		err := conn.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), socketMode) })
		return errors.Join(err, failed)
	}}
	listener, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false) // see Close
	s := &Socket{Listener: listener, path: path}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, listener.Close(), os.Remove(path))
	}
	if s.file, err = os.Lstat(path); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return s, nil
}

// removeStale removes the file of a socket that nobody listens on.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there, and is no socket: remove it, or choose another path", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("another process listens on %s: stop it, or choose another path", path)
	}
	return os.Remove(path)
}

// Close implements net.Listener. It removes the file, unless it is another one by now.
func (s *Socket) Close() error {
	err := net.ErrClosed
	s.once.Do(func() {
		if there, statErr := os.Lstat(s.path); statErr == nil && os.SameFile(there, s.file) {
			_ = os.Remove(s.path) // the next one to listen replaces it
		}
		err = s.Listener.Close()
	})
	return err
}

// userOf is whose process opened a connection, by the kernel: SO_PEERCRED in unix(7).
func userOf(conn *net.UnixConn) uint32 {
	user := uint32(nobody)
	raw, err := conn.SyscallConn()
	if err != nil {
		return user
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			user = cred.Uid
		}
	})
	return user
}

// nobody is the number that no user has: it stands for "none" in chown(2).
const nobody = ^uint32(0)

// peer is who opened a connection to the socket.
func (c *limitedConn) peer() Identity {
	if c.client.user == nobody {
		return Identity{}
	}
	return known(userName(c.client.user), "socket")
}
