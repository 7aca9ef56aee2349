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
	Pools     map[string]PoolMemory     `json:"pools"`     // by the pool's name
	Steerings map[string]SteeringMemory `json:"steerings"` // by Steering.Key
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

// SteeringMemory is what is remembered of a steering.
type SteeringMemory struct {
	Order string `json:"order"` // Steering.Order
	// Pool is what was answered last while it was up, and GoodAddrs what was answered of it.
	Pool      string       `json:"pool"`
	GoodAddrs []netip.Addr `json:"good_addresses,omitempty"`
}

func (m SteeringMemory) equal(other SteeringMemory) bool {
	return m.Order == other.Order && m.Pool == other.Pool && slices.Equal(m.GoodAddrs, other.GoodAddrs)
}

// heirs finds memories for steerings whose configuration was changed, so that nothing is remembered
// under their key: that of a removed steering with the same pools in the same order. So the answer
// outlives a change of a TTL or of failback_after, while a new order takes effect at once.
func (m Memory) heirs(set *zones.Set) map[string]SteeringMemory {
	configured := make(map[string]bool, len(set.Steerings))
	strangers := false
	for _, s := range set.Steerings {
		configured[s.Key] = true
		_, known := m.Steerings[s.Key]
		strangers = strangers || !known
	}
	if !strangers {
		return nil
	}
	heirs := make(map[string]SteeringMemory)
	for _, key := range slices.Sorted(maps.Keys(m.Steerings)) {
		if past := m.Steerings[key]; !configured[key] {
			heirs[past.Order] = past
		}
	}
	return heirs
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

// next is what is remembered after a decision: the pool that was chosen because it is up. An answer
// in any other mode is a guess, and remembering it would keep clients there after a moment in which
// the prober saw nothing.
func (m SteeringMemory) next(d *Decision) SteeringMemory {
	m.Order = d.Steering.Order
	if d.Mode == Normal {
		m.Pool, m.GoodAddrs = d.Pool.Name, d.Addresses
	}
	return m
}
