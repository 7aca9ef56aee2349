package steer

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"gslb/health"
	"gslb/zones"
)

// Memory is what one decision must remember of those before it. It is immutable: [Step]
// takes one, and its outcome has the next. The zero value remembers nothing. It may be
// written as JSON and outlive the process.
type Memory struct {
	Pools  map[string]PoolMemory  `json:"pools"`  // by the pool's name
	Routes map[string]RouteMemory `json:"routes"` // by Route.Key

	set *zones.Set // that it is a memory of; nil: it was read from a file
}

// PoolMemory is what is remembered of a pool.
type PoolMemory struct {
	Status health.Status `json:"status"`
	Since  time.Time     `json:"since"` // when Status became what it is
	// Down says that the pool was down when its status was last known.
	Down bool `json:"down,omitempty"`
	// Recovered is when the pool last came up after it had been down. It is zero for a
	// pool that was never seen down: nothing has to be waited for before it is used.
	Recovered time.Time `json:"recovered,omitzero"`
	// Fell is when the pool last went down by its probes alone, after it had been up. It is zero
	// for a pool of which a person has said something since then.
	Fell time.Time `json:"fell,omitzero"`
	// Degraded is since when the data behind the pool is behind, and has not been current since, or not for
	// long enough. It is zero for a pool that is not degraded.
	Degraded time.Time `json:"degraded,omitzero"`
	// CaughtUp is since when the data is current without a break, after the pool was degraded. It is zero
	// for a pool that is degraded, or was never seen so.
	CaughtUp time.Time `json:"caught_up,omitzero"`
}

// RouteMemory is what is remembered of a route.
type RouteMemory struct {
	Name  string `json:"name"`            // one that is steered so
	Views string `json:"views,omitempty"` // Route.Views, with spaces between
	Order string `json:"order"`           // Route.Order
	// Pools is what was answered last while it was up, and Good the addresses that were answered.
	Pools []string     `json:"answered,omitempty"`
	Good  []netip.Addr `json:"good_addresses,omitempty"`
	// Waiting is the pools before or beside those that were passed over: with failback = "manual" while
	// they were not up, and they wait for a person since then.
	Waiting []string `json:"waiting,omitempty"`
	// Gone is when each of the names' pools last went down, if max_down says how many may.
	Gone map[string]time.Time `json:"gone,omitempty"`
	// Shed is what pools have given up by their loads.
	Shed Shedding `json:"shed,omitzero"`
}

func (m *RouteMemory) equal(other *RouteMemory) bool {
	return m.Name == other.Name && m.Views == other.Views && m.Order == other.Order &&
		slices.Equal(m.Pools, other.Pools) && slices.Equal(m.Good, other.Good) &&
		slices.Equal(m.Waiting, other.Waiting) && m.Shed.equal(&other.Shed) && maps.EqualFunc(m.Gone, other.Gone, time.Time.Equal)
}

// remember is what is remembered after the decision: the pools that were chosen because they are up, or
// held as if they were, but for those that are returning. An answer in any other mode is a guess, and
// remembering it would keep clients there after a moment in which the prober saw nothing. Of a pool that
// is held stay the addresses that were answered while it was up.
func (w *walk) remember() RouteMemory {
	m := w.past
	m.Gone, m.Shed = w.gone, w.shedding
	if w.back {
		m.Waiting = nil
	}
	if w.Mode != Normal && w.Mode != Ramped && w.Mode != Held {
		return m
	}
	m.Waiting = w.passed
	if len(w.Shares) == 1 && w.Mode == Normal {
		m.Pools, m.Good = w.state(w.Shares[0].Pool).alone, w.Shares[0].Addresses
		return m
	}
	m.Pools, m.Good = make([]string, 0, len(w.Shares)), nil
	for i := range w.Shares {
		s := &w.Shares[i]
		if s.IsExtra() {
			continue
		}
		m.Pools = append(m.Pools, s.Pool.Name)
		if state := w.state(s.Pool); w.status(state) == health.Up {
			m.Good = append(m.Good, s.Addresses...)
		} else {
			m.Good = append(m.Good, w.lastGood(state)...)
		}
	}
	slices.SortFunc(m.Good, netip.Addr.Compare)
	m.Good = slices.Compact(m.Good) // pools may share addresses
	return m
}

// next is what is remembered of a pool that is now in a state.
func (m PoolMemory) next(state *PoolState, patience time.Duration, now time.Time) PoolMemory {
	s := state.Status
	switch {
	case state.hasWord():
		m.Fell = time.Time{}
	case s == health.Down && m.Status == health.Up:
		m.Fell = now
	case m.Fell.After(now):
		m.Fell = now // the clock was set back
	}
	if m.Since.IsZero() || m.Status != s {
		m.Since = now
	}
	if s == health.Up && m.Down {
		m.Recovered = now
	}
	if m.Recovered.After(now) {
		m.Recovered = now // the clock was set back
	}
	if s != health.Unknown {
		m.Down = s == health.Down
	}
	m.Status = s
	m.followCopy(state, patience, now)
	return m
}
