package answer

import (
	"slices"
	"time"

	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// Event is a change that is served already. Exactly one of the pointers is set.
type Event struct {
	At     time.Time
	Target *health.Transition // a target changed its status
	Pool   *PoolChange        // a pool changed its status
	Answer *AnswerChange      // a steering's answer changed
	Config *zones.Set         // a configuration was taken into use
}

// PoolChange is a change of a pool's status.
type PoolChange struct {
	From health.Status
	To   steer.PoolState
}

// AnswerChange is a change of what a steering answers.
type AnswerChange struct {
	From  steer.Decision // the zero value if the steering is new
	To    steer.Decision
	Names []*zones.Name // that are steered so
}

// events says what is different in a table from the one before, causes first; changed is
// where to look. The old table is nil at the first publication.
func events(old, table *Table, changed steer.Changed, transitions []health.Transition) []Event {
	at := table.published
	var list []Event
	if old == nil || old.set != table.set {
		list = append(list, Event{At: at, Config: table.set})
	}
	for i := range transitions {
		list = append(list, Event{At: at, Target: &transitions[i]})
	}
	list = append(list, poolChanges(old, table, changed.Pools)...)
	return append(list, answerChanges(old, table, changed.Decisions)...)
}

func poolChanges(old, table *Table, changed []int) []Event {
	before := previousStatus(old, table)
	list := make([]Event, 0, len(changed))
	for _, i := range changed {
		state := table.pools[i]
		if from := before(i); from != state.Status {
			list = append(list, Event{At: table.published, Pool: &PoolChange{From: from, To: *state}})
		}
	}
	return list
}

func answerChanges(old, table *Table, changed []int) []Event {
	before := previous(old, table)
	list := make([]Event, 0, len(changed))
	for _, i := range changed {
		from, to := before(i), table.decisions[i]
		if from.Steering != nil && sameAnswer(from, to) {
			continue
		}
		list = append(list, Event{At: table.published, Answer: &AnswerChange{From: *from, To: *to, Names: table.index.names[i]}})
	}
	return list
}

// previousStatus returns how to find what the status of a pool was in the old table, by the
// pool's place in the new one.
func previousStatus(old, table *Table) func(int) health.Status {
	switch {
	case old == nil:
		return func(int) health.Status { return health.Unknown }
	case old.set == table.set:
		return func(i int) health.Status { return old.pools[i].Status }
	}
	was := make(map[string]health.Status, len(old.pools))
	for _, state := range old.pools {
		was[state.Pool.Name] = state.Status
	}
	return func(i int) health.Status { return was[table.pools[i].Pool.Name] }
}

// previous returns how to find what the names of a steering were answered with in the old
// table, by the steering's place in the new one. In another configuration they may have been
// steered otherwise, so that the first of them speaks for all.
func previous(old, table *Table) func(int) *steer.Decision {
	switch {
	case old == nil:
		return func(int) *steer.Decision { return new(steer.Decision) }
	case old.set == table.set:
		return func(i int) *steer.Decision { return old.decisions[i] }
	}
	was := make(map[string]int)
	for i, names := range old.index.names {
		for _, n := range names {
			was[n.Name] = i
		}
	}
	return func(i int) *steer.Decision {
		for _, n := range table.index.names[i] {
			if at, known := was[n.Name]; known {
				return old.decisions[at]
			}
		}
		return new(steer.Decision)
	}
}

// sameAnswer reports whether two decisions answer the same pool and addresses in the same
// mode. The TTL is not part of that: it moves with every target that hesitates.
func sameAnswer(a, b *steer.Decision) bool {
	return a.Mode == b.Mode && poolName(a) == poolName(b) && slices.Equal(a.Addresses, b.Addresses)
}

func poolName(d *steer.Decision) string {
	if d.Pool == nil {
		return ""
	}
	return d.Pool.Name
}
