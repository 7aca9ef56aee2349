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
	"golang.org/x/time/rate"

	"gslb/zones"
)

// securing makes the connections of a listener such of TLS while a certificate is configured.
type securing struct {
	net.Listener
	settings   func() *zones.Admin
	handshakes *rate.Limiter
}

// Bounds on TLS handshakes, each of which costs a millisecond or so of the processor that queries need
// too. The others wait for their turn: as many as there are connections at most.
const (
	handshakesPerSecond = 100
	handshakesAtOnce    = 20
)

func newSecuring(l net.Listener, settings func() *zones.Admin) securing {
	return securing{l, settings, rate.NewLimiter(handshakesPerSecond, handshakesAtOnce)}
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
	config := tlsConfig(settings)
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return nil, l.handshakes.Wait(hello.Context()) // before the costly part; nil: config itself
	}
	return tls.Server(conn, config), nil
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
	path string

	mu       sync.Mutex
	listener net.Listener
	file     os.FileInfo // that the listener has made
	closed   bool
	left     bool // the file is another process's as well
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
	listener, file, err := listenSocket(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSocket, err)
	}
	return &Socket{path: path, listener: listener, file: file}, nil
}

// AdoptSocket is the socket of another process that has the path. It takes the descriptor. Close leaves the
// file, until Own. A file that somebody has removed is made again as that of any socket.
func AdoptSocket(path string, fd int) (*Socket, error) {
	opened := os.NewFile(uintptr(fd), path)
	defer opened.Close() // the listener has a duplicate
	listener, err := net.FileListener(opened)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSocket, err)
	}
	file, err := os.Lstat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrSocket, err), listener.Close())
	}
	return &Socket{path: path, listener: listener, file: file, left: true}, nil
}

// Path is where the socket is.
func (s *Socket) Path() string { return s.path }

// Duplicate returns another descriptor of the socket.
func (s *Socket) Duplicate() (fd int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, err := s.listener.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, err
	}
	failed := raw.Control(func(of uintptr) { fd, err = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(failed, err)
}

// Leave has Close leave the file, for the process that goes on with the socket.
func (s *Socket) Leave() { s.leave(true) }

// Own ends that.
func (s *Socket) Own() { s.leave(false) }

func (s *Socket) leave(left bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = left
}

func listenSocket(path string) (net.Listener, os.FileInfo, error) {
	if len(path) > longestSocket {
		return nil, nil, fmt.Errorf("%s: its path has %d bytes, and at most %d are possible: choose a shorter one", path, len(path), longestSocket)
	}
	if err := removeStale(path); err != nil {
		return nil, nil, err
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
		return nil, nil, err
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false) // see Close
	err = os.Chmod(path, socketMode)
	file, statErr := os.Lstat(path)
	if err := errors.Join(err, statErr); err != nil {
		return nil, nil, errors.Join(err, listener.Close(), os.Remove(path))
	}
	return listener, file, nil
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

// Accept implements net.Listener.
func (s *Socket) Accept() (net.Conn, error) {
	for {
		s.mu.Lock()
		listener := s.listener
		s.mu.Unlock()
		conn, err := listener.Accept()
		if err == nil {
			return conn, nil
		}
		s.mu.Lock()
		renewed := listener != s.listener
		s.mu.Unlock()
		if !renewed {
			return nil, err
		}
	}
}

// Addr implements net.Listener.
func (s *Socket) Addr() net.Addr { return &net.UnixAddr{Name: s.path, Net: "unix"} }

// Close implements net.Listener. It removes the file, unless it is another one by now.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed = true
	if s.inPlace() && !s.left {
		_ = os.Remove(s.path) // if it stays, the next one to listen replaces it
	}
	return s.listener.Close()
}

func (s *Socket) inPlace() bool {
	there, err := os.Lstat(s.path)
	return err == nil && os.SameFile(there, s.file)
}

// renew makes the file again if it was removed, perhaps with its folder, by somebody who cleaned up.
func (s *Socket) renew() (renewed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.inPlace() {
		return false, nil
	}
	listener, file, err := listenSocket(s.path)
	if err != nil {
		return false, err
	}
	old := s.listener
	s.listener, s.file = listener, file
	return true, old.Close()
}

// socketEvery is how often the server looks whether its socket is still there.
const socketEvery = 5 * time.Second

// keepSocket renews the socket when its file is gone, until ctx ends.
func (s *Server) keepSocket(ctx context.Context, socket *Socket) {
	every := time.NewTicker(socketEvery)
	defer every.Stop()
	said := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		switch renewed, err := socket.renew(); {
		case renewed:
			s.options.Logger.Warn("the admin socket was removed, and is made again", "path", socket.path)
			said = false
		case err != nil && !said:
			s.options.Logger.Error("the admin socket was removed, and cannot be made again, so that commands on this machine do not reach this server", "error", err)
			said = true
		}
	}
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
