package health

import (
	"maps"
	"slices"
	"time"
	"weak"
)

// State is what steering may know of a target.
type State struct {
	Status Status
	// Turning says that the target has begun to change its mind: its last verdicts speak
	// against its status, but not yet often enough.
	Turning bool
	Since   time.Time // when Status became what it is; zero while it never had a verdict
	// Cause is the result that made the status what it is.
	Cause Result
}

// Snapshot is the immutable picture of all targets at one moment. It is safe for
// concurrent use. The nil Snapshot knows of no target.
type Snapshot struct {
	At     time.Time
	states map[TargetID]State
	// later overrides states: most snapshots differ little from the one before, and share
	// the rest with it.
	later map[TargetID]State

	// before is what With made the snapshot from, and changed what it was told. It is a weak
	// pointer, since no snapshot may keep all those before it in memory.
	before  weak.Pointer[Snapshot]
	changed map[TargetID]State
}

// NewSnapshot makes a snapshot that owns states.
func NewSnapshot(at time.Time, states map[TargetID]State) *Snapshot {
	return &Snapshot{At: at, states: states}
}

// State returns what is known of a target; of one it has never heard of, Unknown.
func (s *Snapshot) State(id TargetID) State {
	if s == nil {
		return State{}
	}
	if state, ok := s.later[id]; ok {
		return state
	}
	return s.states[id]
}

// With makes a snapshot that differs from s by the changed states; a zero State forgets
// its target. It owns changed.
func (s *Snapshot) With(at time.Time, changed map[TargetID]State) *Snapshot {
	next := &Snapshot{At: at, before: weak.Make(s), changed: changed}
	if len(s.later)+len(changed) <= len(s.states)/8 {
		next.states, next.later = s.states, maps.Clone(s.later)
		if next.later == nil {
			next.later = changed
		} else {
			maps.Copy(next.later, changed)
		}
		return next
	}
	next.states = maps.Clone(s.states)
	maps.Copy(next.states, s.later)
	maps.Copy(next.states, changed)
	maps.DeleteFunc(next.states, func(_ TargetID, state State) bool { return state == State{} })
	return next
}

// ChangedSince returns the targets of which s knows something else than old does, in no
// order. If With made s from old, as it makes each snapshot that Take returns from the one
// before, that costs as much as was changed; otherwise every target is looked at.
func (s *Snapshot) ChangedSince(old *Snapshot) []TargetID {
	if s == old {
		return nil
	}
	ids := s.suspects(old)
	return slices.DeleteFunc(ids, func(id TargetID) bool { return s.State(id) == old.State(id) })
}

// suspects returns the targets that may have changed since old, each once.
func (s *Snapshot) suspects(old *Snapshot) []TargetID {
	if s != nil && old != nil && s.before == weak.Make(old) {
		return slices.Collect(maps.Keys(s.changed))
	}
	all := make(map[TargetID]State)
	for _, one := range []*Snapshot{s, old} {
		if one != nil {
			maps.Copy(all, one.states)
			maps.Copy(all, one.later)
		}
	}
	return slices.Collect(maps.Keys(all))
}

// Transition is a change of one target's status.
type Transition struct {
	Target   Target
	From, To Status
	At       time.Time
	Cause    Result
}
