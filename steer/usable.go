package steer

import (
	"net/netip"
	"slices"

	"gslb/health"
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
//	some                         │ anything else: it is spent, since   │ the best of them; if drains
//	                             │ only drained members bear it        │ do not count, of all
//	none                         │ drained                             │ the best of all, which
//	                             │                                     │ matters if drains do not
//	                             │                                     │ count
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
	p.regardless = p.usable
	if !all && p.Force == nil && (p.Status == health.Up && status != health.Up || p.Status == health.Unknown && status == health.Down) {
		p.spent = true
		p.regardless, _ = p.best(true)
	}
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

// every is the addresses of all members that are not drained, whatever their status; if all are
// drained, of all.
func (p *PoolState) every() []netip.Addr {
	addrs := make([]netip.Addr, 0, len(p.Members))
	for i := range p.Members {
		if p.Members[i].Drain == nil {
			addrs = append(addrs, p.Members[i].Address)
		}
	}
	if len(addrs) > 0 {
		return addrs
	}
	for i := range p.Members {
		addrs = append(addrs, p.Members[i].Address)
	}
	return addrs
}

// hasWord reports whether a person has said something that may make the pool what it is.
func (p *PoolState) hasWord() bool {
	return p.drained || p.Force != nil || slices.ContainsFunc(p.Members, func(m MemberState) bool { return m.Force != nil })
}

// Drained reports whether all of the pool is drained: as a whole, or each of its members.
func (p *PoolState) Drained() bool { return p.drained }
