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
	var errs []error
	if s.tcp != nil {
		errs = append(errs, s.tcp.Close())
	}
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

// bindAll binds every address, or none, as far as its sockets are not open already. It takes those.
func bindAll(listen []netip.AddrPort, open []Socket, limits Limits) ([]sockets, error) {
	var all []sockets
	var errs []error
	for _, addr := range listen {
		var own []Socket
		own, open = ofAddress(open, addr)
		pair, err := bind(addr, own, family(addr, listen), limits)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, pair)
	}
	CloseSockets(open)
	if len(errs) > 0 {
		return nil, errors.Join(append(errs, closeAll(all))...)
	}
	return all, nil
}

// ofAddress splits sockets into those of an address and the others.
func ofAddress(open []Socket, addr netip.AddrPort) (own, others []Socket) {
	for _, s := range open {
		if s.Listen == addr {
			own = append(own, s)
		} else {
			others = append(others, s)
		}
	}
	return own, others
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

// bind opens both sockets of one address, as far as they are not open. For port 0 it takes the port that the
// kernel gives to TCP, and tries again if another program has that port for UDP.
func bind(addr netip.AddrPort, open []Socket, family string, limits Limits) (sockets, error) {
	if len(open) > 0 {
		return adopt(addr, open, family, limits)
	}
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
	listener, err := listenTCP(addr, family)
	if err != nil {
		return sockets{}, explain(addr, err)
	}
	bound := boundTo(addr, listener)
	bindings, err := udp.Bind(bound, family, limits.Workers, limits.UDPBuffer)
	if err != nil {
		return sockets{}, errors.Join(explain(addr, err), listener.Close())
	}
	return sockets{addr: bound, udp: bindings, tcp: listener}, nil
}

func listenTCP(addr netip.AddrPort, family string) (*net.TCPListener, error) {
	var config net.ListenConfig
	// Multipath TCP and keep-alive are useless for connections that last seconds, and cost system
	// calls.
	config.SetMultipathTCP(false)
	config.KeepAlive = -1
	listener, err := config.Listen(context.Background(), "tcp"+family, addr.String())
	if err != nil {
		return nil, err
	}
	return listener.(*net.TCPListener), nil
}

// boundTo is addr with the port that a listener has.
func boundTo(addr netip.AddrPort, listener *net.TCPListener) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr(), listener.Addr().(*net.TCPAddr).AddrPort().Port())
}

// adopt takes over the sockets of one address, all of which are read, since the kernel gives queries to each.
// If only one of the two transports is among them, it opens the other.
func adopt(addr netip.AddrPort, open []Socket, family string, limits Limits) (pair sockets, err error) {
	pair.addr = addr
	overUDP := 0
	for _, s := range open {
		if s.Network == "udp" {
			overUDP++
		}
	}
	for i, s := range open {
		switch {
		case err != nil:
			CloseSockets(open[i : i+1])
		case s.Network == "udp":
			var bindings []*udp.Socket
			bindings, err = udp.Adopt(s.FD, (limits.Workers+overUDP-1)/overUDP, limits.UDPBuffer)
			pair.udp = append(pair.udp, bindings...)
		case pair.tcp != nil:
			err = errors.New("it has two TCP sockets")
			CloseSockets(open[i : i+1])
		default:
			if pair.tcp, err = adoptTCP(s.FD); err == nil {
				pair.addr = boundTo(addr, pair.tcp)
			}
		}
	}
	if err == nil && pair.tcp == nil {
		pair.tcp, err = listenTCP(addr, family)
	}
	if err == nil && len(pair.udp) == 0 {
		pair.udp, err = udp.Bind(pair.addr, family, limits.Workers, limits.UDPBuffer)
	}
	if err != nil {
		return sockets{}, errors.Join(explain(addr, err), pair.Close())
	}
	return pair, nil
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
