package follow

import (
	"maps"
	"net/netip"
	"slices"

	"gslb/health"
	"gslb/zones"
)

// targets is what is probed: the targets of configurations, which their owner adds to the monitor, and
// those of the addresses of hosts, which are added here.
type targets struct {
	monitor *health.Monitor
	reserve func(targets int)

	sets       []*zones.Set             // whose targets are probed: the live one and, while that is replaced, the next
	configured map[health.TargetID]bool // of sets
	added      map[health.TargetID]bool // for the addresses of hosts
}

// serve sets whose targets are probed.
func (t *targets) serve(sets ...*zones.Set) {
	t.sets, t.configured = sets, make(map[health.TargetID]bool)
	for _, set := range sets {
		for i := range set.Targets {
			t.configured[set.Targets[i].ID] = true
		}
	}
}

// count is how many targets are probed.
func (t *targets) count() int {
	n := len(t.configured)
	for id := range t.added {
		if !t.configured[id] {
			n++
		}
	}
	return n
}

// of makes the targets that some addresses of a host have in the configurations.
func (t *targets) of(name string, addresses []netip.Addr) ([]health.Target, error) {
	var list []health.Target
	for _, set := range t.sets {
		more, err := apply(set, name, addresses)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

// apply makes the targets that some addresses of a host have in one configuration.
func apply(set *zones.Set, name string, addresses []netip.Addr) ([]health.Target, error) {
	var list []health.Target
	for _, pool := range set.Pools {
		if pool.Alias != name {
			continue
		}
		for _, addr := range addresses {
			more, err := pool.Apply(addr)
			if err != nil {
				return nil, err
			}
			list = append(list, more...)
		}
	}
	return list, nil
}

// add has targets probed, and returns their IDs, sorted. Of two with one ID the last counts: the
// configuration that is to replace the live one may have another target of that ID.
func (t *targets) add(list []health.Target, restored map[health.TargetID]health.Record) ([]health.TargetID, error) {
	last := make(map[health.TargetID]health.Target, len(list))
	for _, target := range list {
		last[target.ID] = target
	}
	if err := t.monitor.Add(slices.Collect(maps.Values(last)), restored); err != nil {
		return nil, err
	}
	for id := range last {
		t.added[id] = true
	}
	t.reserve(t.count())
	return slices.Sorted(maps.Keys(last)), nil
}

// keep makes a configuration the only one. What only others have configured is forgotten.
func (t *targets) keep(set *zones.Set) {
	t.serve(set)
	retained := slices.Clone(set.Targets)
	for id := range t.added {
		retained = append(retained, health.Target{ID: id})
	}
	t.monitor.Retain(retained)
	t.reserve(t.count())
}

// forget stops probing the addresses that hosts have lost. It is told which ones a host has.
func (t *targets) forget(addresses func(name string) []netip.Addr) {
	needed := make(map[health.TargetID]bool, len(t.added))
	for _, set := range t.sets {
		for _, pool := range set.Pools {
			if pool.Alias == "" {
				continue
			}
			for _, addr := range addresses(pool.Alias) {
				for i := range pool.Checks {
					needed[pool.Checks[i].ID(addr)] = true
				}
			}
		}
	}
	var gone []health.TargetID
	for id := range t.added {
		if !needed[id] {
			delete(t.added, id)
			if !t.configured[id] {
				gone = append(gone, id)
			}
		}
	}
	if len(gone) > 0 {
		t.monitor.Forget(gone)
		t.reserve(t.count())
	}
}
