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
	// Ambiguous: something is late that may be the fault of this region or of another.
	Ambiguous Condition = "ambiguous"
	// Unread: nothing could be read through its endpoint for longer than the group's MaxLag, while another
	// region could be read. What it has is not known.
	Unread Condition = "unread"
)

func (c Condition) String() string {
	if c == Unknown {
		return "unknown"
	}
	return string(c)
}

// State is what steering may know of a region's copy.
type State struct {
	Condition Condition `json:"condition,omitempty"`
	// Degraded says that the copy has been behind, cut off or unread, and has not been current since.
	Degraded bool `json:"degraded,omitempty"`
	// Proven says that it has been behind or cut off since then, as a reading has shown. Otherwise it
	// could only not be read.
	Proven bool `json:"proven,omitempty"`
	// Since is when Condition became what it is.
	Since time.Time `json:"since,omitzero"`
	// Good is since when the region has been current without a break; zero: it is not.
	Good time.Time `json:"good,omitzero"`
	Why  string    `json:"why,omitempty"` // one line for an operator; empty with Current
}

// Next is the state of a copy that is in a condition at a time. What makes it degraded ends when it is current
// again, and then only: a condition that says less is no better one.
//
//	then it is     │ degraded       │ proven         │ good since
//	───────────────┼────────────────┼────────────────┼─────────────────────────
//	behind, cut off│ yes            │ yes            │ never
//	unread         │ yes            │ as before      │ never
//	current        │ no             │ no             │ as before, or from now on
//	any other      │ as before      │ as before      │ never
func (s State) Next(c Condition, why string, now time.Time) State {
	if c != s.Condition {
		s.Condition, s.Since = c, now
	}
	s.Why = why
	switch c {
	case Behind, CutOff:
		s.Degraded, s.Proven = true, true
	case Unread:
		s.Degraded = true
	case Current:
		s.Degraded, s.Proven = false, false
		if s.Good.IsZero() {
			s.Good = now
		}
		return s
	}
	s.Good = time.Time{}
	return s
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
