package replication

import "time"

// Condition is what is known of a region's copy.
type Condition string

const (
	// Unknown is the condition of a region of which too little has been heard, and of one that no group has.
	Unknown Condition = ""
	// Current is the condition of a region that has everything, and whose writes arrive, within the
	// group's MaxLag.
	Current Condition = "current"
	// Behind: the writes of all others arrive late.
	Behind Condition = "behind"
	// CutOff: neither does anything arrive in time, nor do its own writes in any other region.
	CutOff Condition = "cut off"
	// Silent: only its own writes do not arrive in time.
	Silent Condition = "silent"
)

// State is what steering may know of a region's copy.
type State struct {
	Condition Condition
	// Degraded says that the copy has been behind or cut off, and has not been current since.
	Degraded bool
	// Since is when Condition became what it is.
	Since time.Time
	// Good is since when the region has been current without a break; zero: it is not.
	Good time.Time
	Why  string // one line for an operator; empty with Current
}

// Region names a copy.
type Region struct{ Group, Region string }

// View is the immutable picture of all groups at one moment. It is safe for concurrent use. The nil View
// knows of none.
type View struct {
	states map[Region]State
}

// NewView makes a view that owns states.
func NewView(states map[Region]State) *View { return &View{states: states} }

// State is what is known of a region's copy.
func (v *View) State(r Region) State {
	if v == nil {
		return State{}
	}
	return v.states[r]
}

// ChangedSince is the copies of which something else is known than in old, in no order.
func (v *View) ChangedSince(old *View) []Region {
	if v == old {
		return nil
	}
	var changed []Region
	for _, pair := range [][2]*View{{v, old}, {old, v}} {
		if pair[0] == nil {
			continue
		}
		for r := range pair[0].states {
			if first := pair[0] == v; pair[0].State(r) != pair[1].State(r) && (first || !v.has(r)) {
				changed = append(changed, r)
			}
		}
	}
	return changed
}

func (v *View) has(r Region) bool {
	if v == nil {
		return false
	}
	_, has := v.states[r]
	return has
}
