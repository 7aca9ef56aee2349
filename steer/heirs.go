package steer

import (
	"maps"
	"slices"
	"strings"

	"gslb/zones"
)

// recall finds what is remembered of each route of a configuration, by Route.Index.
//
//	what is remembered is of                       │ then it is taken
//	───────────────────────────────────────────────┼─────────────────────────────────────────
//	the route                                      │ as it is
//	a route that is gone, with a name and the      │ if the pools that both have stand in the
//	views of the new one                           │ same order in both
//	a route that is gone, with the pools and views │ as it is
//	of the new one                                 │
//	any other                                      │ not
//
// So it outlives a change of a TTL, of weights, or of one pool beside the others. A new order is the
// operator's decision and takes effect at once.
func (m Memory) recall(set *zones.Set) []RouteMemory {
	list := make([]RouteMemory, len(set.Routes))
	strangers := make(map[*zones.Route]bool)
	for i, r := range set.Routes {
		past, known := m.Routes[r.Key]
		list[i] = past
		if !known {
			strangers[r] = true
		}
	}
	if len(strangers) > 0 && len(m.Routes) > 0 {
		m.inherit(set, strangers, list)
	}
	first := firstNames(set)
	for i, r := range set.Routes {
		list[i].Name, list[i].Views, list[i].Order = first[r.Steering.Index], viewsOf(r), r.Order
	}
	return list
}

// viewsOf is Route.Views as a memory has them.
func viewsOf(r *zones.Route) string { return strings.Join(r.Views, " ") }

// firstNames is, by Steering.Index, the first name that is steered so.
func firstNames(set *zones.Set) []string {
	first := make([]string, len(set.Steerings))
	for _, z := range set.Zones {
		for _, n := range z.Names {
			if at := n.Steering.Index; first[at] == "" {
				first[at] = n.Name
			}
		}
	}
	return first
}

// inherit fills in what routes that are new have of those that are gone.
func (m Memory) inherit(set *zones.Set, strangers map[*zones.Route]bool, list []RouteMemory) {
	type heritage struct{ by, views string }
	byName, byOrder := make(map[heritage]RouteMemory), make(map[heritage]RouteMemory)
	configured := make(map[string]bool, len(set.Routes))
	for _, r := range set.Routes {
		configured[r.Key] = true
	}
	for _, key := range slices.Sorted(maps.Keys(m.Routes)) {
		if past := m.Routes[key]; !configured[key] {
			byName[heritage{past.Name, past.Views}] = past
			byOrder[heritage{past.Order, past.Views}] = past
		}
	}
	for r := range strangers {
		list[r.Index] = byOrder[heritage{r.Order, viewsOf(r)}]
	}
	for _, z := range set.Zones {
		for _, n := range z.Names {
			for _, r := range n.Steering.Routes {
				if !strangers[r] {
					continue
				}
				if past, gone := byName[heritage{n.Name, viewsOf(r)}]; gone && sameOrder(past.Order, r) {
					list[r.Index] = past
				}
			}
		}
	}
}

// sameOrder reports whether no two pools that stand in an old order, a Route.Order, have changed
// places.
func sameOrder(old string, r *zones.Route) bool {
	place := make(map[string]int)
	for t, tier := range strings.Split(old, "|") {
		for name := range strings.SplitSeq(tier, ",") {
			place[name] = t
		}
	}
	before := 0
	for t := range r.Tiers {
		most := before
		for _, share := range r.Tiers[t].Shares {
			at, known := place[share.Pool.Name]
			if known && at < before {
				return false
			}
			most = max(most, at)
		}
		before = most
	}
	return true
}
