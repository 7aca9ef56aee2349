package health

import (
	"slices"
	"time"
)

// Changed receives when something that steering looks at (a status, whether a target is
// turning, which targets there are) has changed since the last Take. Its capacity is one:
// any number of changes are one receipt.
func (m *Monitor) Changed() <-chan struct{} { return m.changed }

// Take returns the present snapshot, and the changes of status since the last Take, in the
// order in which they came. A target has at most one: from the status that the last Take
// showed to the present one, with the time and the cause of its last change; one that has
// come back to where it was has none. A restored status is no change, the first verdict on
// a fresh target is one.
//
// As long as nothing changes, Take returns the same snapshot, made when something did. It
// is meant for one consumer: two would each get some of the transitions.
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
}

// collect takes the news and begins to gather anew.
func (m *Monitor) collect() (at time.Time, all []news) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all = make([]news, 0, len(m.gone)+len(m.dirty))
	for _, target := range m.gone { // first: one that came back is among the dirty
		all = append(all, news{target: target})
	}
	for _, e := range m.dirty {
		e.dirty = false
		if m.entries[e.id] == e { // not forgotten since
			all = append(all, news{e.target, e.state, e.state.Status != e.reported, e.reported})
			e.reported = e.state.Status
		}
	}
	m.dirty, m.gone = nil, nil
	select {
	case <-m.changed: // what it announced is in the news
	default:
	}
	return time.Now(), all
}

// touch notes that an entry's state has changed.
func (m *Monitor) touch(e *entry) {
	if !e.dirty {
		e.dirty = true
		m.dirty = append(m.dirty, e)
	}
	m.announce()
}

// announce makes Changed receive.
func (m *Monitor) announce() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}
