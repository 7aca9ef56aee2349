package server

import (
	"net/netip"
	"sync"
	"time"
)

// connTable holds the open TCP connections, within the limits on them.
type connTable struct {
	max, maxPerClient int

	mu        sync.Mutex
	conns     map[*tcpConn]struct{}
	perClient map[netip.Prefix]int
}

func newConnTable(limit, perClient int) *connTable {
	return &connTable{
		max:          limit,
		maxPerClient: perClient,
		conns:        make(map[*tcpConn]struct{}),
		perClient:    make(map[netip.Prefix]int),
	}
}

// clientKey is what counts as one client: an IPv4 address, or an IPv6 /64, since a single
// host commands all of it.
func clientKey(addr netip.Addr) netip.Prefix {
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	prefix, _ := addr.WithZone("").Prefix(bits)
	return prefix
}

// add takes c in. If that exceeds a limit, it takes out the connection that has waited
// longest since its last query, of that client or of all, and returns it with the limit's
// name; the caller closes it.
func (t *connTable) add(c *tcpConn) (evicted *tcpConn, limit string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.perClient[c.client] >= t.maxPerClient:
		limit = "client"
		evicted = t.idlest(func(other *tcpConn) bool { return other.client == c.client })
	case len(t.conns) >= t.max:
		limit = "total"
		evicted = t.idlest(func(*tcpConn) bool { return true })
	}
	if evicted != nil {
		t.delete(evicted)
	}
	t.conns[c] = struct{}{}
	t.perClient[c.client]++
	return evicted, limit
}

func (t *connTable) idlest(among func(*tcpConn) bool) *tcpConn {
	var idlest *tcpConn
	for c := range t.conns {
		if among(c) && (idlest == nil || c.active.Load() < idlest.active.Load()) {
			idlest = c
		}
	}
	return idlest
}

// remove takes c out, if it still is in.
func (t *connTable) remove(c *tcpConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.delete(c)
}

func (t *connTable) delete(c *tcpConn) {
	if _, ok := t.conns[c]; !ok {
		return
	}
	delete(t.conns, c)
	if t.perClient[c.client]--; t.perClient[c.client] == 0 {
		delete(t.perClient, c.client)
	}
}

// drain makes every connection finish, by a moment at the latest.
func (t *connTable) drain(by time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.conns {
		c.drain(by)
	}
}
