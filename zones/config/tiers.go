package config

import (
	"fmt"
	"slices"

	"gslb/geo"
	"gslb/zones"
	"gslb/zones/problem"
)

const maxWeight = 1 << 20

// policy reads which pools a name chooses among for which clients, and how.
func (l *loader) policy(n *steering, raw *rawName) {
	l.among(n.at.Key("policy"), raw.Policy, string(zones.Failover), string(zones.Weighted), string(zones.Sticky), string(zones.All), string(zones.Nearest))
	pools := n.at.Key("pools")
	if raw.Pools != nil {
		n.fixed = true
		n.views = []view{{at: pools, tiers: l.tiers(pools, raw.Pools, n.Policy)}}
	}
	if raw.Views != nil {
		l.views(n, raw.Views)
	}
	switch {
	case raw.Pools != nil && raw.Views != nil:
		l.Add(n.at.Key("views"), "the name has pools as well; expected one of the two")
	case raw.Pools == nil && raw.Views == nil:
		l.Add(pools, "missing; expected a list of pools, or the table views")
	}
	for i := range n.views {
		for _, t := range n.views[i].tiers {
			for _, share := range t.shares {
				if !slices.Contains(n.Pools, share.Pool) {
					n.Pools = append(n.Pools, share.Pool)
				}
			}
		}
	}
	l.fence(n, raw.Fence)
	l.weights(n, raw.Weights)
	l.locations(n)
}

// views reads the table of views, the narrowest first.
func (l *loader) views(n *steering, raw any) {
	at := n.at.Key("views")
	table, isTable := raw.(map[string]any)
	switch {
	case !isTable:
		l.Add(at, "found %s; expected a table", describe(raw))
	case len(table) == 0:
		l.Add(at, `found none; expected at least one, such as default = ["nyc", "ams"]`)
	}
	for _, key := range sortedKeys(table) {
		at := at.Key(key)
		v, err := geo.ParseView(key)
		if err != nil {
			l.Add(at, "%v", err)
		}
		n.views = append(n.views, view{View: v, name: v.String(), at: at, tiers: l.tiers(at, table[key], n.Policy)})
	}
	slices.SortFunc(n.views, func(a, b view) int { return a.Compare(b.View) })
	if len(n.views) > 0 && n.views[len(n.views)-1].Kind() != geo.Default {
		l.warnings.Add(at, "there is no default: clients in none of these views get no address; add one, unless that is meant")
	}
}

// tiers reads tiers of pools: a list of names, and of lists of names.
//
//	an element is a list │ the policy is │ so that
//	─────────────────────┼───────────────┼────────────────────────────
//	yes                  │ any           │ each element is a tier
//	no                   │ failover      │ each element is a tier
//	no                   │ another       │ all elements are one tier
func (l *loader) tiers(at *problem.Place, raw any, policy zones.Policy) []tier {
	list, isList := raw.([]any)
	switch {
	case !isList:
		l.Add(at, `found %s; expected a list of pools, such as ["nyc", "ams"]`, describe(raw))
		return nil
	case len(list) == 0:
		l.Add(at, "found an empty list; expected at least one pool")
		return nil
	}
	seen := make(map[string]bool, len(list))
	nested := slices.ContainsFunc(list, func(v any) bool { _, isList := v.([]any); return isList })
	if !nested && policy != zones.Failover {
		return []tier{l.tier(at, list, seen, policy)}
	}
	tiers := make([]tier, 0, len(list))
	for i, v := range list {
		here := at.Index(i)
		inner, isList := v.([]any)
		if !isList {
			tiers = append(tiers, tier{at: here, shares: l.share(nil, here, v, seen)})
			continue
		}
		switch {
		case len(inner) == 0:
			l.Add(here, "found an empty list; expected at least one pool")
		case len(inner) > 1 && policy == zones.Failover:
			l.Add(here, `found a tier of %d pools; expected one, since policy = "failover" answers one pool after the other: list them without these brackets, or choose another policy`, len(inner))
		}
		tiers = append(tiers, l.tier(here, inner, seen, policy))
	}
	return tiers
}

// tier reads the pools of one tier. seen are those of the tiers before.
func (l *loader) tier(at *problem.Place, list []any, seen map[string]bool, policy zones.Policy) tier {
	t := tier{at: at, shares: make([]zones.Share, 0, len(list))}
	for i, v := range list {
		t.shares = l.share(t.shares, at.Index(i), v, seen)
	}
	alias := slices.IndexFunc(t.shares, func(s zones.Share) bool { return s.Pool.CNAME != "" })
	if policy == zones.All && alias >= 0 && len(t.shares) > 1 {
		l.Add(at, `pool %q is answered as a CNAME, which must stand alone (RFC 1034, section 3.6.2), and policy = "all" answers all pools of a tier; expected a tier for it alone, or another policy`, t.shares[alias].Pool.Name)
	}
	return t
}

// share adds a pool to a tier, with its own weight.
func (l *loader) share(shares []zones.Share, at *problem.Place, raw any, seen map[string]bool) []zones.Share {
	name, isString := raw.(string)
	switch {
	case !isString:
		l.Add(at, "found %s; expected the name of a pool", describe(raw))
		return shares
	case seen[name]:
		l.Add(at, "%q is given twice", name)
		return shares
	}
	seen[name] = true
	if p := l.poolNamed(at, name); p != nil {
		shares = append(shares, zones.Share{Pool: p.Pool, Weight: p.Weight})
	}
	return shares
}

// poolNamed returns a pool that a name uses, or reports that there is none.
func (l *loader) poolNamed(at *problem.Place, name string) *pool {
	p := l.pools[name]
	if p == nil {
		l.Add(at, "there is no pool %q; %s", name, meantKey(name, l.pools))
		return nil
	}
	p.used = true
	return p
}

// fence reads the views whose clients go on to no wider one.
func (l *loader) fence(n *steering, raw []string) {
	at := n.at.Key("fence")
	known := make([]string, 0, len(n.views))
	if !n.fixed {
		for i := range n.views {
			known = append(known, n.views[i].name)
		}
	}
	for _, i := range distinct(l, at, raw, func(at *problem.Place, name string) (int, bool) {
		i := slices.Index(known, name)
		if i < 0 {
			l.Add(at, "the name has no view %q; %s", name, meant(name, known))
		}
		return i, i >= 0
	}) {
		n.views[i].fenced = true
	}
}

// weights gives pools the weights that the name has for them.
func (l *loader) weights(n *steering, raw map[string]int64) {
	at := n.at.Key("weights")
	for _, name := range sortedKeys(raw) {
		l.within(at.Key(name), raw[name], 0, maxWeight)
		if !slices.ContainsFunc(n.Pools, func(p *zones.Pool) bool { return p.Name == name }) {
			l.Add(at.Key(name), "the name does not use pool %q; %s", name, meant(name, poolNames(n.Pools)))
		}
	}
	idle := make(map[string]string, len(raw)) // why a weight has no effect in any tier
	for i := range n.views {
		for _, t := range n.views[i].tiers {
			for i := range t.shares {
				share := &t.shares[i]
				name := share.Pool.Name
				weight, own := raw[name]
				if own {
					share.Weight = int(weight)
				}
				why := n.idleWeight(t, share)
				if _, seen := idle[name]; why == "" || !seen {
					idle[name] = why
				}
				l.pools[name].shares = l.pools[name].shares || why == ""
				l.pools[name].sheds = l.pools[name].sheds || n.Policy != zones.All && len(n.Pools) > 1
				if why == "" && !own || n.Policy == zones.Failover && share.Pool.Shed != nil {
					l.pools[name].weighed = true
				}
				if n.Policy == zones.Failover {
					share.Weight = 1
				}
			}
		}
	}
	for _, name := range sortedKeys(raw) {
		if idle[name] != "" {
			l.warnings.Add(at.Key(name), "the weight has no effect, since %s; remove it", idle[name])
		}
	}
}

// idleWeight says why the weight of a pool in a tier has no effect; empty: it has one. It may share
// clients, keep a pool for when the others are down, or say how much of the tier is up.
func (n *steering) idleWeight(t tier, share *zones.Share) string {
	switch {
	case n.Policy == zones.Failover:
		return `policy = "failover" uses no weights`
	case len(t.shares) == 1:
		return "the pool is alone in its tier"
	case (n.Policy == zones.All || n.Policy == zones.Nearest) && share.Weight > 0 && n.PanicBelow == 0:
		return fmt.Sprintf("policy = %q uses weights only if one is 0, or with panic_below", n.Policy)
	}
	return ""
}

// locations collects where those pools are whose distance from clients matters: a pool that is alone
// in its tier is not compared with others.
func (l *loader) locations(n *steering) {
	if n.Policy != zones.Nearest {
		return
	}
	for _, p := range n.Pools {
		p := l.pools[p.Name]
		p.located = true
		if p.Location == nil {
			l.Add(n.at.Key("policy"), `found "nearest", but pool %q has no location; expected %s, or another policy`, p.Name, p.at.Key("location"))
		}
	}
	for i := range n.views {
		for _, t := range n.views[i].tiers {
			for _, share := range t.shares {
				if p := share.Pool.Location; len(t.shares) > 1 && p != nil && !slices.Contains(n.points, *p) {
					n.points = append(n.points, *p)
				}
			}
		}
	}
}

func poolNames(pools []*zones.Pool) []string {
	names := make([]string, len(pools))
	for i, p := range pools {
		names[i] = p.Name
	}
	return names
}
