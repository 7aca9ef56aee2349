package tcp

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// table holds the open TCP connections, within the limits on them. It is safe for
// concurrent use. Its lock is taken when a connection comes or goes, never for a query.
type table struct {
	max, maxPerClient int

	mu      sync.Mutex
	all     idleHeap
	clients map[netip.Prefix]*idleHeap
	spare   []*idleHeap // of clients that are gone
}

// entry is a connection as the table knows it.
type entry struct {
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

// maxSpare bounds how many heaps are kept for new clients.
const maxSpare = 256

func newTable(limit, perClient int) *table {
	return &table{
		max:          limit,
		maxPerClient: perClient,
		all:          idleHeap{group: ofAll},
		clients:      make(map[netip.Prefix]*idleHeap),
	}
}

// clientKey is what counts as one client: an IPv4 address, or an IPv6 /64, all of which a single
// host can use.
func clientKey(addr netip.Addr) netip.Prefix {
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	prefix, _ := addr.WithZone("").Prefix(bits)
	return prefix
}

// add adds e. If that exceeds a limit, it evicts the connection that has waited longest since its
// last query, of that client or of all, and returns the limit's name: a server may close idle
// connections to serve new ones (RFC 7766, section 6.2.3), and clients that only hold connections
// open must not keep others out.
func (t *table) add(e *entry) (limit string) {
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

// resize changes the limit on connections. Those above it are evicted, the idlest first.
func (t *table) resize(limit int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.max = limit
	for len(t.all.entries) > t.max {
		t.evict(t.all.idlest())
	}
}

func (t *table) evict(e *entry) {
	t.delete(e)
	e.conn.evict()
}

// client returns the connections of a client, which may have none yet.
func (t *table) client(key netip.Prefix) *idleHeap {
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
func (t *table) remove(e *entry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !e.listed {
		return false
	}
	t.delete(e)
	return true
}

func (t *table) delete(e *entry) {
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

// idleHeap finds the connection that has been idle longest. The loop that serves a connection
// records its last activity without a lock and without touching the heap. The heap is ordered by
// the value that it saw last, which is never later than the real one, and reads it again for the
// entries at its top.
type idleHeap struct {
	group   group
	entries []*entry
}

// group is one of the heaps that a connection is in.
type group uint8

const (
	ofAll group = iota
	ofClient
	groups = iota
)

// heapPlace is where an entry is in one heap.
type heapPlace struct {
	index int
	seen  int64 // the entry's active, as the heap saw it last
}

// idlest returns the entry that was active least recently, which stays. The heap is not
// empty.
func (h *idleHeap) idlest() *entry {
	for {
		top := h.entries[0]
		place := &top.places[h.group]
		active := top.active.Load()
		if active == place.seen {
			return top
		}
		place.seen = active
		h.down(0)
	}
}

func (h *idleHeap) add(e *entry) {
	e.places[h.group] = heapPlace{index: len(h.entries), seen: e.active.Load()}
	h.entries = append(h.entries, e)
	h.up(len(h.entries) - 1)
}

func (h *idleHeap) remove(e *entry) {
	i, last := e.places[h.group].index, len(h.entries)-1
	h.swap(i, last)
	h.entries[last] = nil
	h.entries = h.entries[:last]
	if i < last {
		h.down(i)
		h.up(i)
	}
}

func (h *idleHeap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.before(i, parent) {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h *idleHeap) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h.entries); child++ {
			if h.before(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}

func (h *idleHeap) before(i, j int) bool {
	return h.entries[i].places[h.group].seen < h.entries[j].places[h.group].seen
}

func (h *idleHeap) swap(i, j int) {
	e := h.entries
	e[i], e[j] = e[j], e[i]
	e[i].places[h.group].index, e[j].places[h.group].index = i, j
}
