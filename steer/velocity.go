package steer

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"gslb/health"
	"gslb/zones"
)

// slowed is a pool that its probes have turned down, and that is answered as if it were up: as many
// others as max_down allows have gone down already.
type slowed struct {
	pool  *zones.Pool
	until time.Time // when another may go
}

// slowDown finds the last pools that are slowed, and notes when the others went down. Of all pools that
// the names may be answered with, not only of the route, so many may go within a time:
//
//	the pool is down by its probes, and                  │ then
//	─────────────────────────────────────────────────────┼─────────────────────────────────────────
//	went already, and has not been up since              │ it is down
//	is no last pool                                      │ it goes: to answer it would move clients
//	                                                     │ to what is down
//	has no address                                       │ it goes
//	is down for less than failover_after                 │ it is not looked at yet
//	fewer than max_down others went within the last      │ it goes
//	`within`                                             │
//	anything else                                        │ it is slowed; revisited when one more
//	                                                     │ may go
//
// Of several the one goes first that has been down for longest, and of those that turned down at once
// the one that is preferred least. A pool of which a person has said something is not counted, and not
// slowed: to force it down ends that it is. Nor is a pool that has never been seen up.
func (w *walk) slowDown() {
	w.gone = w.past.Gone
	var waiting []*PoolState
	for pool := range w.policy.Candidates() {
		state := w.state(pool)
		fell, at := state.memory.Fell, w.gone[pool.Name]
		if at.After(w.now) { // the clock was set back
			at = w.now
			w.goes(pool, at)
		}
		switch {
		case fell.IsZero(), state.Status != health.Down, !at.Before(fell):
		case !w.isLast(pool), state.isEmpty():
			w.goes(pool, fell)
		default:
			if until := w.heldUntil(state); !until.IsZero() {
				w.held = append(w.held, slowed{pool, until})
				continue
			}
			waiting = append(waiting, state)
		}
	}
	slices.Reverse(waiting)
	slices.SortStableFunc(waiting, func(a, b *PoolState) int { return a.memory.Fell.Compare(b.memory.Fell) })
	for _, state := range waiting {
		if w.mayGo(state.Pool).IsZero() {
			w.goes(state.Pool, w.now)
		} else {
			w.slowed = append(w.slowed, slowed{pool: state.Pool})
		}
	}
	for i := range w.slowed {
		w.slowed[i].until = w.mayGo(w.slowed[i].pool)
	}
}

// settleHeld ends what slowDown began, once it is decided what is remembered: a pool that is slowed, or may
// be held by failover_after, is looked at again when that ends, or has gone if clients have left it all the
// same. It reports whether other pools that are slowed wait for longer by that.
func (w *walk) settleHeld() bool {
	left, slow := false, 0
	for i, s := range slices.Concat(w.held, w.slowed) {
		switch {
		case !slices.Contains(w.memory.Pools, s.pool.Name):
			w.goes(s.pool, w.state(s.pool).memory.Fell)
			w.memory.Gone, left = w.gone, true
		case i >= len(w.held):
			slow++
			fallthrough
		default:
			w.Revisit = soonest(w.Revisit, s.until)
		}
	}
	return left && slow > 0
}

// goes notes that a pool went down.
func (w *walk) goes(pool *zones.Pool, at time.Time) {
	next := make(map[string]time.Time, len(w.gone)+1)
	maps.Copy(next, w.gone)
	next[pool.Name] = at
	w.gone = next
}

// mayGo is when a pool may go down; zero: now.
func (w *walk) mayGo(pool *zones.Pool) time.Time {
	var ends []time.Time
	for other := range w.policy.Candidates() {
		end := w.gone[other.Name].Add(w.policy.Within)
		if other != pool && end.After(w.now) && !w.state(other).memory.Fell.IsZero() {
			ends = append(ends, end)
		}
	}
	if len(ends) < w.policy.MaxDown {
		return time.Time{}
	}
	slices.SortFunc(ends, time.Time.Compare)
	return ends[len(ends)-w.policy.MaxDown]
}

// slowedUntil is when another pool may go down instead of one that is slowed; zero: it is not.
func (w *walk) slowedUntil(pool *zones.Pool) time.Time {
	for i := range w.slowed {
		if w.slowed[i].pool == pool {
			return w.slowed[i].until
		}
	}
	return time.Time{}
}

// takeSlowed takes a pool that is slowed, with its members that are up; if none is, with those that were
// answered last.
func (w *walk) takeSlowed(s *zones.Share, reason *Considered, state *PoolState, until time.Time) {
	addresses := state.usable
	if _, best := state.best(false); best == health.Down {
		if good := w.lastGood(state); len(good) > 0 {
			addresses = good
		}
	}
	w.take(Held, s, reason, addresses)
	w.hold(reason, Velocity, state.memory.Fell, until)
	reason.Why = "down since " + clock(state.Since) + ", but answered until " + clock(until) + " at least: max_down = " + strconv.Itoa(w.policy.MaxDown) +
		" pools have gone down within " + w.policy.Within.String() + "; gslb force down " + s.Pool.Name + " ends that: " + state.Why
}
