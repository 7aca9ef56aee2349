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
	look func() ([]link, error)

	mu      sync.Mutex
	next    *look
	looking sync.Mutex
}

// look is one list of the interfaces.
type look struct {
	once  sync.Once
	links []link
	err   error
}

func newRoutes() *routes { return &routes{look: links} }

// links lists the interfaces of this host as they are at some moment of the call.
func (r *routes) links() ([]link, error) {
	l := r.join()
	r.see(l)
	return l.links, l.err
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
		l.links, l.err = r.look()
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
	links, err := r.links()
	if err != nil {
		return nil // it is not known
	}
	return carrierOf(from, links)
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

// link is an interface of this host.
type link struct {
	name      string
	dead      bool // it is up, without carrier
	addresses []net.IP
}

// links lists the interfaces of this host; none, if no one is dead: then their addresses, which the kernel is asked
// for once for each interface, do not matter.
func links() ([]link, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	dead := func(i net.Interface) bool { return i.Flags&(net.FlagUp|net.FlagRunning) == net.FlagUp }
	if !slices.ContainsFunc(interfaces, dead) {
		return nil, nil
	}
	list := make([]link, len(interfaces))
	for n, i := range interfaces {
		list[n] = link{name: i.Name, dead: dead(i)}
		addresses, err := i.Addrs()
		if err != nil {
			continue // it has gone
		}
		for _, a := range addresses {
			if prefix, ok := a.(*net.IPNet); ok {
				list[n].addresses = append(list[n].addresses, prefix.IP)
			}
		}
	}
	return list, nil
}

// carrierOf reports that the interface with an address of this host has no carrier. Its routes
// are there nevertheless, unless net.ipv4.conf.*.ignore_routes_with_linkdown says otherwise.
func carrierOf(address net.IP, links []link) error {
	var without error
	for _, l := range links {
		switch {
		case !slices.ContainsFunc(l.addresses, address.Equal):
		case !l.dead:
			return nil
		default:
			without = fmt.Errorf("%w (%s)", errNoCarrier, l.name)
		}
	}
	return without
}
