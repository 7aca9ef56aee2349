package admin

import "sync"

// eventsKept is how many events are remembered.
const eventsKept = 200

// ring keeps the last eventsKept entries. It is safe for concurrent use; the zero value is
// ready.
type ring struct {
	mu      sync.Mutex
	entries [eventsKept]entry
	added   uint64 // ever
}

// add takes entries in the order they happened.
func (r *ring) add(entries []entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range entries {
		r.entries[r.added%eventsKept] = e
		r.added++
	}
}

// latest returns what is kept, the latest first.
func (r *ring) latest() []entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := min(r.added, eventsKept)
	entries := make([]entry, 0, kept)
	for i := range kept {
		entries = append(entries, r.entries[(r.added-1-i)%eventsKept])
	}
	return entries
}
