// Package journal has the events of the server as data that is written, sent and read again: what
// happened, in which order, and why.
//
// A [Journal] numbers events and hands them on at once. A [Log] writes them to events.log in the
// directory of the state, a line of JSON each, and finds those that are asked for. [Read] reads such
// files without a server.
package journal

import (
	"sync"
	"time"

	"gslb/publish"
)

// Journal numbers events in the order in which they come, and hands them to its listeners. It is
// safe for concurrent use.
type Journal struct {
	listeners []func([]Event)

	mu   sync.Mutex
	last uint64 // the greatest ID so far
}

// New makes a journal whose IDs follow last. The listeners are called in order, one call at a time,
// and must not block.
func New(last uint64, listeners ...func([]Event)) *Journal {
	return &Journal{listeners: listeners, last: last}
}

// Notice takes what was published.
func (j *Journal) Notice(published []publish.Event) {
	events := make([]Event, 0, len(published))
	for _, p := range published {
		if e, ok := Of(p); ok {
			events = append(events, e)
		}
	}
	j.Add(events...)
}

// Add numbers events and hands them on. One without a time happens now.
//
// An ID is a number of milliseconds since 1970, or the next one after the ID before. So it also
// rises over a restart that cannot read which IDs there were.
func (j *Journal) Add(events ...Event) {
	if len(events) == 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	for i := range events {
		e := &events[i]
		if e.At.IsZero() {
			e.At = now
		}
		j.last = max(j.last+1, uint64(max(0, now.UnixMilli())))
		e.ID = j.last
	}
	for _, listen := range j.listeners {
		listen(events)
	}
}
