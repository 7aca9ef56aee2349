package steer

import (
	"net/netip"
	"slices"
	"time"

	"gslb/health"
	"gslb/zones"
)

// Decide picks what the clients of a route are answered with. pools are the states of all pools, by
// Pool.Index. The last pools are those that were answered last while they were up.
//
// The tiers are walked in order. Of each, pools are taken or not:
//
//	the pool is │ and                                              │ then
//	────────────┼──────────────────────────────────────────────────┼────────────────────────────
//	awaited     │ no tier before is taken                          │ mode pending
//	up          │ it is a last pool, or its tier stands behind     │ taken
//	            │ that of the last pools                           │
//	up          │ no last pool is up or awaited                    │ taken
//	up          │ it was never down, or is up for failback_after   │ taken
//	up          │ it recovered later than that                     │ passed over; revisited then
//	down        │ it is a last pool, down for less than            │ taken, mode held;
//	            │ failover_after                                   │ revisited then
//	down        │ otherwise                                        │ dropped
//	unknown     │ a pool can be taken here or further on           │ passed over
//	unknown     │ none can, and a last pool of its tier is unknown │ taken, mode unknown
//	unknown     │ none can, no last pool is unknown, and its tier  │ taken, mode unknown
//	            │ is the first that has one that is unknown        │
//	down or     │ it has no address, since its alias has none, or  │ dropped
//	unknown     │ was never resolved                               │
//
// A pool of weight 0 is taken when none of its tier with another weight is. With an ordered policy,
// the first pool of a tier that is taken is the only one, and the others are not consulted.
//
// When a pool with a weight is taken of a tier, and one of the tier is up, but less than panic_below
// of the tier's weight is, then all of its pools with a weight are taken as if they were up, mode
// panic.
//
// When no tier has a pool left:
//
//	when_all_down │ then
//	──────────────┼────────────────────────────────────────────────────────────────────────────
//	assume_up     │ the tier that has a last pool, otherwise the first one, as if all of it were
//	              │ up, with all members; of an ordered tier the last pool, otherwise the first.
//	              │ Pools and tiers without an address are passed over; if all are, as servfail
//	last_good     │ the last pools, those of their members that were answered then; if there is
//	              │ none any more, as assume_up
//	fallback      │ the named pool, mode pending while it is awaited; if it has no address, as assume_up
//	all           │ all pools of all tiers, all their members; if there are none, as servfail
//	nodata        │ no address
//	servfail      │ no address: SERVFAIL
//
// A route without tiers is for clients that no view has: no address, mode nodata.
//
// Of a pool are answered its members that are up; if none is, those of which nothing is known yet;
// if there are none either, all. With panic, assume_up and all, a pool that is down is taken for one
// that is up, with all its members. The TTL is ttl_min in every mode but normal, and while a target
// is turning in a pool that was consulted.
func Decide(r *zones.Route, pools []*PoolState, past RouteMemory, now time.Time) *Decision {
	w := walk{Decision: newDecision(r), policy: r.Steering, pools: pools, past: past, now: now}
	w.introduce()
	w.findLast()
	for t := range r.Tiers {
		if w.Mode == "" {
			w.tier(t)
		}
	}
	switch {
	case w.Mode != "":
	case len(r.Tiers) == 0:
		w.Mode = NoData
	case w.untested != none:
		w.takeUntested()
	default:
		w.takeNone()
	}
	if w.Mode != Normal && w.Mode != Pending {
		w.TTL = w.policy.TTLMin
	}
	return w.Decision
}

// none is the place of no tier.
const none = -1

// walk is a decision in the making. It has no mode until something is taken or awaited.
type walk struct {
	*Decision
	policy *zones.Steering
	pools  []*PoolState
	past   RouteMemory
	now    time.Time

	last     int  // the tier that has a last pool, or none
	stay     int  // the same, if a last pool there is up or awaited
	untested int  // the tier whose unknown pools are taken if none is up, or none
	sure     bool // untested has a last pool that is unknown
}

func (w *walk) state(pool *zones.Pool) *PoolState { return w.pools[pool.Index] }

// isLast reports whether a pool was answered last while it was up.
func (w *walk) isLast(pool *zones.Pool) bool { return slices.Contains(w.past.Pools, pool.Name) }

// newDecision has room for the shares and reasons of most routes, so that one allocation is enough.
func newDecision(r *zones.Route) *Decision {
	d := new(struct {
		Decision
		shares  [1]Share
		reasons [4]Considered
	})
	d.Route, d.TTL, d.Shares, d.Reasons = r, r.Steering.TTL, d.shares[:0], d.reasons[:0]
	return &d.Decision
}

// introduce lists all pools, as if none were needed.
func (w *walk) introduce() {
	for t := range w.Route.Tiers {
		for i := range w.Route.Tiers[t].Shares {
			state := w.state(w.Route.Tiers[t].Shares[i].Pool)
			w.Reasons = append(w.Reasons, Considered{Tier: t, Pool: state.Pool.Name, Status: state.Status, Why: state.unneeded})
		}
	}
}

// reason is that of the pool at a place of a tier.
func (w *walk) reason(t, i int) *Considered {
	for before := range w.Route.Tiers[:t] {
		i += len(w.Route.Tiers[before].Shares)
	}
	return &w.Reasons[i]
}

// findLast finds the tier of the last pools.
func (w *walk) findLast() {
	w.last, w.stay, w.untested = none, none, none
	for t := range w.Route.Tiers {
		for i := range w.Route.Tiers[t].Shares {
			pool := w.Route.Tiers[t].Shares[i].Pool
			if !w.isLast(pool) {
				continue
			}
			if w.last == none {
				w.last = t
			}
			if state := w.state(pool); state.Status == health.Up || state.Awaited {
				w.stay = t
				return
			}
		}
	}
}

// tier takes what can be taken of a tier: of the pools with a weight, and only if there is nothing,
// of those without.
func (w *walk) tier(t int) {
	w.each(t, weighty, w.consult)
	if (w.Mode == Normal || w.Mode == Held) && w.panics(t) {
		w.undo()
		w.each(t, weighty, w.takeInPanic)
	}
	if w.Mode == "" {
		w.each(t, weightless, w.consult)
	}
}

func weighty(s *zones.Share) bool    { return s.Weight > 0 }
func weightless(s *zones.Share) bool { return s.Weight == 0 }

// each calls do for some pools of a tier. With an ordered policy it ends when one is taken.
func (w *walk) each(t int, which func(*zones.Share) bool, do func(t int, s *zones.Share, reason *Considered)) {
	shares := w.Route.Tiers[t].Shares
	for i := range shares {
		if !which(&shares[i]) {
			continue
		}
		do(t, &shares[i], w.reason(t, i))
		if w.Mode != "" && w.policy.Policy.IsOrdered() {
			return
		}
	}
}

// consult looks at one pool of a tier, and takes it or not.
func (w *walk) consult(t int, s *zones.Share, reason *Considered) {
	state := w.see(s.Pool)
	reason.Why = state.Why
	switch {
	case state.Awaited:
		w.await(reason)
	case state.isEmpty(): // there is nothing to answer
	case state.Status == health.Up:
		until := w.passedOverUntil(t, state)
		if until.IsZero() {
			w.take(Normal, s, reason, state.usable)
			return
		}
		w.Revisit = soonest(w.Revisit, until)
		reason.Why = "recovered at " + clock(state.Recovered) + ", used again at " + clock(until) + " (failback_after): " + state.Why
	case state.Status == health.Down:
		until := w.heldUntil(state)
		if until.IsZero() {
			return
		}
		w.Revisit = soonest(w.Revisit, until)
		w.take(Held, s, reason, state.usable)
		reason.Why = "down since " + clock(state.Since) + ", left at " + clock(until) + " (failover_after): " + state.Why
	case w.untested == none, w.isLast(s.Pool) && !w.sure:
		w.untested, w.sure = t, w.isLast(s.Pool)
	}
}

// see returns the state of a pool that the decision depends on.
func (w *walk) see(pool *zones.Pool) *PoolState {
	state := w.state(pool)
	if state.Turning {
		w.TTL = w.policy.TTLMin
	}
	return state
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// passedOverUntil is when a pool that is up may be taken; zero: at once. It is waited for if it has
// recovered a short time ago, and what is answered instead stands no earlier and can go on.
func (w *walk) passedOverUntil(t int, state *PoolState) time.Time {
	until := state.Recovered.Add(w.policy.FailbackAfter)
	if t > w.stay || state.Recovered.IsZero() || !until.After(w.now) || w.isLast(state.Pool) {
		return time.Time{}
	}
	return until
}

// heldUntil is when a pool that is down is left; zero: at once.
func (w *walk) heldUntil(state *PoolState) time.Time {
	until := state.Since.Add(w.policy.FailoverAfter)
	if !until.After(w.now) || !w.isLast(state.Pool) {
		return time.Time{}
	}
	return until
}

// panics reports whether so little of a tier is up that all of it is to be used: the rest could not
// bear the load. Nothing is decided about a tier before its first verdicts.
func (w *walk) panics(t int) bool {
	if w.policy.PanicBelow == 0 {
		return false
	}
	up, all := 0, 0
	for i := range w.Route.Tiers[t].Shares {
		s := &w.Route.Tiers[t].Shares[i]
		state := w.state(s.Pool)
		if state.Awaited {
			return false
		}
		all += s.Weight
		if state.Status == health.Up {
			up += s.Weight
		}
	}
	return up > 0 && up*100 < w.policy.PanicBelow*all
}

// takeInPanic takes a pool whatever its status.
func (w *walk) takeInPanic(_ int, s *zones.Share, reason *Considered) {
	state := w.see(s.Pool)
	if state.isEmpty() {
		return
	}
	addresses := state.usable
	if state.Status == health.Down {
		addresses = everyAddress(state)
	}
	w.take(Panic, s, reason, addresses)
	reason.Why = "less than panic_below of the tier's weight is up: " + state.Why
}

// take adds a pool to what is answered. A decision that is pending stays so, and one with a pool that
// is held is in that mode, whatever the others.
func (w *walk) take(mode Mode, s *zones.Share, reason *Considered, addresses []netip.Addr) {
	if w.Mode == Pending || w.state(s.Pool).isEmpty() {
		return
	}
	if w.Mode != Held {
		w.Mode = mode
	}
	w.Shares = append(w.Shares, Share{s.Pool, s.Weight, addresses})
	reason.Chosen = true
}

// await leaves the decision open, since it depends on a pool that has no verdict yet.
func (w *walk) await(reason *Considered) {
	w.undo()
	w.Mode = Pending
	reason.Why = "its first verdicts are awaited: " + reason.Why
}

// undo takes back what was taken.
func (w *walk) undo() {
	w.Mode, w.Shares = "", w.Shares[:0]
	for i := range w.Reasons {
		w.Reasons[i].Chosen = false
	}
}
