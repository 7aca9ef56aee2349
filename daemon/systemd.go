package daemon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	systemd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"gslb/handover"
	"gslb/zones"
)

// notifyWait is how long the end of the program waits for the service manager.
const notifyWait = time.Second

// notify sends a message to systemd, if systemd started this process. It returns at once: the
// message is sent in the background, since the service manager may not read for a while. Errors are
// ignored.
func notify(what string) (told <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = systemd.SdNotify(false, what)
	}()
	return done
}

// notifyLast is notify for the last message of the program, and waits for a moment until it is
// sent.
func notifyLast(what string) {
	select {
	case <-notify(what):
	case <-time.After(notifyWait):
	}
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
