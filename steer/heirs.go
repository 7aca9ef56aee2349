package steer

import (
	"maps"
	"slices"
	"strings"

	"gslb/zones"
)

// recall finds what is remembered of each route of a configuration, by Route.Index.
//
//	what is remembered is of                         │ then it is taken
//	─────────────────────────────────────────────────┼───────────────────────────────────────
//	the route                                        │ as it is
//	a route by which a name of the new one was       │ if the pools that both have stand in the
//	steered, for clients in the same views           │ same order in both
//	a route that is gone, with the pools and views   │ as it is
//	of the new one                                   │
//	any other                                        │ not
//
// So it outlives a change of a TTL, of weights, or of one pool beside the others. A new order is the
// operator's decision and takes effect at once.
func (m Memory) recall(set *zones.Set) []RouteMemory {
	list := make([]RouteMemory, len(set.Routes))
	strangers := make([][]*zones.Route, len(set.Steerings)) // by Steering.Index
	anyStranger := false
	for i, r := range set.Routes {
		past, known := m.Routes[r.Key]
		list[i] = past
		if !known {
			at := r.Steering.Index
			strangers[at] = append(strangers[at], r)
			anyStranger = true
		}
	}
	if anyStranger && len(m.Routes) > 0 {
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

// inherit fills in what the new routes of each steering have of others.
func (m Memory) inherit(set *zones.Set, strangers [][]*zones.Route, list []RouteMemory) {
	m.inheritOrder(set, strangers, list)
	were, found := m.steered(), make([]bool, len(strangers))
	for _, z := range set.Zones {
		for _, n := range z.Names {
			at := n.Steering.Index
			if len(strangers[at]) == 0 || found[at] {
				continue
			}
			keys, known := were[n.Name]
			found[at] = known
			for _, r := range strangers[at] {
				if past, ok := m.closest(keys, r); ok {
					list[r.Index] = past
				}
			}
		}
	}
}

// closest is what is remembered of the route, of those with these keys, that is for the same views as
// r and has its order. With policy nearest there may be several.
func (m Memory) closest(keys []string, r *zones.Route) (closest RouteMemory, found bool) {
	views := viewsOf(r)
	for _, key := range keys {
		past, known := m.Routes[key]
		if known && past.Views == views && sameOrder(past.Order, r) && (!found || past.Order == r.Order) {
			closest, found = past, true
		}
	}
	return closest, found
}

// inheritOrder fills in what new routes have of those that are gone, and had the same pools.
func (m Memory) inheritOrder(set *zones.Set, strangers [][]*zones.Route, list []RouteMemory) {
	type kind struct{ order, views string }
	gone := make(map[kind]RouteMemory)
	configured := make(map[string]bool, len(set.Routes))
	for _, r := range set.Routes {
		configured[r.Key] = true
	}
	for _, key := range slices.Sorted(maps.Keys(m.Routes)) {
		if past := m.Routes[key]; !configured[key] {
			gone[kind{past.Order, past.Views}] = past
		}
	}
	for _, r := range slices.Concat(strangers...) {
		list[r.Index] = gone[kind{r.Order, viewsOf(r)}]
	}
}

// steered is, by name, the keys of the routes that it had. A memory that was read from a file knows
// of each route one name only.
func (m Memory) steered() map[string][]string {
	were := make(map[string][]string)
	if m.set == nil {
		for _, key := range slices.Sorted(maps.Keys(m.Routes)) {
			name := m.Routes[key].Name
			were[name] = append(were[name], key)
		}
		return were
	}
	keys := make([][]string, len(m.set.Steerings))
	for _, r := range m.set.Routes {
		at := r.Steering.Index
		keys[at] = append(keys[at], r.Key)
	}
	for _, z := range m.set.Zones {
		for _, n := range z.Names {
			were[n.Name] = keys[n.Steering.Index]
		}
	}
	return were
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
