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
	had := make(map[string][]string) // by name, for those of new routes: the keys of the routes that it had
	for _, z := range set.Zones {
		for _, n := range z.Names {
			if len(strangers[n.Steering.Index]) > 0 {
				had[n.Name] = nil
			}
		}
	}
	m.findKeys(had)
	found := make([]bool, len(strangers))
	for _, z := range set.Zones {
		for _, n := range z.Names {
			at, keys := n.Steering.Index, had[n.Name]
			if len(keys) == 0 || found[at] {
				continue
			}
			found[at] = true
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
	gone := make(map[kind]string) // the key of one such route, always the same of several
	configured := make(map[string]bool, len(set.Routes))
	for _, r := range set.Routes {
		configured[r.Key] = true
	}
	for key, past := range m.Routes {
		if k := (kind{past.Order, past.Views}); !configured[key] && key > gone[k] {
			gone[k] = key
		}
	}
	for _, r := range slices.Concat(strangers...) {
		list[r.Index] = m.Routes[gone[kind{r.Order, viewsOf(r)}]]
	}
}

// findKeys finds for names the keys of the routes that they had. A memory that was read from a file
// knows of each route one name only.
func (m Memory) findKeys(had map[string][]string) {
	if m.set == nil {
		for _, key := range slices.Sorted(maps.Keys(m.Routes)) {
			name := m.Routes[key].Name
			if keys, wanted := had[name]; wanted {
				had[name] = append(keys, key)
			}
		}
		return
	}
	for _, z := range m.set.Zones {
		for _, n := range z.Names {
			keys, wanted := had[n.Name]
			if !wanted {
				continue
			}
			for _, r := range n.Steering.Routes {
				keys = append(keys, r.Key)
			}
			had[n.Name] = keys
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
