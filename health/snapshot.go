package health

import "time"

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
	return s.states[id]
}

// Transition is a change of one target's status.
type Transition struct {
	Target   Target
	From, To Status
	At       time.Time
	Cause    Result
}
