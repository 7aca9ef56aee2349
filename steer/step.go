package steer

import (
	"slices"
	"time"

	"gslb/alias"
	"gslb/health"
	"gslb/override"
	"gslb/replication"
	"gslb/zones"
)

// Input is everything that decisions are made from, beside the configuration and what is remembered.
type Input struct {
	Snapshot *health.Snapshot
	Hosts    *alias.Addresses  // of aliases; nil: none is known
	Words    *override.Words   // of people; nil: nobody has said anything
	Copies   *replication.View // of the data behind the pools; nil: nothing is known of any
	Now      time.Time
	// Failback is the Route.Index of those whose clients return now to the pools that are preferred, since
	// a person has just said so.
	Failback []int
}

// Outcome is what was made of one snapshot. It is immutable and safe for concurrent use. Its
// parts are pointers, since most of them are those of the outcome before.
type Outcome struct {
	Pools     []*PoolState // as in Set.Pools
	Decisions []*Decision  // by Route.Index
	Apart     []*Apart     // by Name.Name: the names that are pinned
	Changed   Changed      // since the outcome before
	Revisit   time.Time    // the earliest of all decisions'; zero: none

	set        *zones.Set
	in         Input
	dependents *dependents
	judged     map[health.TargetID][]int // by Pool.Index: the pools with an alias whose members a target judges
	revisit    time.Time                 // the earliest of Decisions'
	waiting    []int                     // the Route.Index of every decision that has a Revisit
}

// Changed lists what an outcome does not share with the one before, by place and in ascending
// order.
type Changed struct {
	Pools     []int         // whose state is another
	Decisions []int         // that were made anew, even if the result is the same
	Apart     []*zones.Name // names whose own decisions were made anew, and those that stand apart no more; by name
}

// Step assesses every pool and decides every route of a configuration. It is a pure
// function of its arguments: the same ones always give the same outcome.
func Step(set *zones.Set, in Input, was Memory) *Outcome {
	out := &Outcome{
		Pools:      make([]*PoolState, len(set.Pools)),
		Decisions:  make([]*Decision, len(set.Routes)),
		set:        set,
		in:         in,
		dependents: newDependents(set),
	}
	for _, pool := range set.Pools {
		out.setPool(out.assess(pool, was.Pools[pool.Name]))
	}
	out.judged = out.dependents.judgedMembers(out.Pools)
	for i, past := range was.recall(set) {
		out.decide(set.Routes[i], past)
	}
	out.decideApart(nil)
	out.in.Failback = nil // it was said once
	return out
}

// Memory is what the next Step must remember, in the form that outlives the configuration and the
// process. Its cost grows with the number of pools and routes.
func (o *Outcome) Memory() Memory {
	m := Memory{
		Pools:  make(map[string]PoolMemory, len(o.Pools)),
		Routes: make(map[string]RouteMemory, len(o.Decisions)),
		set:    o.set,
	}
	for _, state := range o.Pools {
		m.Pools[state.Pool.Name] = state.memory
	}
	for _, decision := range o.Decisions {
		m.Routes[decision.Route.Key] = decision.memory
	}
	return m
}

// Set is the configuration that it was made for.
func (o *Outcome) Set() *zones.Set { return o.set }

// DecisionsOf is what a name of the configuration answers: the decisions of the routes of its steering, in
// their order. The caller must not change the list.
func (o *Outcome) DecisionsOf(name *zones.Name) []*Decision {
	if a := o.ApartOf(name); a != nil {
		return a.Decisions
	}
	routes := name.Steering.Routes
	return o.Decisions[routes[0].Index : routes[0].Index+len(routes)]
}

// Input is what the outcome was made from.
func (o *Outcome) Input() Input { return o.in }

// Words is what people have said, as the outcome was made with it.
func (o *Outcome) Words() *override.Words { return o.in.Words }

// Suppose is what the outcome would be with other words, and if some pools, by name, had these
// statuses whatever their probes say.
func (o *Outcome) Suppose(words *override.Words, status map[string]health.Status) *Outcome {
	in := o.in
	in.Words = words
	if len(status) > 0 {
		all := slices.DeleteFunc(slices.Clone(words.All()), func(w override.Override) bool {
			_, supposed := status[w.Pool]
			return supposed && w.Kind == override.Force && !w.Member.IsValid()
		})
		for pool, s := range status {
			all = append(all, override.Override{Kind: override.Force, Pool: pool, Status: s, Reason: "supposed", Since: in.Now})
		}
		in.Words = override.NewWords(all)
	}
	return o.Next(in)
}

// Judges reports whether a target judges an address that a pool has from its alias.
func (o *Outcome) Judges(id health.TargetID) bool {
	_, is := o.judged[id]
	return is
}

// SameMemory reports whether Memory is the same as that of the outcome before: nil, the outcome
// that o is the Next of, or one of another configuration. It looks only at Changed.
func (o *Outcome) SameMemory(before *Outcome) bool {
	if before == nil || before.set != o.set {
		return false
	}
	for _, i := range o.Changed.Pools {
		if o.Pools[i].memory != before.Pools[i].memory {
			return false
		}
	}
	for _, i := range o.Changed.Decisions {
		if !o.Decisions[i].memory.equal(&before.Decisions[i].memory) {
			return false
		}
	}
	return true
}

// assess is Assess with what the pool's past adds.
func (o *Outcome) assess(pool *zones.Pool, past PoolMemory) *PoolState {
	state := Assess(pool, o.in)
	state.memory = past.next(&state, o.dependents.patience[pool.Index], o.in.Now)
	state.Since, state.Recovered = state.memory.Since, state.memory.Recovered
	state.Degraded, state.CaughtUp = state.memory.Degraded, state.memory.CaughtUp
	state.explainCopy()
	return &state
}

func (o *Outcome) setPool(state *PoolState) {
	i := state.Pool.Index
	o.Pools[i] = state
	o.Changed.Pools = append(o.Changed.Pools, i)
}

// decide adds one decision to the outcome, whose pools are all assessed.
func (o *Outcome) decide(r *zones.Route, past RouteMemory) {
	o.Decisions[r.Index] = decide(r, o.Pools, past, o.in.Now, slices.Contains(o.in.Failback, r.Index))
	o.Changed.Decisions = append(o.Changed.Decisions, r.Index)
	o.await(r.Index)
}

// await records when decision i is to be revisited.
func (o *Outcome) await(i int) {
	if at := o.Decisions[i].Revisit; !at.IsZero() {
		o.waiting = append(o.waiting, i)
		o.revisit = soonest(o.revisit, at)
	}
}

// soonest returns the earlier of two times; the zero time means never.
func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
