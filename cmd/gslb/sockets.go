package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"gslb/handover"
	"gslb/server"
	"gslb/zones"
)

// openSockets is sockets that this process has not opened itself, and that nobody has taken yet. They come from the
// gslb before, or from the service manager.
type openSockets struct{ list []handover.Socket }

// forDNS takes the sockets that DNS is served at.
func (o *openSockets) forDNS() []server.Socket {
	var taken []server.Socket
	for _, s := range o.take(func(s handover.Socket) bool { return s.Use == handover.ForDNS }) {
		taken = append(taken, server.Socket{FD: s.FD, Network: s.Network, Listen: s.Listen})
	}
	return taken
}

// forAdmin takes the descriptor of the admin server's listener at an address or a path; false: there is none.
func (o *openSockets) forAdmin(listen netip.AddrPort, path string) (fd int, is bool) {
	taken := o.take(func(s handover.Socket) bool {
		return s.Use == handover.ForAdmin && s.Listen == listen && s.Path == path
	})
	if len(taken) == 0 {
		return -1, false
	}
	return taken[0].FD, true
}

func (o *openSockets) take(wanted func(handover.Socket) bool) (taken []handover.Socket) {
	var left []handover.Socket
	for _, s := range o.list {
		if wanted(s) {
			taken = append(taken, s)
		} else {
			left = append(left, s)
		}
	}
	o.list = left
	return taken
}

// listenTCP listens at an address of the admin server, by a socket that is open already if there is one.
func (o *openSockets) listenTCP(addr netip.AddrPort) (net.Listener, error) {
	fd, is := o.forAdmin(addr, "")
	if !is {
		return net.Listen("tcp", addr.String())
	}
	file := os.NewFile(uintptr(fd), addr.String())
	defer file.Close() // the listener has a duplicate
	return net.FileListener(file)
}

func (o *openSockets) close() {
	for _, s := range o.list {
		server.CloseSockets([]server.Socket{{FD: s.FD}})
	}
	o.list = nil
}

// passedSockets is what the service manager has opened for this process (sd_listen_fds(3)). Each must be of an
// address that the configuration has: one that nobody reads would swallow queries.
func passedSockets(set *zones.Set) (*openSockets, error) {
	passed := new(openSockets)
	var errs []error
	for _, file := range activation.Files(true) {
		s, err := describe(int(file.Fd()))
		if err == nil {
			err = assign(&s, set, passed.list)
		}
		if err == nil {
			s.FD, err = unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		}
		_ = file.Close()
		if err != nil {
			errs = append(errs, fmt.Errorf("the service manager has passed a socket (%s) that can't be used: %w", file.Name(), err))
			continue
		}
		passed.list = append(passed.list, s)
	}
	if len(errs) > 0 {
		passed.close()
		return nil, errors.Join(errs...)
	}
	return passed, nil
}

// describe finds out what a descriptor is.
func describe(fd int) (s handover.Socket, err error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return s, os.NewSyscallError("getsockname", err)
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return s, os.NewSyscallError("getsockopt SO_TYPE", err)
	}
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return s, os.NewSyscallError("getsockopt SO_ACCEPTCONN", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		s.Listen = netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.ZoneId != 0 {
			if link, err := net.InterfaceByIndex(int(sa.ZoneId)); err == nil {
				ip = ip.WithZone(link.Name)
			}
		}
		s.Listen = netip.AddrPortFrom(ip, uint16(sa.Port))
	case *unix.SockaddrUnix:
		return s, fmt.Errorf("it is the Unix socket %s, and only sockets of server.listen and admin.listen can be passed", sa.Name)
	default:
		return s, errors.New("it is no IP socket")
	}
	switch {
	case kind == unix.SOCK_DGRAM:
		s.Network = "udp"
	case kind == unix.SOCK_STREAM && listening != 0:
		s.Network = "tcp"
	default:
		return s, fmt.Errorf("the socket at %s is neither UDP nor a TCP socket that listens (Accept=no)", s.Listen)
	}
	return s, nil
}

// assign finds what a socket is for, among those that were assigned before it.
func assign(s *handover.Socket, set *zones.Set, before []handover.Socket) error {
	for _, listen := range set.Server.Listen {
		if netip.AddrPortFrom(listen.Addr().Unmap(), listen.Port()) == s.Listen {
			s.Use = handover.ForDNS
		}
	}
	if s.Network == "tcp" && s.Use == "" && set.Admin.Listen.IsValid() && set.Admin.Listen == s.Listen {
		s.Use = handover.ForAdmin
	}
	if s.Use == "" {
		return fmt.Errorf("no server.listen and no admin.listen has its address, %s over %s: add it there, or take it out of the socket unit", s.Listen, strings.ToUpper(s.Network))
	}
	if s.Network == "tcp" && slices.ContainsFunc(before, func(b handover.Socket) bool { return b.Network == "tcp" && b.Listen == s.Listen }) {
		return fmt.Errorf("it is the second one for %s over TCP", s.Listen)
	}
	return nil
}
