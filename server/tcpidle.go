package server

// idleHeap finds, among connections, the one that has been idle longest. When a connection
// was last active is known to whoever serves it, who notes it without a lock and without
// touching the heap; the heap goes by what it saw last, which is never later than what is
// true, and looks again at those that it finds at the top.
type idleHeap struct {
	group   group
	entries []*tableEntry
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
func (h *idleHeap) idlest() *tableEntry {
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

func (h *idleHeap) add(e *tableEntry) {
	e.places[h.group] = heapPlace{index: len(h.entries), seen: e.active.Load()}
	h.entries = append(h.entries, e)
	h.up(len(h.entries) - 1)
}

func (h *idleHeap) remove(e *tableEntry) {
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
