package replication

import (
	"slices"
	"sort"
	"time"
)

// Arrival is what is known of the way from one region to another.
type Arrival uint8

const (
	// Unmeasured: nothing has been proved of it yet, or lately.
	Unmeasured Arrival = iota
	// InTime: what was written at least MaxLag ago has arrived.
	InTime
	// Late: something that was written more than MaxLag ago has not arrived.
	Late
)

var arrivalNames = [...]string{Unmeasured: "unmeasured", InTime: "in time", Late: "late"}

func (a Arrival) String() string { return arrivalNames[a] }

// write is one of the heartbeats of a region.
type write struct {
	counter      uint64
	began, ended time.Time // no end: it was not acknowledged, and may be there or not
}

// region is what is known of a region of a group.
type region struct {
	writes []write   // in ascending order; none that all others have seen but the last of these
	wrote  time.Time // when a write was last acknowledged; zero: none was
	read   time.Time // when something was last read through the region's endpoint; zero: nothing was
	// unwritten and unread are when the first of the last writes, and readings, began that all failed;
	// zero: the last one did not, or there was none.
	unwritten, unread time.Time
	out               time.Time // since when both fail; zero: they do not

	fails fails
}

// fails are those of the last readings that failed for which the region is to blame, not this host: others
// could be read meanwhile.
type fails struct {
	count       int
	began       time.Time // the first
	ended       time.Time // the last
	explanation string
}

func (f *fails) add(began, ended time.Time, err error) {
	if f.count == 0 {
		f.began = began
	}
	f.count++
	f.ended, f.explanation = ended, err.Error()
}

// mostWrites bounds what is kept while a region sees nothing: hours at the usual interval.
const mostWrites = 4096

// add notes a write. The reports of a probe that was replaced may come late, and do not count.
func (r *region) add(x write) {
	if n := len(r.writes); n > 0 && x.counter <= r.writes[n-1].counter {
		return
	}
	if r.writes = append(r.writes, x); len(r.writes) > mostWrites {
		r.thin()
	}
	switch {
	case !x.ended.IsZero():
		r.wrote, r.unwritten = x.ended, time.Time{}
	case r.unwritten.IsZero():
		r.unwritten = x.began
	}
}

// thin drops every second write of the older half: a lag of hours is told less exactly, but one of minutes as
// before. The first two stay: who has seen the first lacks the second.
func (r *region) thin() {
	kept := r.writes[:2]
	for i := 2; i < len(r.writes); i++ {
		if i >= mostWrites/2 || i%2 == 0 {
			kept = append(kept, r.writes[i])
		}
	}
	r.writes = kept
}

// forget drops the writes that lie before the newest that has a counter up to seen.
func (r *region) forget(seen uint64) {
	newest := sort.Search(len(r.writes), func(i int) bool { return r.writes[i].counter > seen }) - 1
	if newest > 0 {
		r.writes = slices.Delete(r.writes, 0, newest)
	}
}

// follow notes at a time whether the region is out. While it is, what it has acknowledged cannot leave it, so
// that this time is no part of their age: after a region has died and come back, its last writes have as long
// to arrive as any other.
func (r *region) follow(now time.Time) {
	switch out := !r.unwritten.IsZero() && !r.unread.IsZero(); {
	case out && r.out.IsZero():
		r.out = later(r.unwritten, r.unread)
	case !out && !r.out.IsZero():
		for i := range r.writes {
			if x := &r.writes[i]; !x.ended.IsZero() && x.ended.Before(r.out) {
				x.ended = x.ended.Add(now.Sub(r.out))
			}
		}
		r.out = time.Time{}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// edge is the way from one region to another, as the readings through the other have shown it.
type edge struct {
	seen    uint64    // the largest counter
	had     time.Time // when the newest write began that was seen; zero: none of this run was
	missing time.Time // when the oldest write ended that the last reading should have seen; zero: there was none
	read    time.Time // when that reading ended; zero: there was none
	arrival Arrival
}

// see notes a reading. What it proves depends on the times at which this host knows a write to have been
// made, or not to have been made yet:
//
//	the oldest write that was acknowledged before   │ the newest write that was      │ then it is
//	the reading began, and was not seen             │ seen                           │
//	────────────────────────────────────────────────┼────────────────────────────────┼─────────────
//	was acknowledged more than MaxLag before that   │ any                            │ late
//	there is none, or it was later                  │ was begun at most MaxLag       │ in time
//	                                                │ before the reading ended       │
//	there is none                                   │ was begun earlier, or there is │ unmeasured,
//	                                                │ none                           │ if it was late
//	it was later                                    │ the same                       │ as it was
//
// A host that is stopped, or late, makes the first time shorter and the second longer, so that it proves
// nothing. Near MaxLag neither is proved, by the interval between two writes, so that a lag that lies there
// does not turn to and fro. Since a region is out, its writes do not become older.
func (e *edge) see(from *region, counter uint64, began, ended time.Time, maxLag time.Duration) {
	e.seen, e.read, e.missing = max(e.seen, counter), ended, time.Time{}
	for _, x := range from.writes {
		acknowledged := !x.ended.IsZero()
		if x.counter > e.seen && acknowledged && !x.ended.After(began) {
			e.missing = x.ended
			break
		}
		// One without an acknowledgement may have been refused, since an earlier run has written a larger counter.
		if x.counter == e.seen || x.counter < e.seen && acknowledged {
			e.had = x.began
		}
	}
	if !from.out.IsZero() && from.out.Before(began) {
		began = from.out
	}
	switch {
	case !e.missing.IsZero() && began.Sub(e.missing) > maxLag:
		e.arrival = Late
	case !e.had.IsZero() && ended.Sub(e.had) <= maxLag:
		e.arrival = InTime
	case e.missing.IsZero() && e.arrival == Late:
		e.arrival = Unmeasured
	}
}

// lag is by how much the copy is behind at a time, as far as the last reading has shown: 0 if it had everything
// that was to be seen, else the age of the oldest write that it lacked. It is not known where nothing was read
// for longer than MaxLag, and before the first heartbeat of this run has arrived or should have.
func (e *edge) lag(now time.Time, maxLag time.Duration) (lag time.Duration, known bool) {
	switch {
	case e.read.IsZero() || now.Sub(e.read) > maxLag:
		return 0, false
	case !e.missing.IsZero():
		return max(0, now.Sub(e.missing)), true
	}
	return 0, !e.had.IsZero()
}
