package steer

import (
	"net/netip"
	"slices"
	"time"

	"gslb/health"
	"gslb/zones"
)

// MemberState is what is believed of one member of a pool.
type MemberState struct {
	Address netip.Addr
	Status  health.Status
}

// PoolState is what is believed of one pool. It is immutable.
type PoolState struct {
	Pool   *zones.Pool
	Status health.Status
	Since  time.Time // when Status became what it is
	// Recovered is when the pool last came up after it had been down; zero: never.
	Recovered time.Time
	Turning   bool // a target of the pool is changing its mind
	Members   []MemberState
	Why       string // one line: what made the status what it is

	// What every decision on the pool would work out for itself.
	usable   []netip.Addr // the addresses that may be answered
	unneeded string       // Why, where a pool that comes before is taken

	memory PoolMemory // for the next state of the pool
}

// equal reports whether two states say the same of one pool, at times between which the clock
// was not set back: Since and Recovered then move with Status alone.
func (p *PoolState) equal(other *PoolState) bool {
	return p.Status == other.Status && p.Turning == other.Turning && p.Why == other.Why &&
		slices.Equal(p.Members, other.Members)
}

// Mode says in which of its ways a decision came about.
type Mode string

const (
	Normal   Mode = "normal"    // a pool that is up
	Untested Mode = "unknown"   // none is up; a pool of which nothing is known yet
	AssumeUp Mode = "assume_up" // none is left: as if all were up
	LastGood Mode = "last_good" // none is left: what was last answered while something was up
	Fallback Mode = "fallback"  // none is left: the named pool
	ServFail Mode = "servfail"  // none is left: no answer
)

// Considered is one pool that a decision looked at, in the order of preference.
type Considered struct {
	Pool   string
	Status health.Status
	Chosen bool
	Why    string // one line for an operator
}

// Decision is what one steering answers now, and why. It is immutable.
type Decision struct {
	Steering  *zones.Steering
	Mode      Mode
	Pool      *zones.Pool  // what is answered; nil with ServFail
	Addresses []netip.Addr // of that pool, both families, in the order of the configuration
	TTL       time.Duration
	Reasons   []Considered
	// Revisit is when the decision may change without any change of health (a preferred
	// pool's failback_after runs out); zero: never.
	Revisit time.Time

	memory SteeringMemory // for the next decision of the steering
}

// PoolName is the pool that is answered; empty if none is.
func (d Decision) PoolName() string {
	if d.Pool == nil {
		return ""
	}
	return d.Pool.Name
}
