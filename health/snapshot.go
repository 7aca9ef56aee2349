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
	// Turning says that the last verdicts disagree with the status, but are still too few to change
	// it.
	Turning bool
	// Awaited says that this run has just begun and that there is no verdict yet to decide by:
	// the target was up, or nothing is known of it, and its first probe has not ended.
	Awaited bool
	// Stale says that no verdict has come for so long that Status should not be relied on.
	Stale bool
	Since time.Time // when Status became what it is; zero before the first verdict
	// Cause is the result that made the status what it is.
	Cause Result
	// Expiring is when the certificate ends that the target shows, and that must be renewed; zero: none must.
	Expiring time.Time
	// Load is what the target last said of its pool's load or weight, smoothed; nil: nothing. It is never
	// changed.
	Load *Load
	// Hearing is what the target's answers say of the network; nil: nothing yet. It is never changed.
	Hearing *Hearing
	// Held says that Status is not what the verdicts make of the target; with the zero value it is.
	Held Hold
}

// Hearing is what a target's answers, and their absence, say of the network. It stands apart from its
// State, since few targets have anything to say most of the time.
type Hearing struct {
	Began time.Time // when the probe began that made the status what it is
	// First is the same of the first probe in a row that said so: a fault is no younger.
	First time.Time
	// Silent is when the first of the last probes began that were all blank ([Result]); zero: the last
	// one was answered, or could not judge before any was blank.
	Silent time.Time
	// Heard is when the last answer came, a pass or a fail that is not blank, and Missed when the last
	// blank probe ended. In a snapshot they are brought up to date when something else changes, and
	// when the target is asked.
	Heard, Missed time.Time
	// Asked is since when the target is asked whether this host's network works, because another one
	// fails; zero: it has said so, or is not asked.
	Asked time.Time
}

// Heard is the state's Hearing; the zero value if there is none.
func (s State) Heard() Hearing {
	if s.Hearing == nil {
		return Hearing{}
	}
	return *s.Hearing
}

// Hold says that a status is kept although the verdicts say otherwise, and by which rule.
type Hold struct {
	Rule  string // its name
	Since time.Time
	Until time.Time // when it ends at the latest; zero: when what it depends on does
}

// Snapshot is the immutable picture of all targets at one moment. It is safe for
// concurrent use. The nil Snapshot knows of no target.
type Snapshot struct {
	At     time.Time
	states map[TargetID]State
	// later overrides states. Most snapshots differ little from the one before, and share states
	// with it.
	later map[TargetID]State

	// before is the snapshot that With was called on, and changed its argument. The pointer is
	// weak, so that a snapshot does not keep all earlier ones in memory.
	before  weak.Pointer[Snapshot]
	changed map[TargetID]State
}

// NewSnapshot makes a snapshot that owns states.
func NewSnapshot(at time.Time, states map[TargetID]State) *Snapshot {
	return &Snapshot{At: at, states: states}
}

// State returns what is known of a target; Unknown for one that is not in the snapshot.
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

// ChangedSince returns the targets whose state differs between s and old, in no order. If With made
// s from old, as with two successive snapshots of Take, only what changed is compared; otherwise
// every target is.
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
	Lasted   time.Duration // how long From had lasted; 0: not known
	First    time.Time     // when the first probe in a row began that said so; zero: not known
	Cause    Result
}

// Changed receives when something that steering looks at (a status, whether a target is turning,
// which targets there are) has changed since the last Take. Its capacity is one, so that several
// changes are received as one.
func (m *Monitor) Changed() <-chan struct{} { return m.changed }

// Take returns the current snapshot, and the changes of status since the last Take, in the order in
// which they came. A target has at most one change: from the status at the last Take to the current
// one, with the time and the cause of its last change. A target that has returned to its status has
// none. A restored status is not a change, but the first verdict on a fresh target is.
//
// As long as nothing changes, Take returns the same snapshot. It is meant for one consumer: two
// would each get a part of the transitions.
func (m *Monitor) Take() (*Snapshot, []Transition) {
	m.taking.Lock()
	defer m.taking.Unlock()

	at, news := m.collect()
	if len(news) == 0 {
		return m.snapshot, nil
	}
	changed := make(map[TargetID]State, len(news))
	var transitions []Transition
	for _, n := range news {
		changed[n.target.ID] = n.state
		if n.moved {
			transitions = append(transitions, Transition{
				Target: *n.target,
				From:   n.from,
				To:     n.state.Status,
				At:     n.state.Since,
				Lasted: n.lasted,
				First:  n.state.Heard().First,
				Cause:  n.state.Cause,
			})
		}
	}
	m.snapshot = m.snapshot.With(at, changed)
	slices.SortStableFunc(transitions, func(a, b Transition) int { return a.At.Compare(b.At) })
	return m.snapshot, transitions
}

// news is what has changed of one target between two Takes.
type news struct {
	target *Target
	state  State
	moved  bool // the status is not what the last Take told
	from   Status
	lasted time.Duration // how long from had
}

// collect returns the news since the last call.
func (m *Monitor) collect() (at time.Time, all []news) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all = make([]news, 0, len(m.gone)+len(m.dirty))
	for _, target := range m.gone { // first: a target that was added again is among the dirty
		all = append(all, news{target: target})
	}
	for _, e := range m.dirty {
		e.dirty = false
		if m.entries[e.id] == e { // not forgotten since
			n := news{target: e.target, state: e.state}
			if n.moved = e.state.Status != e.reported; n.moved {
				n.from = e.reported
				if !e.since.IsZero() {
					n.lasted = e.state.Since.Sub(e.since)
				}
			}
			all = append(all, n)
			e.reported, e.since = e.state.Status, e.state.Since
		}
	}
	m.dirty, m.gone = nil, nil
	select {
	case <-m.changed: // the news includes what it announced
	default:
	}
	return time.Now(), all
}

// touch notes that an entry's state has changed, and brings up to date what is calculated from it.
func (m *Monitor) touch(e *entry) {
	m.mark(e)
	m.calculate(e.id)
	m.announce()
}

// mark notes that Take has news of an entry.
func (m *Monitor) mark(e *entry) {
	if !e.dirty {
		e.dirty = true
		m.dirty = append(m.dirty, e)
	}
}

// announce signals Changed.
func (m *Monitor) announce() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}
