package zones

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
)

// unicastAddress reads an address that a client, or a probe, can be sent to.
func unicastAddress(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	fault := ""
	switch {
	case err != nil:
		return addr, fmt.Errorf("found %q; expected an IPv4 or IPv6 address", text)
	case addr.Zone() != "":
		fault = "without a zone, which DNS cannot say"
	case addr.Is4In6():
		fault = fmt.Sprintf("written as IPv4, %q", addr.Unmap())
	case addr.IsUnspecified(), addr.IsMulticast(), addr == broadcast():
		fault = "of a single host"
	default:
		return addr, nil
	}
	return addr, fmt.Errorf("found %q; expected an address %s", text, fault)
}

// broadcast is the limited broadcast address (RFC 919, section 7).
func broadcast() netip.Addr { return netip.AddrFrom4([4]byte{255, 255, 255, 255}) }

// listenAddress reads an address and port to listen at; port 0 lets the system choose.
func listenAddress(text string) (netip.AddrPort, error) {
	addr, err := netip.ParseAddrPort(text)
	switch {
	case err != nil:
		return addr, fmt.Errorf(`found %q; expected an address and port, such as "127.0.0.1:53" or "[::]:53"`, text)
	case addr.Addr().Is4In6():
		return addr, fmt.Errorf("found %q; expected an address written as IPv4, %q",
			text, netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()))
	case addr.Addr().IsMulticast():
		return addr, fmt.Errorf("found %q; expected a unicast address", text)
	}
	return addr, nil
}

// validPort says what is wrong with the port of an address to connect to.
func validPort(port string) error {
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("expected a port from 1 to 65535")
	}
	return nil
}
