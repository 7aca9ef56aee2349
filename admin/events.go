package admin

import (
	"context"
	"slices"
	"sync"
	"time"

	"gslb/journal"
)

// How many events are remembered, how many of them are in the lists of the page and of /api/status, and
// how many a reply may have of the log.
const (
	eventsKept  = 1000
	eventsShown = 200
	eventsMost  = 10_000

	// How often the log is read for those who are not known. Once takes a tenth of a second of a
	// processor that queries need.
	recallsPerSecond = 1
	recallsAtOnce    = 5
)

// logWait is how long a reply waits for the log of events, whose disk may not respond.
const logWait = 2 * time.Second

// EventLog has the events that are not remembered any more: a [journal.Log]. Both fail when ctx ends.
type EventLog interface {
	// Latest returns the last n events before an ID, the latest first; before 0 the last of all.
	Latest(ctx context.Context, before uint64, n int) ([]journal.Event, error)
	// After returns the first n events after an ID, the oldest first.
	After(ctx context.Context, id uint64, n int) ([]journal.Event, error)
}

// Event is an event as the page and the API show it.
type Event = journal.Event

// Record remembers events, given in the order in which they happened. The last 1000 are
// kept. It is safe for concurrent use.
func (s *Server) Record(events []Event) {
	kept := make([]Event, len(events))
	for i := range events {
		kept[i] = events[i].Short()
	}
	s.events.add(kept)
}

// lastEvents is the last events, at most so many: those that are remembered and, before these, those of
// the log.
func (s *Server) lastEvents(ctx context.Context, most int) some {
	found := s.events.lastOf(most)
	missing := min(most, eventsMost) - len(found.events)
	if missing <= 0 || s.options.EventLog == nil {
		return found
	}
	before := uint64(0)
	if len(found.events) > 0 {
		before = found.events[0].ID
	}
	bounded, cancel := context.WithTimeout(ctx, logWait)
	defer cancel()
	var older []Event
	err := s.mayRecall(bounded)
	if err == nil {
		older, err = s.options.EventLog.Latest(bounded, before, missing)
	}
	if err != nil {
		found.missed = true
		return found
	}
	slices.Reverse(older)
	found.events = append(shortened(older), found.events...)
	return found
}

// eventsAfter is the first events after an ID, at most so many: of the log those that are not remembered
// any more.
func (s *Server) eventsAfter(ctx context.Context, id uint64, most int) some {
	found := s.events.after(id, most)
	if s.options.EventLog == nil || !found.missed && id > 0 {
		return found
	}
	bounded, cancel := context.WithTimeout(ctx, logWait)
	defer cancel()
	if s.mayRecall(bounded) != nil {
		return found
	}
	known := id == 0 // there is nothing before it
	if !known {
		before, err := s.options.EventLog.Latest(bounded, id+1, 1)
		known = err == nil && len(before) > 0
	}
	most = min(most, eventsMost)
	logged, err := s.options.EventLog.After(bounded, id, most)
	if err != nil || !known || len(logged) == 0 {
		return found
	}
	// What is remembered and was not written yet follows.
	rest := s.events.after(logged[len(logged)-1].ID, most-len(logged))
	rest.missed = rest.missed && len(logged) < most
	rest.events = append(shortened(logged), rest.events...)
	return rest
}

// mayRecall waits until the log may be read for who asks, or fails if that is too late for ctx.
func (s *Server) mayRecall(ctx context.Context) error {
	if IdentityOf(ctx).Known() {
		return nil
	}
	return s.recalls.Wait(ctx)
}

func shortened(events []Event) []Event {
	for i := range events {
		events[i] = events[i].Short()
	}
	return events
}

// ring keeps the last eventsKept events. It is safe for concurrent use.
type ring struct {
	mu      sync.Mutex
	events  [eventsKept]Event
	added   uint64        // ever
	changed chan struct{} // closed when another event is added
}

func newRing() *ring { return &ring{changed: make(chan struct{})} }

// add takes events in the order they happened.
func (r *ring) add(events []Event) {
	if len(events) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		r.events[r.added%eventsKept] = e
		r.added++
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// count is how many events were ever added.
func (r *ring) count() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.added
}

// latest is those that are shown, the latest first.
func (r *ring) latest() []Event {
	events := r.lastOf(eventsShown).events
	slices.Reverse(events)
	return events
}

// some is some of what is remembered.
type some struct {
	events  []Event         // in the order in which they happened
	last    uint64          // the ID of the last of all; 0: there was none
	missed  bool            // events that were asked for are forgotten
	changed <-chan struct{} // closed when there is another
}

// lastOf is the last events, at most so many.
func (r *ring) lastOf(most int) some {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.some(r.added-min(r.added, eventsKept, uint64(most)), most)
}

// after is the first events after an ID, at most so many. Of an ID that is older than all that is
// remembered nobody can tell what came after it. One that is above all is of a run whose clock was ahead,
// and whose events are lost: its reader gets all that there is, so that it goes on with these IDs.
func (r *ring) after(id uint64, most int) some {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := r.added - min(r.added, eventsKept)
	from := oldest
	ahead := r.added > 0 && r.events[(r.added-1)%eventsKept].ID < id
	for !ahead && from < r.added && r.events[from%eventsKept].ID <= id {
		from++
	}
	s := r.some(from, most)
	s.missed = from == oldest && from < r.added && (id > 0 || oldest > 0)
	return s
}

func (r *ring) some(from uint64, most int) some {
	s := some{events: make([]Event, 0, min(r.added-from, uint64(most))), changed: r.changed}
	for at := from; at < r.added && len(s.events) < most; at++ {
		s.events = append(s.events, r.events[at%eventsKept])
	}
	if r.added > 0 {
		s.last = r.events[(r.added-1)%eventsKept].ID
	}
	return s
}
