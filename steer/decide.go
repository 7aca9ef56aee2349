package steer

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"gslb/health"
	"gslb/zones"
)

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

// Decide picks the one pool that a steering answers with, for A and AAAA alike. pools are
// the states of all pools, by Pool.Index.
//
// Policy failover walks the pools in the listed order:
//
//	the pool is │ and                                             │ then
//	────────────┼─────────────────────────────────────────────────┼─────────────────────────────
//	up          │ it is answered now, or stands after that pool   │ taken
//	up          │ the pool answered now is not up any more        │ taken
//	up          │ it was never down, or is up for failback_after  │ taken
//	up          │ it recovered later than that                    │ passed over; revisited then
//	unknown     │ a pool further on is up                         │ passed over
//	unknown     │ none is up, and it is the first such            │ taken, mode unknown
//	down        │                                                 │ dropped
//	none left   │                                                 │ when_all_down
//
// What is answered of the pool taken are its members that are up; if none is, those of
// which nothing is known yet. The TTL is ttl_min while a target is turning in a pool that
// was consulted: all up to the pool taken.
func Decide(s *zones.Steering, pools []*PoolState, past SteeringMemory, now time.Time) Decision {
	d := Decision{Steering: s, TTL: s.TTL, Reasons: make([]Considered, len(s.Pools))}
	taken, passed := -1, -1
	current := answered(s, pools, past)
	for i, pool := range s.Pools {
		state := pools[pool.Index]
		d.Reasons[i] = Considered{Pool: pool.Name, Status: state.Status, Why: state.Why}
		if taken >= 0 {
			d.Reasons[i].Why = state.unneeded
			continue
		}
		if state.Turning {
			d.TTL = s.TTLMin
		}
		switch state.Status {
		case health.Up:
			if wait := s.FailbackAfter - now.Sub(state.Recovered); i < current && wait > 0 && !state.Recovered.IsZero() {
				d.Revisit = soonest(d.Revisit, now.Add(wait))
				d.Reasons[i].Why = fmt.Sprintf("up since %s, returned to after %s: %s",
					state.Recovered.UTC().Format(time.RFC3339), s.FailbackAfter, state.Why)
				continue
			}
			taken = i
		case health.Unknown:
			if passed < 0 {
				passed = i
			}
		}
	}
	switch {
	case taken >= 0:
		d.take(taken, Normal, pools)
	case passed >= 0:
		d.take(passed, Untested, pools)
	default:
		d.takeNone(pools, past)
	}
	return d
}

// answered is the place, among a steering's pools, of the pool that it answers with now,
// if that is still up; otherwise 0, so that no pool stands before it.
func answered(s *zones.Steering, pools []*PoolState, past SteeringMemory) int {
	i := slices.IndexFunc(s.Pools, func(p *zones.Pool) bool { return p.Name == past.Pool })
	if i < 0 || pools[s.Pools[i].Index].Status != health.Up {
		return 0
	}
	return i
}

// take makes the steering's pool i the answer.
func (d *Decision) take(i int, mode Mode, pools []*PoolState) {
	d.Mode, d.Pool = mode, d.Steering.Pools[i]
	d.Reasons[i].Chosen = true
	if mode == AssumeUp {
		d.Addresses = members(pools[d.Pool.Index], func(health.Status) bool { return true })
		return
	}
	d.Addresses = pools[d.Pool.Index].usable
}

// takeNone decides when every pool is down.
func (d *Decision) takeNone(pools []*PoolState, past SteeringMemory) {
	switch d.Steering.WhenAllDown {
	case zones.ServFail:
		d.Mode = ServFail
	case zones.UseFallback:
		d.Mode, d.Pool = Fallback, d.Steering.Fallback
		state := pools[d.Pool.Index]
		if state.Turning {
			d.TTL = d.Steering.TTLMin
		}
		d.Addresses = state.usable
		d.Reasons = append(d.Reasons, Considered{
			Pool: d.Pool.Name, Status: state.Status, Chosen: true, Why: "the fallback: " + state.Why,
		})
	case zones.LastGood:
		if d.takeLastGood(past) {
			return
		}
		fallthrough
	default:
		d.take(0, AssumeUp, pools)
	}
}

// takeLastGood answers what was answered last while a pool was up. It reports false when
// nothing of that is remembered, or the configuration has none of it any more.
func (d *Decision) takeLastGood(past SteeringMemory) bool {
	i := slices.IndexFunc(d.Steering.Pools, func(p *zones.Pool) bool { return p.Name == past.GoodPool })
	if i < 0 {
		return false
	}
	for _, member := range d.Steering.Pools[i].Members {
		if slices.Contains(past.GoodAddrs, member.Address) {
			d.Addresses = append(d.Addresses, member.Address)
		}
	}
	if len(d.Addresses) == 0 {
		return false
	}
	d.Mode, d.Pool = LastGood, d.Steering.Pools[i]
	d.Reasons[i].Chosen = true
	return true
}
