package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"gslb/server/tcp"
)

// Socket is a listening socket that another process has opened: the service manager, or the server before
// this one. Whoever has a Socket owns its descriptor.
type Socket struct {
	FD      int
	Network string         // "udp" or "tcp"
	Listen  netip.AddrPort // as Options.Listen has it
}

// Conn is an open TCP connection on its way from one server to the next.
type Conn = tcp.Conn

// Working is closed when every worker runs: from then on, another process that has the same sockets may stop.
func (s *Server) Working() <-chan struct{} { return s.working }

// Share returns the sockets, for another process. As long as one process has them, nothing that they hold is
// lost, and the kernel spreads the clients over them as before.
func (s *Server) Share() (shared []Socket, err error) {
	defer func() {
		if err != nil {
			CloseSockets(shared)
			shared = nil
		}
	}()
	for i, at := range s.sockets {
		listen := s.opts.Listen[i]
		for _, socket := range at.udp {
			fd, err := socket.Share()
			if err != nil {
				return shared, fmt.Errorf("server: share %s: %w", at.addr, err)
			}
			shared = append(shared, Socket{fd, "udp", listen})
		}
		fd, err := DuplicateFD(at.tcp)
		if err != nil {
			return shared, fmt.Errorf("server: share %s: %w", at.addr, err)
		}
		shared = append(shared, Socket{fd, "tcp", listen})
	}
	return shared, nil
}

// Leave makes Run return when another process serves the same sockets. What they hold is left to that
// process, and so are the connections that Leave returns. The caller owns their descriptors.
func (s *Server) Leave() []Conn {
	s.tcp.Leave()
	close(s.leaving)
	<-s.ended
	return s.tcp.Left()
}

// Adopt serves connections that another server has left. It takes their descriptors, and needs Run to be running.
func (s *Server) Adopt(conns []Conn) { s.tcp.Adopt(conns) }

// CloseSockets closes sockets that nobody took over.
func CloseSockets(sockets []Socket) {
	for _, s := range sockets {
		_ = unix.Close(s.FD)
	}
}

// DuplicateFD returns another descriptor of a listener, without changing the one that it has: that of File
// would be blocking, and with it the listener.
func DuplicateFD(l syscall.Conn) (fd int, err error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return -1, err
	}
	failed := raw.Control(func(of uintptr) { fd, err = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(failed, err)
}

// adoptTCP makes a listener of a descriptor, which it takes.
func adoptTCP(fd int) (*net.TCPListener, error) {
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close() // the listener has a duplicate
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	if l, ok := listener.(*net.TCPListener); ok {
		return l, nil
	}
	return nil, errors.Join(errors.New("it is no TCP socket"), listener.Close())
}
