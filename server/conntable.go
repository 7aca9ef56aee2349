package server

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// connTable holds the open TCP connections, within the limits on them. It is safe for
// concurrent use. Its lock is taken when a connection comes or goes, never for a query.
type connTable struct {
	max, maxPerClient int

	mu      sync.Mutex
	all     idleHeap
	clients map[netip.Prefix]*idleHeap
	spare   []*idleHeap // of clients that are gone
}

// tableEntry is a connection as the table knows it.
type tableEntry struct {
	client netip.Prefix
	active atomic.Int64 // when it last sent a query, or connected, in ns since 1970
	conn   evictable

	listed bool // under the table's lock, like the rest
	places [groups]heapPlace
}

// evictable is a connection that the table can close.
type evictable interface {
	// evict makes the connection end soon. It is called with the table locked, before the
	// connection's own call of remove returns, and must not block.
	evict()
}

// maxSpare bounds what is kept for clients to come.
const maxSpare = 256

func newConnTable(limit, perClient int) *connTable {
	return &connTable{
		max:          limit,
		maxPerClient: perClient,
		all:          idleHeap{group: ofAll},
		clients:      make(map[netip.Prefix]*idleHeap),
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

// add takes e in. If that exceeds a limit, it evicts the connection that has waited longest
// since its last query, of that client or of all, and returns the limit's name: a server may
// close what is idle to serve what is new (RFC 7766, section 6.2.3), and who only holds
// connections open must not keep others out.
func (t *connTable) add(e *tableEntry) (limit string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch own := t.clients[e.client]; {
	case own != nil && len(own.entries) >= t.maxPerClient:
		limit = "client"
		t.evict(own.idlest())
	case len(t.all.entries) >= t.max:
		limit = "total"
		t.evict(t.all.idlest())
	}
	e.listed = true
	t.all.add(e)
	t.client(e.client).add(e)
	return limit
}

func (t *connTable) evict(e *tableEntry) {
	t.delete(e)
	e.conn.evict()
}

// client returns the connections of a client, which may have none yet.
func (t *connTable) client(key netip.Prefix) *idleHeap {
	own := t.clients[key]
	if own != nil {
		return own
	}
	if last := len(t.spare) - 1; last >= 0 {
		own, t.spare = t.spare[last], t.spare[:last]
	} else {
		own = &idleHeap{group: ofClient}
	}
	t.clients[key] = own
	return own
}

// remove takes e out. It returns false if e was evicted.
func (t *connTable) remove(e *tableEntry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !e.listed {
		return false
	}
	t.delete(e)
	return true
}

func (t *connTable) delete(e *tableEntry) {
	e.listed = false
	t.all.remove(e)
	own := t.clients[e.client]
	own.remove(e)
	if len(own.entries) > 0 {
		return
	}
	delete(t.clients, e.client)
	if len(t.spare) < maxSpare {
		t.spare = append(t.spare, own)
	}
}

// each calls do for every connection, with the table locked.
func (t *connTable) each(do func(*tableEntry)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.all.entries {
		do(e)
	}
}
