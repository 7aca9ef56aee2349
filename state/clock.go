package state

import (
	"maps"
	"time"

	"gslb/health"
	"gslb/steer"
)

// Times are saved as readings of the wall clock, which may be set during a run or between two. A
// run itself measures by the monotonic clock (package time), which cannot be set. So times are
// converted when they are loaded and saved:
//
//	the clock was set     │ what is kept of how long ago something was
//	──────────────────────┼─────────────────────────────────────────────────────────────────────
//	while a run lasts     │ all: it is measured by the monotonic clock, and what was saved by the
//	                      │ clock before is saved anew (Revision.Clock)
//	back between two runs │ what it was at the end of the first; how long nothing ran is not known
//	on between two runs   │ nothing can be told from a long pause
//
// The verdicts of a run whose clock was ahead are not fresh (State.Fresh), since their age is not
// known. But what steering remembers must not wait longer because of that.

// At is the state for a run that begins now.
func (s State) At(now time.Time) State {
	was := now.Round(0)
	if last := s.last(); last.After(was) {
		was = last // by the clock of the run before, it was at least that late at its end
	}
	s.Memory = moved(s.Memory, was, now)
	s.Safety, s.Copies = s.Safety.Moved(mover(was, now)), s.Copies.Moved(mover(was, now))
	return s
}

// last is the latest time in a state.
func (s State) last() (last time.Time) {
	see := func(t time.Time) {
		if t.After(last) {
			last = t
		}
	}
	for _, r := range s.Targets {
		see(r.Judged)
	}
	see(s.Safety.Last())
	see(s.Copies.Last())
	for _, p := range s.Memory.Pools {
		see(p.Since)
		see(p.Recovered)
		see(p.Fell)
		see(p.Degraded)
		see(p.CaughtUp)
	}
	for _, r := range s.Memory.Routes {
		for _, at := range r.Gone {
			see(at)
		}
	}
	return last
}

// Kept is what a run has decided in the form to save now.
func (d Decided) Kept(now time.Time) Decided {
	move := mover(now, now.Round(0))
	d.Memory, d.Safety, d.Copies = moved(d.Memory, now, now.Round(0)), d.Safety.Moved(move), d.Copies.Moved(move)
	return d
}

// Clock is by how much the wall clock was set since a time of this process. It is rounded, so that
// the small corrections of time synchronisation do not count.
func Clock(since, now time.Time) time.Duration {
	return (now.Round(0).Sub(since.Round(0)) - now.Sub(since)).Round(10 * time.Second)
}

// mover moves a time, so that it is as long ago at to as it was at from.
func mover(from, to time.Time) func(time.Time) time.Time {
	return func(t time.Time) time.Time {
		if t.IsZero() {
			return t
		}
		return to.Add(t.Sub(from))
	}
}

// moved is a memory with all times shifted, so that everything is as long ago at to as it was at
// from.
func moved(m steer.Memory, from, to time.Time) steer.Memory {
	move := mover(from, to)
	pools := make(map[string]steer.PoolMemory, len(m.Pools))
	for name, p := range m.Pools {
		p.Since, p.Recovered, p.Fell = move(p.Since), move(p.Recovered), move(p.Fell)
		p.Degraded, p.CaughtUp = move(p.Degraded), move(p.CaughtUp)
		pools[name] = p
	}
	m.Pools = pools
	hasTimes := false // of very many routes few have any
	for _, r := range m.Routes {
		hasTimes = hasTimes || len(r.Gone) > 0
	}
	if !hasTimes {
		return m
	}
	m.Routes = maps.Clone(m.Routes)
	for key, r := range m.Routes {
		r.Gone = maps.Clone(r.Gone)
		for pool, at := range r.Gone {
			r.Gone[pool] = move(at)
		}
		m.Routes[key] = r
	}
	return m
}

// Fresh returns the verdicts that are not older than maxAge, by target. A verdict from the
// future, which a clock that was set back leaves behind, is not fresh.
func (s State) Fresh(now time.Time, maxAge time.Duration) map[health.TargetID]health.Record {
	fresh := make(map[health.TargetID]health.Record, len(s.Targets))
	for _, r := range s.Targets {
		age := now.Round(0).Sub(r.Judged)
		if age < 0 || age > maxAge {
			continue
		}
		// From here on their ages are measured by the monotonic clock.
		r.Judged = now.Add(-age)
		if !r.Since.IsZero() {
			r.Since = now.Add(-max(0, now.Round(0).Sub(r.Since)))
		}
		fresh[r.ID] = r
	}
	return fresh
}
