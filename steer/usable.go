package steer

import (
	"net/netip"
	"slices"

	"gslb/health"
	"gslb/zones"
)

// findUsable finds the addresses that may be answered of a pool. They are those of its best members:
// the ones that are up; if none is, those of which nothing is known yet; if there are none either, all,
// which happens only to a fallback, and to what a person has forced or pinned. Members that are drained
// are left out:
//
//	members that are not drained │ the pool is                         │ then are usable
//	─────────────────────────────┼─────────────────────────────────────┼───────────────────────────
//	some                         │ up with one of them that is up, or  │ the best of them
//	                             │ unknown with one that is not down   │
//	some                         │ down, or forced                     │ the best of them
//	some                         │ anything else: it is spent, since   │ the best of them
//	                             │ only drained members bear it        │
//	none                         │ drained                             │ the best of all
func (p *PoolState) findUsable() {
	drained := 0
	for i := range p.Members {
		if p.Members[i].Drain != nil {
			drained++
		}
	}
	p.drained = p.Drain != nil || drained > 0 && drained == len(p.Members)
	all := drained == 0 || drained == len(p.Members)
	var status health.Status
	p.usable, status = p.best(all)
	p.spent = !all && p.Force == nil && (p.Status == health.Up && status != health.Up || p.Status == health.Unknown && status == health.Down)
}

// best is the addresses of the best members, with or without those that are drained, and their status.
func (p *PoolState) best(withDrained bool) ([]netip.Addr, health.Status) {
	for _, status := range []health.Status{health.Up, health.Unknown, health.Down} {
		addrs := make([]netip.Addr, 0, len(p.Members))
		for i := range p.Members {
			m := &p.Members[i]
			if (withDrained || m.Drain == nil) && m.Status == status {
				addrs = append(addrs, m.Address)
			}
		}
		if len(addrs) > 0 {
			return addrs, status
		}
	}
	return nil, health.Down
}

// hasWord reports whether a person has said something that may make the pool what it is.
func (p *PoolState) hasWord() bool {
	return p.drained || p.Force != nil || slices.ContainsFunc(p.Members, func(m MemberState) bool { return m.Force != nil })
}

// Drained reports whether all of the pool is drained: as a whole, or each of its members.
func (p *PoolState) Drained() bool { return p.drained }

// isEverythingDrained reports whether all that has an address, or may yet have one, is drained.
func (w *walk) isEverythingDrained() bool {
	drained := false
	isLeft := func(state *PoolState) bool {
		drained = drained || state.drained
		return !state.drained && (state.Awaited || !state.isEmpty())
	}
	if w.policy.WhenAllDown == zones.UseFallback && isLeft(w.state(w.policy.Fallback)) {
		return false
	}
	for t := range w.Route.Tiers {
		for i := range w.Route.Tiers[t].Shares {
			if isLeft(w.state(w.Route.Tiers[t].Shares[i].Pool)) {
				return false
			}
		}
	}
	return drained
}

// isOut reports whether a pool is not to be answered even if nothing is left: it is drained, and something
// else is not.
func (w *walk) isOut(state *PoolState) bool { return state.drained && !w.allDrained }

// every is the addresses of all members of a pool, whatever their status. Those that are drained are left
// out unless all are or, so that nothing else is left, everything is.
func (w *walk) every(state *PoolState) []netip.Addr {
	addrs := make([]netip.Addr, 0, len(state.Members))
	if !w.allDrained {
		for i := range state.Members {
			if state.Members[i].Drain == nil {
				addrs = append(addrs, state.Members[i].Address)
			}
		}
	}
	if len(addrs) == 0 {
		for i := range state.Members {
			addrs = append(addrs, state.Members[i].Address)
		}
	}
	return addrs
}

// explainDrains says why nothing is left, although pools may be up, and why what is drained is answered.
func (w *walk) explainDrains() {
	for i := range w.Reasons {
		reason := &w.Reasons[i]
		reason.Why = "everything is drained, so that when_all_down decides: " + reason.Why
		if reason.Chosen {
			reason.Rule = ""
		}
	}
}
