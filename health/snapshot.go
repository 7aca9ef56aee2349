package health

import (
	"maps"
	"time"
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

// with makes a snapshot that differs from s by the changed states; a zero State forgets
// its target. It owns changed.
func (s *Snapshot) with(at time.Time, changed map[TargetID]State) *Snapshot {
	if len(s.later)+len(changed) <= len(s.states)/8 {
		later := maps.Clone(s.later)
		if later == nil {
			later = changed
		} else {
			maps.Copy(later, changed)
		}
		return &Snapshot{At: at, states: s.states, later: later}
	}
	states := maps.Clone(s.states)
	maps.Copy(states, s.later)
	maps.Copy(states, changed)
	maps.DeleteFunc(states, func(_ TargetID, state State) bool { return state == State{} })
	return &Snapshot{At: at, states: states}
}

// Transition is a change of one target's status.
type Transition struct {
	Target   Target
	From, To Status
	At       time.Time
	Cause    Result
}
