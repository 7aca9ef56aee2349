package answer

import (
	"context"
	"sync"
)

// feed hands events from the publisher to their listeners, so that no listener, however
// slow, holds up a publication.
type feed struct {
	listeners []func([]Event)

	mu      sync.Mutex
	waiting []Event
	dropped int
	ready   chan struct{} // capacity 1: there is something waiting
}

// maxWaiting bounds the events that wait for a listener that hangs, but for those of the last
// publication, which are as many as things changed at once. The oldest go first.
const maxWaiting = 10_000

func newFeed(listeners []func([]Event)) *feed {
	return &feed{listeners: listeners, ready: make(chan struct{}, 1)}
}

// put never blocks.
func (f *feed) put(events []Event) {
	if len(events) == 0 {
		return
	}
	f.mu.Lock()
	// A publication is never cut: its first events are the causes of the others.
	if over := min(len(f.waiting)+len(events)-maxWaiting, len(f.waiting)); over > 0 {
		f.waiting = append([]Event(nil), f.waiting[over:]...)
		f.dropped += over
	}
	f.waiting = append(f.waiting, events...)
	f.mu.Unlock()
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

func (f *feed) take() (events []Event, dropped int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	events, dropped = f.waiting, f.dropped
	f.waiting, f.dropped = nil, 0
	return events, dropped
}

// run delivers until ctx ends, and then what is still waiting. lost is told how many
// events no listener will see.
func (f *feed) run(ctx context.Context, lost func(int)) {
	for {
		select {
		case <-f.ready:
			f.deliver(lost)
		case <-ctx.Done():
			f.deliver(lost)
			return
		}
	}
}

func (f *feed) deliver(lost func(int)) {
	events, dropped := f.take()
	if dropped > 0 {
		lost(dropped)
	}
	if len(events) == 0 {
		return
	}
	for _, listen := range f.listeners {
		listen(events)
	}
}
