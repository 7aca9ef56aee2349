package steer

import (
	"gslb/health"
	"gslb/zones"
)

// dependents says what must be looked at again when something changes. It depends on the
// configuration alone, so that all outcomes of one configuration share it.
type dependents struct {
	pools     map[health.TargetID][]int // by Pool.Index: those that are judged by a target
	steerings [][]int                   // by Pool.Index: the Steering.Index of those that may consult the pool
}

func newDependents(set *zones.Set) *dependents {
	d := &dependents{
		pools:     make(map[health.TargetID][]int, len(set.Targets)),
		steerings: make([][]int, len(set.Pools)),
	}
	for _, pool := range set.Pools {
		d.addPool(pool.Index, pool.Targets)
		for _, member := range pool.Members {
			d.addPool(pool.Index, member.Targets)
		}
	}
	for _, steering := range set.Steerings {
		for _, pool := range steering.Pools {
			d.addSteering(steering.Index, pool)
		}
		if steering.Fallback != nil {
			d.addSteering(steering.Index, steering.Fallback)
		}
	}
	return d
}

func (d *dependents) addPool(at int, targets []health.TargetID) {
	for _, id := range targets {
		d.pools[id] = append(d.pools[id], at)
	}
}

func (d *dependents) addSteering(at int, pool *zones.Pool) {
	d.steerings[pool.Index] = append(d.steerings[pool.Index], at)
}

// poolsOf marks the pools that are judged by one of the targets.
func (d *dependents) poolsOf(targets []health.TargetID) marks {
	m := make(marks, len(d.steerings))
	for _, id := range targets {
		m.add(d.pools[id])
	}
	return m
}

// marks is a set of places in a list: those where it is true.
type marks []bool

func (m marks) add(places []int) {
	for _, i := range places {
		m[i] = true
	}
}

// places yields what is marked, in ascending order.
func (m marks) places(yield func(int) bool) {
	for i, marked := range m {
		if marked && !yield(i) {
			return
		}
	}
}
