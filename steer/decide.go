package steer

import (
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
//	drained     │ whatever its status                              │ dropped, at once
//	up or       │ that is so by drained members alone: it is spent │ dropped, at once
//	unknown     │                                                  │
//	up, unknown │ its data is degraded, and it is no last pool     │ passed over ([walk.isSetAside])
//	or awaited  │                                                  │
//	awaited     │ no tier before is taken                          │ mode pending
//	up          │ it is a last pool, or its tier stands behind     │ taken
//	            │ that of the last pools                           │
//	up          │ no last pool is up or awaited                    │ taken
//	up          │ anything else: to take it is to return to it     │ by failback ([walk.passOver])
//	down        │ it is a last pool, down for less than            │ taken, mode held;
//	            │ failover_after                                   │ revisited then
//	down        │ it is a last pool, and max_down others have gone │ taken, mode held;
//	            │ down already: it is slowed ([walk.slowDown])     │ revisited then
//	down        │ otherwise, or a person has forced it down        │ dropped
//	unknown     │ a pool can be taken here or further on           │ passed over
//	unknown     │ none can, and a last pool of its tier is unknown │ taken, mode unknown
//	unknown     │ none can, no last pool is unknown, and its tier  │ taken, mode unknown
//	            │ is the first that has one that is unknown        │
//	down or     │ it has no address, since its alias has none, or  │ dropped
//	unknown     │ was never resolved                               │
//
// If nothing is taken or awaited and pools that are degraded were passed over, all of this holds as if none
// were degraded. A pool of weight 0 is taken when none of its tier with another weight is. With an ordered policy,
// the first pool of a tier that is taken is the only one, and the others are not consulted. A pool that
// is slowed counts as up.
//
// Pools with a part of the clients that grows are added to what else is taken ([walk.rampUp]); mode
// ramped, unless it is held or panic.
//
// When a pool with a weight is taken of a tier, and one of the tier is up, but less than panic_below
// of the tier's weight is, then all of its pools with a weight are taken as if they were up, mode
// panic. Pools that are drained, or passed over since they are degraded, do not count, and are not taken.
//
// When no tier has a pool left:
//
//	when_all_down │ then
//	──────────────┼────────────────────────────────────────────────────────────────────────────
//	assume_up     │ the tier that has a last pool, otherwise the first one, as if all of it were
//	              │ up, with all members; of an ordered tier the last pool, otherwise the first.
//	              │ Pools and tiers without an address are passed over; if all are, as servfail.
//	              │ If everything is drained, only the best members: the pool may be up
//	last_good     │ the last pools, those of their members that were answered then; if there is
//	              │ none any more, as assume_up
//	fallback      │ the named pool, mode pending while it is awaited; if it has no address, as assume_up
//	all           │ all pools of all tiers, all their members; if there are none, as servfail
//	nodata        │ no address
//	servfail      │ no address: SERVFAIL
//
// A pool that is drained is to all of these as one without an address, and a member that is drained is
// not among the members of a pool. But if everything is drained that has an address, in the route and, with
// fallback, that pool, then this table holds as if nothing were drained or awaited.
//
// A route without tiers is for clients that no view has: no address, mode nodata.
//
// Of a pool are answered its usable members ([PoolState.findUsable]). With panic, assume_up and all, a
// pool that is down is taken for one that is up, with all its members. The TTL is ttl_min in every mode
// but normal, and while a target is turning in a pool that was consulted.
func Decide(r *zones.Route, pools []*PoolState, past RouteMemory, now time.Time) *Decision {
	return decide(r, pools, past, now, false)
}

// decide is Decide. With back, clients return at once to the pools that are preferred.
//
// Whether a pool that is degraded is left out depends on where clients were. Where they are elsewhere by the
// decision, the next could say otherwise, and it would come only with the next change. So that one is made at once.
func decide(r *zones.Route, pools []*PoolState, past RouteMemory, now time.Time, back bool) *Decision {
	d, byCopies := look(r, pools, past, now, back, false)
	if byCopies && !slices.Equal(d.memory.Pools, past.Pools) {
		d, _ = look(r, pools, d.memory, now, false, false)
	}
	return d
}

// look decides once. With degradedToo, pools that are degraded are taken like others. It reports whether one was
// left out for that, or was not since clients were at its copy or nothing else was left.
func look(r *zones.Route, pools []*PoolState, past RouteMemory, now time.Time, back, degradedToo bool) (d *Decision, byCopies bool) {
	w := walk{Decision: newDecision(r), policy: r.Steering, pools: pools, past: past, now: now, back: back, degradedToo: degradedToo}
	w.introduce()
	w.allDrained = w.isEverythingDrained()
	if w.policy.MaxDown > 0 {
		w.slowDown()
	}
	w.findLast()
	for t := range r.Tiers {
		if w.Mode == "" {
			w.tier(t)
		}
	}
	switch {
	case w.Mode != "":
	case w.anyAside:
		return look(r, pools, past, now, back, true)
	case len(r.Tiers) == 0:
		w.Mode = NoData
	case w.untested != none:
		w.takeUntested()
	default:
		w.takeNone()
	}
	w.weigh()
	if len(w.returning) > 0 && (w.Mode == Normal || w.Mode == Held || w.Mode == Panic) {
		w.rampUp()
	}
	w.shed()
	if w.Mode != Normal && w.Mode != Pending {
		w.TTL = w.policy.TTLMin
	}
	if w.allDrained {
		w.explainDrains()
	}
	w.memory = w.remember()
	if w.settleHeld() {
		past.Gone = w.memory.Gone
		return look(r, pools, past, now, back, degradedToo)
	}
	return w.Decision, w.anyAside || w.anySpared || degradedToo
}

// findLast finds the tier of the last pools.
func (w *walk) findLast() {
	w.last, w.stay, w.untested = none, none, none
	for t := range w.Route.Tiers {
		for i := range w.Route.Tiers[t].Shares {
			pool := w.Route.Tiers[t].Shares[i].Pool
			state := w.state(pool)
			if !w.isLast(pool) || w.isOut(state) {
				continue
			}
			if w.last == none {
				w.last = t
			}
			if w.isUp(state) && !state.isEmpty() || state.Awaited {
				w.stay = t
				return
			}
		}
	}
}

// tier takes what can be taken of a tier: of the pools with a weight, and only if there is nothing,
// of those without.
func (w *walk) tier(t int) {
	w.each(t, w.weighty, w.consult)
	if (w.Mode == Normal || w.Mode == Held) && w.panics(t) {
		w.undo()
		w.returning = slices.DeleteFunc(w.returning, func(r returning) bool { return r.tier == t })
		w.each(t, w.weighty, w.takeInPanic)
	}
	if w.Mode == "" {
		w.each(t, w.weightless, w.consult)
	}
}

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
	state := w.state(s.Pool)
	reason.Why = state.Why
	isDegraded := state.drained && !state.Degraded.IsZero() // otherwise see setAside
	if w.policy.Failback == zones.FailbackManual && (state.Status != health.Up || isDegraded || w.stillWaits(state)) {
		w.passed = append(w.passed, s.Pool.Name)
	}
	if state.drained {
		reason.Rule = Drain
		return
	}
	w.see(state)
	switch {
	case state.Status != health.Down && w.isSetAside(state):
		w.setAside(reason, state)
	case state.Awaited:
		w.await(reason)
	case state.isEmpty(): // there is nothing to answer
	case state.spent:
		reason.Rule, reason.Why = Drain, "it is "+state.Status.String()+" by drained members alone: "+state.Why
	case state.Status == health.Up:
		if !w.passOver(t, s, reason, state) {
			w.take(Normal, s, reason, state.usable)
		}
	case state.Status == health.Down:
		if until := w.slowedUntil(s.Pool); !until.IsZero() {
			w.takeSlowed(s, reason, state, until)
			return
		}
		until := w.heldUntil(state)
		if until.IsZero() {
			return
		}
		w.Revisit = soonest(w.Revisit, until)
		w.take(Held, s, reason, state.usable)
		w.hold(reason, FailoverAfter, state.Since, until)
		reason.Why = "down since " + clock(state.Since) + ", left at " + clock(until) + " (failover_after): " + state.Why
	case w.untested == none, w.isLast(s.Pool) && !w.sure:
		w.untested, w.sure = t, w.isLast(s.Pool)
	}
}

// heldUntil is when a pool that is down is left; zero: at once.
func (w *walk) heldUntil(state *PoolState) time.Time {
	until := state.Since.Add(w.policy.FailoverAfter)
	if !until.After(w.now) || !w.isLast(state.Pool) || state.Force != nil {
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
		if state.drained || w.isSetAside(state) {
			continue
		}
		if state.Awaited {
			return false
		}
		all += s.Weight
		if w.isUp(state) {
			up += s.Weight
		}
	}
	return up > 0 && up*100 < w.policy.PanicBelow*all
}

// takeInPanic takes a pool whatever its status.
func (w *walk) takeInPanic(_ int, s *zones.Share, reason *Considered) {
	state := w.state(s.Pool)
	if state.isEmpty() || state.drained || w.isSetAside(state) {
		return
	}
	if state.Turning {
		w.TTL = w.policy.TTLMin
	}
	addresses := state.usable
	if w.status(state) == health.Down {
		addresses = w.every(state)
	}
	w.take(Panic, s, reason, addresses)
	w.Held = slices.DeleteFunc(w.Held, func(h Hold) bool { return h.Rule == reason.Rule && h.Pool == reason.Pool })
	reason.Rule, reason.Why = PanicBelow, "less than panic_below of the tier's weight is up: "+state.Why
}
