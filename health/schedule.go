package health

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

const (
	// The first probes of n targets are spread over n times spreadStep, so that a few targets are
	// judged at once and many do not start in one burst. spreadMost bounds the spread, so that a
	// start with very many targets gets all verdicts in time.
	spreadStep = 200 * time.Microsecond
	spreadMost = 2 * time.Second

	// jitter is the part of the interval by which a probe may come early. It never comes late, so
	// that the interval bounds how long a failure goes unseen.
	jitter = 0.1

	// Probes on a common beat start at one wake-up, and their responses come together. A wake-up costs as
	// much as a third of a probe, and with thousands of targets there are tens of probes on each beat.
	longestBeat = 50 * time.Millisecond

	// A probe must end at its timeout. After overdueAfter timeouts it ignores its context, which is
	// a fault of the program.
	overdueAfter = 3
)

// next is when the target is to be probed again after a probe that was just observed.
//
// A target that fails from some moment on is seen to be down, in the worst case, after
//
//	Interval + (Fall-1) × max(FastInterval, time of a failing probe) + time of a failing probe
//
// since no wait exceeds its interval, counted from start to start.
func (e *entry) next(started, ended time.Time) time.Time {
	var wait time.Duration
	switch {
	case e.tracker.Turning():
		wait = fastInterval(e.target)
	case !e.phased:
		// All targets were first probed at about the same time. From here on each has its own place
		// within the interval, so that the load is even.
		e.phased = true
		wait = part(e.target.Interval)
	default:
		early := time.Duration(jitter * float64(e.target.Interval))
		beat := max(1, min(longestBeat, early/2))
		wait = onBeat(started, e.target.Interval-part(early-beat), beat)
	}
	next := later(started.Add(wait), ended)
	if notes := e.last.Notes; notes != nil && !notes.Until.IsZero() && notes.Until.Before(next) {
		return later(notes.Until, ended)
	}
	return next
}

// soonest is when an idle target is due after its intervals have changed: as before, or earlier if
// the new intervals require it. Many targets that change together are spread over their interval.
func (e *entry) soonest(now time.Time) time.Time {
	by := now.Add(part(e.target.Interval))
	if e.tracker.Turning() {
		started := e.probed.Add(-e.took)
		by = later(started.Add(fastInterval(e.target)), now)
	}
	if by.Before(e.due) {
		return by
	}
	return e.due
}

// fastInterval is the target's fast interval, or its interval if that is shorter or no fast one is
// given.
func fastInterval(t *Target) time.Duration {
	if t.FastInterval <= 0 {
		return t.Interval
	}
	return min(t.FastInterval, t.Interval)
}

// spread schedules first probes: each at random within its own slice of the window.
func (m *Monitor) spread(entries []*entry, now time.Time) {
	n := len(entries)
	slice := min(spreadStep, spreadMost/time.Duration(max(n, 1)))
	for i, e := range entries {
		m.schedule(e, now.Add(time.Duration(i)*slice+part(slice)))
	}
}

// overrun is what a probe may take beyond its timeout.
const overrun = time.Second

// FirstVerdicts is how long the first probes of these targets take at most, if they begin together.
func FirstVerdicts(targets []Target) time.Duration {
	var slowest time.Duration
	for i := range targets {
		slowest = max(slowest, targets[i].Timeout)
	}
	return slowest + overrun + min(time.Duration(len(targets))*spreadStep, spreadMost)
}

// schedule makes the entry due at a time, and wakes Run if that is before all others. What is calculated
// is never due.
func (m *Monitor) schedule(e *entry, due time.Time) {
	if e.target.IsCalculated() {
		m.unschedule(e)
		return
	}
	e.due = due
	if e.index < 0 {
		heap.Push(&m.queue, e)
	} else {
		m.queue[e.index].due = due
		heap.Fix(&m.queue, e.index)
	}
	if e.index == 0 {
		m.nudge()
	}
}

// unschedule takes the entry out of the queue, if it is there.
func (m *Monitor) unschedule(e *entry) {
	if e.index >= 0 {
		heap.Remove(&m.queue, e.index)
	}
}

// nudge makes Run look again at what is due.
func (m *Monitor) nudge() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// part is a uniformly random part of d.
func part(d time.Duration) time.Duration {
	return time.Duration(rand.Float64() * float64(d))
}

// onBeat shortens a wait by less than a beat, so that it ends on one. All targets share the beat,
// which is that of the wall clock. Setting the clock moves the beat and nothing else.
func onBeat(from time.Time, wait, beat time.Duration) time.Duration {
	return wait - time.Duration(from.Add(wait).UnixNano()%int64(beat))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// queue is a heap (package container/heap) of entries, the one that is due first on top. Each stands beside its
// time, so that a comparison reads no entry: with thousands, these are in no cache.
type queue []turn

type turn struct {
	due   time.Time
	entry *entry
}

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].entry.index, q[j].entry.index = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, turn{e.due, e})
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last].entry
	(*q)[last] = turn{}
	*q = (*q)[:last]
	e.index = -1
	return e
}
