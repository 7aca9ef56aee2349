package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"gslb/server/udp"
)

// sockets is the pair that listens at one address.
type sockets struct {
	addr netip.AddrPort // with the port that was bound
	udp  []*udp.Socket
	tcp  *net.TCPListener
}

func (s sockets) Close() error {
	errs := []error{s.tcp.Close()}
	for _, socket := range s.udp {
		errs = append(errs, socket.Close())
	}
	return errors.Join(errs...)
}

func closeAll(all []sockets) error {
	var errs []error
	for _, s := range all {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// bindAll binds every address, or none.
func bindAll(listen []netip.AddrPort, limits Limits) ([]sockets, error) {
	var all []sockets
	var errs []error
	for _, addr := range listen {
		pair, err := bind(addr, family(addr, listen), limits)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, pair)
	}
	if len(errs) > 0 {
		return nil, errors.Join(append(errs, closeAll(all))...)
	}
	return all, nil
}

// family is the suffix of the network's name ("udp4") that makes package net bind only the family
// of addr: for a wildcard, "udp" and "tcp" alone would bind both. [::] accepts IPv4 as well, unless
// IPv4 addresses are listed for its port.
func family(addr netip.AddrPort, listen []netip.AddrPort) string {
	switch ip := addr.Addr(); {
	case ip.Is4():
		return "4"
	case ip != netip.IPv6Unspecified():
		return "6"
	}
	for _, other := range listen {
		if other.Addr().Is4() && other.Port() == addr.Port() {
			return "6"
		}
	}
	return ""
}

// bind opens both sockets of one address. For port 0 it takes the port that the kernel
// gives to TCP, and tries again if another program has that port for UDP.
func bind(addr netip.AddrPort, family string, limits Limits) (sockets, error) {
	const attempts = 32
	for attempt := 1; ; attempt++ {
		pair, err := bindPair(addr, family, limits)
		if addr.Port() == 0 && attempt < attempts && errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		return pair, err
	}
}

func bindPair(addr netip.AddrPort, family string, limits Limits) (sockets, error) {
	var config net.ListenConfig
	// Multipath TCP and keep-alive are useless for connections that last seconds, and cost system
	// calls.
	config.SetMultipathTCP(false)
	config.KeepAlive = -1

	listener, err := config.Listen(context.Background(), "tcp"+family, addr.String())
	if err != nil {
		return sockets{}, explain(addr, err)
	}
	port := listener.Addr().(*net.TCPAddr).AddrPort().Port()
	bound := netip.AddrPortFrom(addr.Addr(), port)

	bindings, err := udp.Bind(bound, family, limits.Workers, limits.UDPBuffer)
	if err != nil {
		return sockets{}, errors.Join(explain(addr, err), listener.Close())
	}
	return sockets{addr: bound, udp: bindings, tcp: listener.(*net.TCPListener)}, nil
}

// explain adds what an operator can do about an address that cannot be bound.
func explain(addr netip.AddrPort, err error) error {
	var hint string
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "; another program listens there (ss -lntup shows which): stop it, or listen elsewhere"
	case errors.Is(err, syscall.EACCES):
		hint = "; a port below 1024 needs the capability cap_net_bind_service" +
			" (setcap cap_net_bind_service=+ep on the program, or AmbientCapabilities in its systemd unit)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "; no interface of this host has the address"
	case errors.Is(err, syscall.EAFNOSUPPORT):
		hint = "; this host does not speak that IP version"
	}
	return fmt.Errorf("server: cannot listen at %s: %w%s", addr, err, hint)
}
