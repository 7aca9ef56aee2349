package steer

import (
	"cmp"
	"slices"
	"time"

	"gslb/health"
	"gslb/replication"
	"gslb/zones"
)

// Next is the outcome of later snapshots for the same configuration: what [Step] makes of them with
// o's Memory. But it assesses only the pools and decides only the routes for which something has
// changed, and shares the rest with o:
//
//	changed                       │ is looked at again
//	──────────────────────────────┼──────────────────────────────────────────────
//	a target                      │ the pools that it judges
//	the addresses of a host       │ the pools that have it as their alias
//	a copy of the data            │ the pools that work with it
//	what a person says of a pool  │ that pool
//	a pool's state                │ the routes that may consult the pool
//	a decision's Revisit has come │ that decision
//	a person says: return now     │ that decision
//	what a person says of a name, │ the decisions of that name alone
//	or those of others like it    │
//	the clock was set back        │ everything: no time that is remembered stands
//
// A decision whose pools have not changed is the same until its Revisit, so that it need not be
// made again.
func (o *Outcome) Next(in Input) *Outcome {
	// The wall clock is compared: times from an earlier run have no monotonic reading (package
	// time).
	if in.Now.Round(0).Before(o.in.Now.Round(0)) {
		next := Step(o.set, in, o.Memory())
		next.decideApart(o)
		return next
	}
	next := *o
	next.in, next.Changed = in, Changed{}
	next.assessAgain(o)
	next.decideAgain(o)
	next.decideApart(o)
	return &next
}

// assessAgain replaces the states of the pools that a changed target judges, or whose members have
// changed.
func (o *Outcome) assessAgain(before *Outcome) {
	targets := o.in.Snapshot.ChangedSince(before.in.Snapshot)
	hosts := o.in.Hosts.ChangedSince(before.in.Hosts)
	copies := o.in.Copies.ChangedSince(before.in.Copies)
	spokenOf, _ := o.in.Words.ChangedSince(before.in.Words)
	if len(targets)+len(hosts)+len(copies)+len(spokenOf) == 0 {
		return
	}
	again := o.dependents.poolsOf(targets)
	for _, id := range targets {
		again.add(before.judged[id])
	}
	for _, name := range spokenOf {
		if at, known := slices.BinarySearchFunc(o.set.Pools, name, func(p *zones.Pool, name string) int { return cmp.Compare(p.Name, name) }); known {
			again[at] = true
		}
	}
	for _, name := range hosts {
		again.add(o.dependents.aliases[name])
	}
	for _, copy := range copies {
		again.add(o.dependents.copies[copy])
	}
	o.Pools = slices.Clone(o.Pools)
	for i := range again.places {
		was := before.Pools[i]
		if state := o.assess(was.Pool, was.memory); !state.equal(was) {
			o.setPool(state)
		}
	}
	if len(hosts) > 0 {
		o.judged = o.dependents.judgedMembers(o.Pools)
	}
}

// decideAgain replaces the decisions that a changed pool or the time may have made wrong.
func (o *Outcome) decideAgain(before *Outcome) {
	due := slices.DeleteFunc(slices.Clone(before.waiting), func(i int) bool {
		return o.in.Now.Before(before.Decisions[i].Revisit)
	})
	due = append(due, o.in.Failback...)
	if len(o.Changed.Pools) == 0 && len(due) == 0 {
		return
	}
	again := make(marks, len(o.Decisions))
	again.add(due)
	for _, pool := range o.Changed.Pools {
		again.add(o.dependents.routes[pool])
	}
	o.Decisions = slices.Clone(o.Decisions)
	o.waiting, o.revisit = nil, time.Time{}
	for _, i := range before.waiting {
		if !again[i] {
			o.await(i)
		}
	}
	for i := range again.places {
		was := before.Decisions[i]
		o.decide(was.Route, was.memory)
	}
	o.in.Failback = nil // it was said once
}

// dependents says what must be assessed and decided again when something changes. It depends on the
// configuration alone, so that all outcomes of one configuration share it.
type dependents struct {
	pools   map[health.TargetID][]int    // by Pool.Index: those that are judged by a target
	aliases map[string][]int             // by Pool.Index: those that have a host as their alias
	copies  map[replication.Region][]int // by Pool.Index: those that work with a copy
	routes  [][]int                      // by Pool.Index: the Route.Index of those that may consult the pool
	// patience is, by Pool.Index, the longest failback_after of the routes that the pool is in.
	patience []time.Duration
}

func newDependents(set *zones.Set) *dependents {
	d := &dependents{
		pools:   make(map[health.TargetID][]int, len(set.Targets)),
		aliases: make(map[string][]int),
		copies:  make(map[replication.Region][]int),
		routes:  make([][]int, len(set.Pools)),

		patience: make([]time.Duration, len(set.Pools)),
	}
	for _, pool := range set.Pools {
		if pool.Alias != "" {
			d.aliases[pool.Alias] = append(d.aliases[pool.Alias], pool.Index)
		}
		if copy := copyOf(pool); pool.Replication != nil {
			d.copies[copy] = append(d.copies[copy], pool.Index)
		}
		d.addPool(pool.Index, pool.Targets)
		for _, member := range pool.Members {
			d.addPool(pool.Index, member.Targets)
		}
	}
	for _, s := range set.Steerings {
		for pool := range s.Candidates() {
			d.patience[pool.Index] = max(d.patience[pool.Index], s.FailbackAfter)
		}
	}
	for _, route := range set.Routes {
		if route.Steering.MaxDown > 0 { // it depends on all that its names may be answered with
			for pool := range route.Steering.Candidates() {
				d.addRoute(route.Index, pool)
			}
			continue
		}
		for t := range route.Tiers {
			for _, share := range route.Tiers[t].Shares {
				d.addRoute(route.Index, share.Pool)
			}
		}
		if fallback := route.Steering.Fallback; fallback != nil {
			d.addRoute(route.Index, fallback)
		}
	}
	return d
}

func (d *dependents) addPool(at int, targets []health.TargetID) {
	for _, id := range targets {
		d.pools[id] = append(d.pools[id], at)
	}
}

func (d *dependents) addRoute(at int, pool *zones.Pool) {
	d.routes[pool.Index] = append(d.routes[pool.Index], at)
}

// judgedMembers says which pools have members at present, from their aliases, that a target judges.
func (d *dependents) judgedMembers(pools []*PoolState) map[health.TargetID][]int {
	judged := make(map[health.TargetID][]int)
	for _, places := range d.aliases {
		for _, i := range places {
			for _, member := range pools[i].Members {
				for _, id := range pools[i].Pool.IDs(member.Address) {
					judged[id] = append(judged[id], i)
				}
			}
		}
	}
	return judged
}

// poolsOf marks the pools that are judged by one of the targets.
func (d *dependents) poolsOf(targets []health.TargetID) marks {
	m := make(marks, len(d.routes))
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
