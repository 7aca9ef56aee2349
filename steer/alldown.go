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
		return state.usable, state.Status == health.Unknown && (!sure || w.isLast(p))
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
// last. Tiers without an address are passed over.
func (w *walk) assumeUp() {
	if w.last != none {
		w.takeOf(AssumeUp, w.last, func(p *zones.Pool) ([]netip.Addr, bool) {
			return everyAddress(w.state(p)), !w.policy.Policy.IsOrdered() || w.isLast(p)
		})
	}
	for t := 0; t < len(w.Route.Tiers) && w.Mode == ""; t++ {
		w.takeOf(AssumeUp, t, func(p *zones.Pool) ([]netip.Addr, bool) { return everyAddress(w.state(p)), true })
	}
}

// takeOf takes those pools of a tier that are wanted, with some of their addresses: those with a
// weight, and only if there are none, those without.
func (w *walk) takeOf(mode Mode, t int, wanted func(*zones.Pool) ([]netip.Addr, bool)) {
	take := func(_ int, s *zones.Share, reason *Considered) {
		if addresses, ok := wanted(s.Pool); ok {
			w.take(mode, s, reason, addresses)
		}
	}
	w.each(t, weighty, take)
	if w.Mode == "" {
		w.each(t, weightless, take)
	}
}

// takeFallback answers with the named pool, whatever its status.
func (w *walk) takeFallback(state *PoolState) {
	w.Reasons = append(w.Reasons, Considered{
		Tier: none, Pool: state.Pool.Name, Status: state.Status, Why: "the fallback: " + state.Why,
	})
	reason := &w.Reasons[len(w.Reasons)-1]
	if state.Awaited {
		w.TTL = w.policy.TTLMin
		w.await(reason)
		return
	}
	w.take(Fallback, &zones.Share{Pool: state.Pool, Weight: 1}, reason, state.usable)
}

// takeAll answers every pool of the route.
func (w *walk) takeAll() {
	for t := range w.Route.Tiers {
		shares := w.Route.Tiers[t].Shares
		for i := range shares {
			w.take(All, &shares[i], w.reason(t, i), everyAddress(w.state(shares[i].Pool)))
		}
	}
}

// takeLastGood answers what was answered of the last pools while they were up. It takes nothing if
// there are none, or the configuration has none of their addresses any more.
func (w *walk) takeLastGood() {
	for t := range w.Route.Tiers {
		shares := w.Route.Tiers[t].Shares
		for i := range shares {
			pool := shares[i].Pool
			if !w.isLast(pool) {
				continue
			}
			good := slices.DeleteFunc(everyAddress(w.state(pool)), func(a netip.Addr) bool { return !slices.Contains(w.past.Good, a) })
			if len(good) > 0 || pool.CNAME != "" {
				w.take(LastGood, &shares[i], w.reason(t, i), good)
			}
		}
	}
}

// everyAddress is the addresses of all members of a pool.
func everyAddress(state *PoolState) []netip.Addr {
	addrs := make([]netip.Addr, len(state.Members))
	for i := range state.Members {
		addrs[i] = state.Members[i].Address
	}
	return addrs
}

// usable returns the addresses that may be answered of a pool: the members that are up; if there is
// none, those of which nothing is known yet; else all of them, which happens only to a fallback
// pool.
func usable(state *PoolState) []netip.Addr {
	for _, status := range []health.Status{health.Up, health.Unknown} {
		if some := members(state, status); len(some) > 0 {
			return some
		}
	}
	return everyAddress(state)
}

func members(state *PoolState, status health.Status) []netip.Addr {
	addrs := make([]netip.Addr, 0, len(state.Members))
	for _, m := range state.Members {
		if m.Status == status {
			addrs = append(addrs, m.Address)
		}
	}
	return addrs
}
