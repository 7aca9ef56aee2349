package steer

import (
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
}

// RouteMemory is what is remembered of a route.
type RouteMemory struct {
	Name  string `json:"name"`            // one that is steered so
	Views string `json:"views,omitempty"` // Route.Views, with spaces between
	Order string `json:"order"`           // Route.Order
	// Pools is what was answered last while it was up, and Good the addresses that were answered.
	Pools []string     `json:"answered,omitempty"`
	Good  []netip.Addr `json:"good_addresses,omitempty"`
}

func (m *RouteMemory) equal(other *RouteMemory) bool {
	return m.Name == other.Name && m.Views == other.Views && m.Order == other.Order &&
		slices.Equal(m.Pools, other.Pools) && slices.Equal(m.Good, other.Good)
}

// next is what is remembered after a decision: the pools that were chosen because they are up. An
// answer in any other mode is a guess, and remembering it would keep clients there after a moment in
// which the prober saw nothing.
func (m RouteMemory) next(d *Decision, pools []*PoolState) RouteMemory {
	if d.Mode != Normal {
		return m
	}
	if len(d.Shares) == 1 {
		m.Pools, m.Good = pools[d.Shares[0].Pool.Index].alone, d.Shares[0].Addresses
		return m
	}
	m.Pools, m.Good = make([]string, len(d.Shares)), nil
	for i := range d.Shares {
		m.Pools[i] = d.Shares[i].Pool.Name
		m.Good = append(m.Good, d.Shares[i].Addresses...)
	}
	return m
}

// next is what is remembered of a pool whose status is now s.
func (m PoolMemory) next(s health.Status, now time.Time) PoolMemory {
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
	return m
}
