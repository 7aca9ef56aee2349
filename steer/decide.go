package steer

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gslb/health"
	"gslb/zones"
)

// Mode says how a decision was made.
type Mode string

const (
	Pending  Mode = "pending"   // at a start: no reply until a first verdict has come
	Normal   Mode = "normal"    // pools that are up
	Held     Mode = "held"      // the same, with one that is down for less than failover_after
	Panic    Mode = "panic"     // less than panic_below of a tier is up: all of it
	Untested Mode = "unknown"   // none is up; pools of which nothing is known yet
	AssumeUp Mode = "assume_up" // none is left: as if all were up
	LastGood Mode = "last_good" // none is left: what was last answered while something was up
	Fallback Mode = "fallback"  // none is left: the named pool
	All      Mode = "all"       // none is left: every address of every pool
	NoData   Mode = "nodata"    // none is left, or no view has these clients: no address
	ServFail Mode = "servfail"  // none is left: no answer
)

// Considered is one pool that a decision considered. They stand in the order of preference.
type Considered struct {
	Tier   int // in Route.Tiers; -1: the fallback
	Pool   string
	Status health.Status
	Chosen bool
	Why    string // one line for an operator
}

// Share is a pool that is answered, and its part of the clients.
type Share struct {
	Pool      *zones.Pool
	Weight    int          // of the sum of all weights; all 0: equal parts
	Addresses []netip.Addr // both families, in the order of the configuration; none with Pool.CNAME
}

// Decision is what one route answers now, and why. It is immutable.
type Decision struct {
	Route  *zones.Route
	Mode   Mode
	Shares []Share // what is answered: one pool, or several among which the policy shares clients
	TTL    time.Duration

	Reasons []Considered
	// Revisit is when the decision may change without any change of health (failback_after or
	// failover_after runs out); zero: never.
	Revisit time.Time

	memory RouteMemory // for the next decision of the route
}

// Joined reports whether one answer has the addresses of all shares, rather than of one of them.
func (d *Decision) Joined() bool {
	return d.Mode == All || d.Route.Steering.Policy == zones.All
}

// Pool is the pool that is answered, or the first of several; nil if there is none.
func (d *Decision) Pool() *zones.Pool {
	if len(d.Shares) == 0 {
		return nil
	}
	return d.Shares[0].Pool
}

// PoolName is the pool that is answered or, if there are several, their names with a plus sign between
// them; empty if there is none.
func (d *Decision) PoolName() string {
	if len(d.Shares) == 1 {
		return d.Shares[0].Pool.Name
	}
	names := make([]string, len(d.Shares))
	for i := range d.Shares {
		names[i] = d.Shares[i].Pool.Name
	}
	return strings.Join(names, "+")
}

// Addresses is those of all pools that are answered, each once.
func (d *Decision) Addresses() []netip.Addr {
	if len(d.Shares) == 1 {
		return d.Shares[0].Addresses
	}
	var list []netip.Addr
	seen := make(map[netip.Addr]bool)
	for i := range d.Shares {
		for _, addr := range d.Shares[i].Addresses {
			if !seen[addr] {
				seen[addr] = true
				list = append(list, addr)
			}
		}
	}
	return list
}

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
// the first pool of a tier that is taken is the only one, and the others are not consulted. In every
// policy, when a pool of a tier with a positive weight is up, but less than panic_below of the tier's weight,
// all of its pools with a positive weight are taken as if they were up, mode panic.
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
// What is answered of a pool that is up or unknown is its members that are up; if none is, those of
// which nothing is known yet. Of one that is down and taken nevertheless, all members are answered.
// The TTL is ttl_min in every mode but normal, and while a target is turning in a pool that was
// consulted.
func Decide(r *zones.Route, pools []*PoolState, past RouteMemory, now time.Time) Decision {
	w := walk{
		Decision: Decision{Route: r, TTL: r.Steering.TTL, Reasons: make([]Considered, 0, reasons(r))},
		policy:   r.Steering, pools: pools, past: past, now: now,
	}
	w.findLast()
	for t := range r.Tiers {
		w.tier(t)
	}
	switch {
	case w.Mode != "":
	case len(r.Tiers) == 0:
		w.Mode = NoData // no view has these clients
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

// reasons is how many pools a decision may consider.
func reasons(r *zones.Route) int {
	n := 1 // for a fallback
	for t := range r.Tiers {
		n += len(r.Tiers[t].Shares)
	}
	return n
}

// none is the place of no tier.
const none = -1

// walk is a decision in the making. It has no mode until something is taken or awaited.
type walk struct {
	Decision
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

// tier takes what can be taken of a tier, if nothing of those before it was.
func (w *walk) tier(t int) {
	shares := w.Route.Tiers[t].Shares
	from := len(w.Reasons)
	for i := range shares {
		state := w.state(shares[i].Pool)
		w.Reasons = append(w.Reasons, Considered{Tier: t, Pool: shares[i].Pool.Name, Status: state.Status, Why: state.unneeded})
	}
	if w.Mode != "" {
		return
	}
	reasons := w.Reasons[from:]
	panics := w.panics(shares)
	for _, spare := range [...]bool{false, true} { // those of weight 0 come after all others
		for i := range shares {
			if (shares[i].Weight == 0) != spare || w.Mode != "" && w.policy.Policy.IsOrdered() {
				continue
			}
			if panics && !spare {
				w.takeInPanic(&shares[i], &reasons[i])
			} else {
				w.consult(t, &shares[i], &reasons[i])
			}
		}
		if w.Mode != "" {
			return
		}
	}
}

// consult looks at one pool of a tier, and takes it or not.
func (w *walk) consult(t int, share *zones.Share, reason *Considered) {
	state := w.see(share.Pool)
	reason.Why = state.Why
	switch {
	case state.Awaited:
		w.await(reason)
	case state.isEmpty(): // there is nothing to answer
	case state.Status == health.Up:
		until := w.passedOverUntil(t, state)
		if until.IsZero() {
			w.take(Normal, share, reason, state.usable)
			return
		}
		w.Revisit = soonest(w.Revisit, until)
		reason.Why = fmt.Sprintf("up since %s, returned to after %s: %s", clock(state.Recovered), w.policy.FailbackAfter, state.Why)
	case state.Status == health.Down:
		until := w.heldUntil(state)
		if until.IsZero() {
			return
		}
		w.Revisit = soonest(w.Revisit, until)
		w.take(Held, share, reason, everyAddress(state))
		reason.Why = fmt.Sprintf("down since %s, left after %s: %s", clock(state.Since), w.policy.FailoverAfter, state.Why)
	case w.untested == none, w.isLast(share.Pool) && !w.sure:
		w.untested, w.sure = t, w.isLast(share.Pool)
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
// bear the load.
func (w *walk) panics(shares []zones.Share) bool {
	if w.policy.PanicBelow == 0 {
		return false
	}
	up, all := 0, 0
	for i := range shares {
		state := w.state(shares[i].Pool)
		if state.Awaited {
			return false // nothing is decided before its first verdict
		}
		all += shares[i].Weight
		if state.Status == health.Up {
			up += shares[i].Weight
		}
	}
	return up > 0 && up*100 < w.policy.PanicBelow*all
}

// takeInPanic takes a pool whatever its status.
func (w *walk) takeInPanic(share *zones.Share, reason *Considered) {
	state := w.see(share.Pool)
	if state.isEmpty() {
		return
	}
	addresses := state.usable
	if state.Status == health.Down {
		addresses = everyAddress(state)
	}
	w.take(Panic, share, reason, addresses)
	reason.Why = fmt.Sprintf("less than %d %% of the tier is up: %s", w.policy.PanicBelow, state.Why)
}

// take adds a pool to what is answered. A decision that is pending stays so, and one with a pool that
// is held is in that mode, whatever the others.
func (w *walk) take(mode Mode, share *zones.Share, reason *Considered, addresses []netip.Addr) {
	if w.Mode == Pending || w.state(share.Pool).isEmpty() {
		return
	}
	if w.Mode != Held {
		w.Mode = mode
	}
	w.Shares = append(w.Shares, Share{share.Pool, share.Weight, addresses})
	reason.Chosen = true
}

// await leaves the decision open, since it depends on a pool that has no verdict yet.
func (w *walk) await(reason *Considered) {
	w.Mode, w.Shares = Pending, nil
	for i := range w.Reasons {
		w.Reasons[i].Chosen = false
	}
	reason.Why = "its first verdicts are awaited: " + reason.Why
}

// takeUntested takes the unknown pools of a tier.
func (w *walk) takeUntested() {
	shares := w.Route.Tiers[w.untested].Shares
	is := func(s *zones.Share) bool { return w.state(s.Pool).Status == health.Unknown }
	if w.policy.Policy.IsOrdered() && w.sure {
		is = func(s *zones.Share) bool { return w.state(s.Pool).Status == health.Unknown && w.isLast(s.Pool) }
	}
	w.takeOf(Untested, w.untested, shares, is, func(p *zones.Pool) []netip.Addr { return w.state(p).usable })
}

// takeOf takes those pools of a tier that are wanted: with an ordered policy the first, otherwise
// those with a weight, and if there are none, those without.
func (w *walk) takeOf(mode Mode, t int, shares []zones.Share, wanted func(*zones.Share) bool, addresses func(*zones.Pool) []netip.Addr) {
	for _, spare := range [...]bool{false, true} {
		for i := range shares {
			share := &shares[i]
			if (share.Weight == 0) != spare || !wanted(share) || w.Mode != "" && w.policy.Policy.IsOrdered() {
				continue
			}
			w.take(mode, share, w.reason(t, i), addresses(share.Pool))
		}
		if w.Mode != "" {
			return
		}
	}
}

// reason is that of the pool at a place of a tier.
func (w *walk) reason(t, at int) *Considered {
	for i := range w.Route.Tiers[:t] {
		at += len(w.Route.Tiers[i].Shares)
	}
	return &w.Reasons[at]
}
