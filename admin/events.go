package admin

import (
	"sync"

	"gslb/journal"
)

// eventsKept is how many events are remembered.
const eventsKept = 200

// Event is an event as the page and the API show it.
type Event = journal.Event

// Record remembers events, given in the order in which they happened. The last 200 are
// kept. It is safe for concurrent use.
func (s *Server) Record(events []Event) {
	kept := make([]Event, len(events))
	for i := range events {
		kept[i] = events[i].Short()
	}
	s.events.add(kept)
}

// ring keeps the last eventsKept events. It is safe for concurrent use; the zero value is
// ready.
type ring struct {
	mu     sync.Mutex
	events [eventsKept]Event
	added  uint64 // ever
}

// add takes events in the order they happened.
func (r *ring) add(events []Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		r.events[r.added%eventsKept] = e
		r.added++
	}
}

// count is how many events were ever added.
func (r *ring) count() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.added
}

// latest returns what is kept, the latest first.
func (r *ring) latest() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := min(r.added, eventsKept)
	events := make([]Event, 0, kept)
	for i := range kept {
		events = append(events, r.events[(r.added-1-i)%eventsKept])
	}
	return events
}
