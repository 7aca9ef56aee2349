package steer

import (
	"cmp"
	"time"

	"gslb/replication"
	"gslb/zones"
)

// copyOf is the copy of the data that a pool works with; the zero value: nothing is known of any.
func copyOf(pool *zones.Pool) replication.Region {
	if pool.Replication == nil {
		return replication.Region{}
	}
	return replication.Region{Group: pool.Replication.Name, Region: pool.Region}
}

// followCopy notes what becomes of the copy behind a pool. patience is the longest failback_after of the
// routes that the pool is in.
//
//	the copy is               │ and the pool's                       │ then the pool is
//	──────────────────────────┼──────────────────────────────────────┼──────────────────────────────
//	degraded                  │ any                                  │ degraded
//	not current, or again     │ was caught up for less than patience │ degraded
//	not current               │ anything else                        │ as it was
//	current                   │ was degraded                         │ caught up, since the copy is
//	                          │                                      │ current
//	current, since later than │ was caught up for less than patience │ the same
//	it was caught up          │                                      │
//	current                   │ anything else                        │ as it was
//
// So what routes wait for is that the copy is current without a break, also where a break is too short to say
// more of it.
func (m *PoolMemory) followCopy(state *PoolState, patience time.Duration, now time.Time) {
	if state.Pool.Replication == nil {
		m.Degraded, m.CaughtUp = time.Time{}, time.Time{}
		return
	}
	good := state.Copy.Good
	recent := !m.CaughtUp.IsZero() && now.Before(m.CaughtUp.Add(patience))
	switch {
	case state.Copy.Degraded, recent && good.IsZero():
		if m.Degraded.IsZero() || m.Degraded.After(now) { // the clock was set back
			m.Degraded = now
		}
		m.CaughtUp = time.Time{}
	case good.IsZero():
	case !m.Degraded.IsZero(), recent && good.After(m.CaughtUp):
		m.Degraded, m.CaughtUp = time.Time{}, good
	}
}

// isSetAside reports whether a pool is left out since it is degraded:
//
//	the pool is degraded, and                        │ then
//	─────────────────────────────────────────────────┼─────────────────────────────────────────────
//	it or another with its copy is a last pool       │ it is not: clients that leave would lose what
//	                                                 │ only this copy has
//	the route has nothing else to take               │ it is not ([decide])
//	anything else                                    │ it is, as if it were not there, and a person
//	                                                 │ has no say in that but by a pin
func (w *walk) isSetAside(state *PoolState) bool {
	if state.Degraded.IsZero() || w.degradedToo {
		return false
	}
	if w.anyLast(func(last *PoolState) bool { return copyOf(last.Pool) == copyOf(state.Pool) }) {
		w.anySpared = true
		return false
	}
	return true
}

// setAside leaves out a pool that is degraded.
func (w *walk) setAside(reason *Considered, state *PoolState) {
	w.anyAside = true
	if w.policy.Failback == zones.FailbackManual {
		w.passed = append(w.passed, state.Pool.Name)
	}
	w.hold(reason, Degraded, state.Degraded, time.Time{})
	reason.Why = "not used while another can be: it waits until its data is current"
	if w.policy.FailbackAfter > 0 {
		reason.Why += " for " + w.policy.FailbackAfter.String() + " (failback_after)"
	}
	reason.Why += ": " + state.Why
}

// bound is a last pool that clients would leave if one of a tier were returned to, while only its copy may
// have what they have written: it is degraded, or what is written there does not arrive elsewhere. Nil:
// there is none. Pools that share a tier by their weights take no clients from each other but those that
// the operator wants everywhere.
func (w *walk) bound(t int, to *PoolState) (serving *PoolState) {
	if t == w.stay && !w.policy.Policy.IsOrdered() {
		return nil
	}
	w.anyLast(func(last *PoolState) bool {
		if (!last.Degraded.IsZero() || last.Copy.Condition == replication.Silent) && w.isUp(last) && copyOf(last.Pool) != copyOf(to.Pool) {
			serving = last
		}
		return serving != nil
	})
	return serving
}

// anyLast reports whether something is true of a last pool.
func (w *walk) anyLast(is func(*PoolState) bool) bool {
	for t := range w.Route.Tiers {
		for i := range w.Route.Tiers[t].Shares {
			if pool := w.Route.Tiers[t].Shares[i].Pool; w.isLast(pool) && is(w.state(pool)) {
				return true
			}
		}
	}
	return false
}

// data is what is wrong with the copy behind a pool, in words.
func (p *PoolState) data() string {
	text := "its data is " + cmp.Or(string(p.Copy.Condition), "not known to be current")
	if p.Copy.Why != "" {
		text += ", " + p.Copy.Why
	}
	return text
}

// explainCopy adds to what made the status what it is that the pool is degraded.
func (p *PoolState) explainCopy() {
	if !p.Degraded.IsZero() {
		p.Why += "; degraded since " + clock(p.Degraded) + ": " + p.data()
		p.unneeded = "not needed: " + p.Why
	}
}
