package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"gslb/health"
	"gslb/zones"
	"gslb/zones/problem"
)

// mostAliased is how many addresses of an alias are used, of both families together.
const mostAliased = 128

// alias reads the host whose addresses are a pool's members.
func (l *loader) alias(p *pool, text string) {
	name, err := hostName(text)
	if err != nil {
		l.Add(p.at.Key("alias"), "%v", err)
		return
	}
	p.Alias = name
}

// aliasLoops reports aliases that are steered here: their addresses would follow from themselves.
func (l *loader) aliasLoops() {
	for _, name := range sortedKeys(l.pools) {
		p := l.pools[name]
		if p.Alias == "" {
			continue
		}
		for _, z := range l.set.Zones {
			for _, n := range z.Names {
				if n.Name == p.Alias {
					l.Add(p.at.Key("alias"), "%q is steered here itself; expected the name of a host elsewhere", p.Alias)
				}
			}
		}
	}
}

// resolverAddress reads the address of a server to ask.
func resolverAddress(text string) (netip.AddrPort, error) {
	addr, err := netip.ParseAddrPort(text)
	switch {
	case err != nil || addr.Port() == 0:
		return addr, fmt.Errorf(`found %q; expected an address and port, such as "127.0.0.53:53"`, text)
	case addr.Addr().IsUnspecified(), addr.Addr().IsMulticast(), addr.Addr() == broadcast():
		return addr, fmt.Errorf("found %q; expected the address of a single host", text)
	}
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), nil
}

// resolvers reads the servers that know the addresses of aliases.
func (l *loader) resolvers(at *problem.Place, list []string) []netip.AddrPort {
	if list != nil && len(list) == 0 {
		l.Add(at, "found an empty list; expected at least one address and port, or no such key, for the resolvers of this host")
	}
	return distinct(l, at, list, parsed(l, resolverAddress))
}

// unusedResolvers warns of resolvers that nothing is asked of.
func (l *loader) unusedResolvers() {
	if len(l.set.Server.Resolvers) == 0 {
		return
	}
	for _, p := range l.set.Pools {
		if p.Alias != "" {
			return
		}
	}
	l.warnings.Add(problem.Top("server").Key("resolvers"), "no pool has an alias, so that they are never asked")
}

// samples are addresses to try a check with, before those of the alias are known.
var samples = [...]netip.Addr{
	netip.AddrFrom4([4]byte{192, 0, 2, 1}),                                // RFC 5737
	netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 15: 1}), // RFC 3849
}

// applyToAlias makes what makes the targets of a check for the addresses of a pool's alias, once, and
// returns its place among the pool's. Their IDs follow in identifyAliased.
func (l *loader) applyToAlias(p *pool, at *problem.Place, c *check, operand bool) int {
	place := slices.IndexFunc(p.Checks, func(made zones.MemberCheck) bool { return made.Name == c.name })
	if place < 0 {
		check := l.makeForAlias(p, at, c)
		check.Operand = true
		for _, addr := range samples {
			if _, err := check.Target(addr); err != nil {
				l.Add(at, "check %q for an address such as %s of pool %q: %v", c.name, addr, p.Name, err)
				break
			}
		}
		place = len(p.Checks)
		p.Checks = append(p.Checks, check)
	}
	p.Checks[place].Operand = p.Checks[place].Operand && operand
	return place
}

func (l *loader) makeForAlias(p *pool, at *problem.Place, c *check) zones.MemberCheck {
	if c.of != nil {
		return l.calculateForAlias(p, at, c)
	}
	// What is kept must not hold on to the loader.
	values, schedule, spec := maps.Clone(p.values), p.place(c.schedule), c.spec
	content := l.contentOf(spec(&filling{values: values})) // the files are the same for all
	return zones.MemberCheck{Name: c.name, Target: func(addr netip.Addr) (health.Target, error) {
		f := &filling{values: maps.Clone(values)}
		f.values[placeholderAddress] = addr.String()
		t := schedule
		t.Spec = spec(f)
		t.Subject = addr.String()
		t.Fingerprint = fingerprint(t.Spec, content, t.Slow)
		return t, f.err
	}}
}

// identifyAliased gives the targets of aliases their IDs:
//
//	the check is filled in with │ and                             │ an address's target is
//	────────────────────────────┼─────────────────────────────────┼─────────────────────────
//	the address alone           │                                 │ check@address
//	what the pool has as well   │ a pool that has the same lists  │ that pool's
//	                            │ the address                     │
//	what the pool has as well   │ otherwise                       │ check@address/pool, the
//	                            │                                 │ first alias that has the same
//
// So a target is one target however many pools have it, and no two have one ID: of a check that is
// filled in with the address alone all pools make the same, and none that lists an address has
// check@address with the name of one that does not: see [targets.finish].
func (l *loader) identifyAliased() {
	first := make(map[string]string)                                     // the pool, by check and what it is filled in with
	listed := make(map[*check]map[string]map[netip.Addr]health.TargetID) // by check and the same
	for _, name := range sortedKeys(l.pools) {
		p := l.pools[name]
		for i := range p.Checks {
			applied := &p.Checks[i]
			c := l.checks[applied.Name]
			fillings, more := c.filledWith(p)
			if !more {
				continue
			}
			if first[fillings] == "" {
				first[fillings] = p.Name
			}
			if listed[c] == nil {
				listed[c] = l.listed(c)
			}
			applied.Suffix, applied.Same = "/"+first[fillings], listed[c][fillings]
		}
	}
}

// listed is the targets of a check of the pools that list addresses, by what it is filled in with, and
// by address.
func (l *loader) listed(c *check) map[string]map[netip.Addr]health.TargetID {
	all := make(map[string]map[netip.Addr]health.TargetID)
	for _, p := range l.pools {
		fillings, _ := c.filledWith(p)
		for _, m := range p.Members {
			for _, id := range m.Targets {
				if !strings.HasPrefix(string(id), c.name+"@") {
					continue
				}
				if all[fillings] == nil {
					all[fillings] = make(map[netip.Addr]health.TargetID)
				}
				all[fillings][m.Address] = id
			}
		}
	}
	return all
}

// filledWith is the check and what a pool fills it in with apart from the address, and whether there is
// such a thing.
func (c *check) filledWith(p *pool) (fillings string, more bool) {
	var b strings.Builder
	b.WriteString(c.name)
	for _, t := range c.texts {
		for _, name := range t.names() {
			if name != placeholderAddress {
				more = true
				fmt.Fprintf(&b, " %s=%q", name, p.values[name])
			}
		}
	}
	return b.String(), more
}
