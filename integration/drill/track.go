package main

import (
	"slices"
	"sync"
	"time"
)

// observation is what one request, or one question, came to.
type observation struct {
	At     time.Time // when it ended
	Took   time.Duration
	Region string // the pool that has answered; empty: none, and Err says why
	Err    string
}

// track is what somebody has observed, in the order in which it ended. Its methods are safe for concurrent use.
type track struct {
	mu   sync.Mutex
	seen []observation
}

func (t *track) add(o observation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = append(t.seen, o)
}

func (t *track) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = nil
}

func (t *track) all() []observation { return t.between(time.Time{}, time.Time{}) }

// between returns what ended from a moment on and before another one; a zero time is no bound.
func (t *track) between(from, to time.Time) []observation {
	t.mu.Lock()
	defer t.mu.Unlock()
	var some []observation
	for _, o := range t.seen {
		if !o.At.Before(from) && (to.IsZero() || o.At.Before(to)) {
			some = append(some, o)
		}
	}
	return some
}

// steady is for how long nothing else may be seen before a move counts as made. Two servers decide each by
// themselves, so that a resolver may turn twice.
const steady = 3 * time.Second

// move is when somebody came to a region to stay.
type move struct {
	After  time.Duration // from the fault on
	Made   bool          // false: it has not come to stay, and After means nothing
	Failed int           // the requests since the fault that came to nothing
}

// moved finds the move to a region in what was seen since a fault.
//
//	seen since the fault                             moved
//	-                                                no
//	only the region                                  at once: there was nothing to move
//	… and for the last of it the region alone
//	    for at least the steady time                 by the first of these
//	    for less                                     not yet
//	… and at last another one, or failures           no
func moved(seen []observation, fault, now time.Time, to string) move {
	var m move
	for _, o := range seen {
		if o.Region == "" {
			m.Failed++
		}
	}
	first := len(seen)
	for first > 0 && seen[first-1].Region == to {
		first--
	}
	if first == len(seen) || now.Sub(seen[first].At) < steady {
		return m
	}
	m.Made = true
	if first > 0 {
		m.After = max(0, seen[first].At.Sub(fault))
	}
	return m
}

// span is a time in which somebody saw the same.
type span struct {
	From, To time.Duration // since the fault
	Region   string        // empty: it failed
}

// spans joins what was seen. A request belongs to the time in which it was made, and what is between two
// requests to the earlier one; where they differ, the change is at the end of the later one.
func spans(seen []observation, fault time.Time, until time.Duration) []span {
	var joined []span
	for _, o := range seen {
		at := max(0, o.At.Sub(fault))
		if n := len(joined); n > 0 {
			joined[n-1].To = at
			if joined[n-1].Region == o.Region {
				continue
			}
		} else {
			at = 0
		}
		joined = append(joined, span{From: at, To: at, Region: o.Region})
	}
	if n := len(joined); n > 0 {
		joined[n-1].To = max(until, joined[n-1].To)
	}
	return slices.Clip(joined)
}
