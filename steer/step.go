package steer

import (
	"time"

	"gslb/health"
	"gslb/zones"
)

// Outcome is what a Step made of one snapshot.
type Outcome struct {
	Pools     []PoolState // as in Set.Pools
	Decisions []Decision  // by Steering.Index
	Memory    Memory      // for the next Step
	Revisit   time.Time   // the earliest of the decisions'; zero: none
}

// Step assesses every pool and decides every steering of a configuration. It is a pure
// function of its arguments: the same ones always give the same outcome.
func Step(set *zones.Set, snap *health.Snapshot, was Memory, now time.Time) Outcome {
	out := Outcome{
		Pools:     make([]PoolState, 0, len(set.Pools)),
		Decisions: make([]Decision, 0, len(set.Steerings)),
		Memory: Memory{
			Pools:     make(map[string]PoolMemory, len(set.Pools)),
			Steerings: make(map[string]SteeringMemory, len(set.Steerings)),
		},
	}
	for _, pool := range set.Pools {
		state := Assess(pool, snap)
		memory := was.Pools[pool.Name].next(state.Status, now)
		state.Since, state.Recovered = memory.Since, memory.Recovered
		out.Memory.Pools[pool.Name] = memory
		out.Pools = append(out.Pools, state)
	}
	heirs := was.heirs(set)
	for _, steering := range set.Steerings {
		past, known := was.Steerings[steering.Key]
		if !known {
			past = heirs[steering.Order]
		}
		decision := Decide(steering, out.Pools, past, now)
		out.Memory.Steerings[steering.Key] = past.next(decision)
		out.Decisions = append(out.Decisions, decision)
		out.Revisit = earlier(out.Revisit, decision.Revisit)
	}
	return out
}

// next is what is remembered after a decision. A steering that answers nothing keeps in
// mind what it answered before, so that it goes on from there.
func (m SteeringMemory) next(d Decision) SteeringMemory {
	m.Order = d.Steering.Order
	if d.Pool == nil {
		return m
	}
	m.Pool = d.Pool.Name
	if d.Mode == Normal {
		m.GoodPool, m.GoodAddrs = d.Pool.Name, d.Addresses
	}
	return m
}

// earlier returns the earlier of two times, of which the zero time is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
