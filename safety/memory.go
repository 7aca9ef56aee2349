package safety

import (
	"maps"
	"time"

	"gslb/health"
)

// Memory is what a Guard must remember over a restart. It is a plain value, and JSON keeps it. The zero
// value holds nothing.
type Memory struct {
	Rule  string    `json:"rule,omitempty"`   // by which statuses are held; empty: none is
	Since time.Time `json:"since,omitzero"`   // when that began
	From  time.Time `json:"from,omitzero"`    // a target that is silent since then is so for the same reason
	Lost  time.Time `json:"lost,omitzero"`    // an answer after that shows that the network is back
	Until time.Time `json:"until,omitzero"`   // when the verdicts count although it is not back; zero: never
	Seen  time.Time `json:"seen,omitzero"`    // when it was back; zero: it is not
	Held  Held      `json:"held,omitempty"`   // the targets that were up, and are not proven since
	Why   string    `json:"reason,omitempty"` // one line
	// Waiting is the targets that were up, and are undecided.
	Waiting Held `json:"waiting,omitempty"`
}

// Held is since when targets were up that seem to be down.
type Held map[health.TargetID]time.Time

// Moved is the memory with every time moved by a function.
func (m Memory) Moved(move func(time.Time) time.Time) Memory {
	for _, t := range []*time.Time{&m.Since, &m.From, &m.Lost, &m.Until, &m.Seen} {
		*t = move(*t)
	}
	m.Held, m.Waiting = m.Held.moved(move), m.Waiting.moved(move)
	return m
}

func (h Held) moved(move func(time.Time) time.Time) Held {
	h = maps.Clone(h)
	for id, since := range h {
		h[id] = move(since)
	}
	return h
}

// Last is the latest time that has come, of those that are remembered.
func (m Memory) Last() time.Time {
	last := m.Since
	for _, t := range []time.Time{m.Lost, m.Seen} {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// hold is what each of the targets that are held says of the rule.
type hold struct {
	rule               string
	since, until, seen time.Time
}

func (m *Memory) hold() hold { return hold{m.Rule, m.Since, m.Until, m.Seen} }

// isLost reports whether the network is not back.
func (m *Memory) isLost() bool { return m.Rule != "" && m.Seen.IsZero() }

// isBelieved reports whether the verdicts count although the network is not back.
func (m *Memory) isBelieved(now time.Time) bool {
	return m.isLost() && !m.Until.IsZero() && !now.Before(m.Until)
}
