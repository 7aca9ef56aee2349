package parts

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
)

// FreePort returns a port that is free on addr for both UDP and TCP. A lab never returns
// one twice. It lies below the range that the kernel takes ports for outgoing connections
// from, so that none of those can take it before the part does.
func (l *Lab) FreePort(addr netip.Addr) (netip.AddrPort, error) {
	const first, last, tries = 10000, 32000, 1000
	for range tries {
		port := uint16(first + rand.IntN(last-first))
		if !l.reserve(port) {
			continue
		}
		at := netip.AddrPortFrom(addr, port)
		switch err := errors.Join(Free("tcp", at), Free("udp", at)); {
		case err == nil:
			return at, nil
		case !errors.Is(err, syscall.EADDRINUSE):
			return at, fmt.Errorf("free port on %v: %w", addr, err)
		}
	}
	return netip.AddrPort{}, fmt.Errorf("free port on %v: none in %d tries", addr, tries)
}

func (l *Lab) reserve(port uint16) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ports[port] {
		return false
	}
	l.ports[port] = true
	return true
}

// Free returns nil where a part could listen on addr now; network is "tcp" or "udp". The
// error names the process that is in the way, where one can be found.
func Free(network string, addr netip.AddrPort) error {
	var config net.ListenConfig
	var listener interface{ Close() error }
	var err error
	if network == "udp" {
		listener, err = config.ListenPacket(context.Background(), network, addr.String())
	} else {
		listener, err = config.Listen(context.Background(), network, addr.String())
	}
	switch {
	case err == nil:
		return listener.Close()
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s port %v is in use by %s: %w", network, addr, holder(network, addr), syscall.EADDRINUSE)
	default:
		return err
	}
}
