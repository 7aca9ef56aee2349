package steer

import (
	"net/netip"
	"slices"

	"gslb/health"
	"gslb/zones"
)

// takeUntested takes the unknown pools of a tier.
func (w *walk) takeUntested() {
	sure := w.sure && w.policy.Policy.IsOrdered()
	w.takeOf(Untested, w.untested, func(p *zones.Pool) ([]netip.Addr, bool) {
		state := w.state(p)
		return state.usable, w.status(state) == health.Unknown && (!sure || w.isLast(p))
	})
}

// takeNone decides when nothing of any tier is left. The table is above [Decide].
func (w *walk) takeNone() {
	switch w.policy.WhenAllDown {
	case zones.ServFail:
		w.Mode = ServFail
	case zones.NoData:
		w.Mode = NoData
	case zones.UseFallback:
		w.takeFallback(w.state(w.policy.Fallback))
	case zones.AnswerAll:
		w.takeAll()
	case zones.LastGood:
		w.takeLastGood()
	}
	if w.Mode == "" {
		w.assumeUp()
	}
	if w.Mode == "" { // no pool has an address: a resolver may still have some
		w.Mode = ServFail
	}
}

// assumeUp decides as if every pool were up with all its members, beginning with what was answered
// last. Tiers without an address, or that are drained, are passed over.
func (w *walk) assumeUp() {
	if w.last != none {
		w.takeOf(AssumeUp, w.last, func(p *zones.Pool) ([]netip.Addr, bool) {
			state := w.state(p)
			return w.assumed(state), !w.isOut(state) && (!w.policy.Policy.IsOrdered() || w.isLast(p))
		})
	}
	for t := 0; t < len(w.Route.Tiers) && w.Mode == ""; t++ {
		w.takeOf(AssumeUp, t, func(p *zones.Pool) ([]netip.Addr, bool) {
			state := w.state(p)
			return w.assumed(state), !w.isOut(state)
		})
	}
}

// assumed is the addresses of a pool that is assumed to be up: all, or the best if everything is drained,
// since the pool may be up then.
func (w *walk) assumed(state *PoolState) []netip.Addr {
	if w.allDrained {
		best, _ := state.best(true)
		return best
	}
	return w.every(state)
}

// takeOf takes those pools of a tier that are wanted, with some of their addresses: those with a
// weight, and only if there are none, those without.
func (w *walk) takeOf(mode Mode, t int, wanted func(*zones.Pool) ([]netip.Addr, bool)) {
	take := func(_ int, s *zones.Share, reason *Considered) {
		if addresses, ok := wanted(s.Pool); ok {
			w.take(mode, s, reason, addresses)
		}
	}
	w.each(t, w.weighty, take)
	if w.Mode == "" {
		w.each(t, w.weightless, take)
	}
}

// takeFallback answers with the named pool, whatever its status.
func (w *walk) takeFallback(state *PoolState) {
	w.Reasons = append(w.Reasons, Considered{
		Tier: none, Pool: state.Pool.Name, Status: state.Status, Why: "the fallback: " + state.Why,
	})
	reason, share := &w.Reasons[len(w.Reasons)-1], &zones.Share{Pool: state.Pool, Weight: 1}
	switch {
	case w.isOut(state):
		reason.Rule = Drain
	case w.allDrained:
		addresses, _ := state.best(true)
		w.take(Fallback, share, reason, addresses)
	case state.Awaited:
		w.TTL = w.policy.TTLMin
		w.await(reason)
	default:
		w.take(Fallback, share, reason, state.usable)
	}
}

// takeAll answers every pool of the route.
func (w *walk) takeAll() {
	for t := range w.Route.Tiers {
		shares := w.Route.Tiers[t].Shares
		for i := range shares {
			if state := w.state(shares[i].Pool); !w.isOut(state) {
				w.take(All, &shares[i], w.reason(t, i), w.every(state))
			}
		}
	}
}

// lastGood is the addresses of a pool that were answered last while something was up.
func (w *walk) lastGood(state *PoolState) []netip.Addr {
	return slices.DeleteFunc(w.every(state), func(a netip.Addr) bool { return !slices.Contains(w.past.Good, a) })
}

// takeLastGood answers what was answered of the last pools while they were up. It takes nothing if
// there are none, or the configuration has none of their addresses any more.
func (w *walk) takeLastGood() {
	for t := range w.Route.Tiers {
		shares := w.Route.Tiers[t].Shares
		for i := range shares {
			pool, state := shares[i].Pool, w.state(shares[i].Pool)
			if !w.isLast(pool) || w.isOut(state) {
				continue
			}
			good := w.lastGood(state)
			if len(good) > 0 || pool.CNAME != "" {
				w.take(LastGood, &shares[i], w.reason(t, i), good)
			}
		}
	}
}
