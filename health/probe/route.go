package probe

import (
	"fmt"
	"net"
	"slices"
	"sync"
)

// routes knows the ways that this host has. Probes that fail ask for them, and when a region fails, thousands do. It
// is safe for concurrent use.
type routes struct {
	look func() ([]net.Interface, error)

	mu      sync.Mutex
	next    *look
	looking sync.Mutex
}

// look is one list of the interfaces.
type look struct {
	once       sync.Once
	interfaces []net.Interface
	err        error
}

func newRoutes() *routes { return &routes{look: net.Interfaces} }

// interfaces lists the interfaces of this host as they are at some moment of the call.
func (r *routes) interfaces() ([]net.Interface, error) {
	l := r.join()
	r.see(l)
	return l.interfaces, l.err
}

// join returns the look that begins next. All who come before it begins share it, and nobody is told what was seen
// before he asked: that may be over.
func (r *routes) join() *look {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		r.next = new(look)
	}
	return r.next
}

// see waits until a look was taken.
func (r *routes) see(l *look) {
	l.once.Do(func() {
		r.looking.Lock() // one at a time, so that those who wait gather
		defer r.looking.Unlock()
		r.mu.Lock()
		r.next = nil
		r.mu.Unlock()
		l.interfaces, l.err = r.look()
	})
}

// to asks this host for a way to an address. A UDP socket that is connected sends
// nothing, and so learns nothing of what lies behind.
//
//	the routing table   the address that would be sent from              a way
//	has no route        whatever                                         none
//	has one             does not reach as far as that of the target      none
//	has one             is of an interface that is up, without carrier   none
//	has one             any other, or of several interfaces              there is one
func (r *routes) to(to *net.TCPAddr) error {
	conn, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: to.IP, Port: to.Port, Zone: to.Zone})
	if err != nil {
		return err
	}
	defer conn.Close()
	from := conn.LocalAddr().(*net.UDPAddr).IP
	if err := verifySource(from, to.IP); err != nil {
		return err
	}
	interfaces, err := r.interfaces()
	if err != nil {
		return nil // it is not known
	}
	return carrierOf(from, interfaces)
}

// verifySource reports an address that no answer from another could come back to. Without a
// better one, as before IPv6 is configured, the kernel takes that of the loopback interface or
// of a link (RFC 6724, section 5, rule 2).
func verifySource(from, to net.IP) error {
	if !to.IsGlobalUnicast() || !from.IsLoopback() && (from.To4() != nil || !from.IsLinkLocalUnicast()) {
		return nil
	}
	return fmt.Errorf("%w but %v", errNoSource, from)
}

// carrierOf reports that the interface with an address of this host has no carrier. Its routes
// are there nevertheless, unless net.ipv4.conf.*.ignore_routes_with_linkdown says otherwise.
func carrierOf(address net.IP, interfaces []net.Interface) error {
	dead := func(i net.Interface) bool { return i.Flags&(net.FlagUp|net.FlagRunning) == net.FlagUp }
	if !slices.ContainsFunc(interfaces, dead) {
		return nil
	}
	var without error
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addresses {
			prefix, ok := a.(*net.IPNet)
			switch {
			case !ok || !prefix.IP.Equal(address):
			case !dead(i):
				return nil
			default:
				without = fmt.Errorf("%w (%s)", errNoCarrier, i.Name)
			}
		}
	}
	return without
}
