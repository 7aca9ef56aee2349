package steer

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"gslb/health"
	"gslb/zones"
)

// Mode says how a decision was made.
type Mode string

const (
	Pending  Mode = "pending"   // at a start: no reply until a first verdict has come
	Normal   Mode = "normal"    // a pool that is up
	Untested Mode = "unknown"   // none is up; a pool of which nothing is known yet
	AssumeUp Mode = "assume_up" // none is left: as if all were up
	LastGood Mode = "last_good" // none is left: what was last answered while something was up
	Fallback Mode = "fallback"  // none is left: the named pool
	ServFail Mode = "servfail"  // none is left: no answer
)

// Considered is one pool that a decision considered. They stand in the order of preference.
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
	Pool      *zones.Pool  // what is answered; nil with ServFail and Pending
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
// the states of all pools, by Pool.Index. The last pool is the one that was answered last
// while it was up.
//
// Policy failover walks the pools in the listed order:
//
//	the pool is │ and                                          │ then
//	────────────┼──────────────────────────────────────────────┼─────────────────────────────
//	awaited     │ none before it is taken                      │ none is taken, mode pending
//	up          │ it is the last pool, or stands after it      │ taken
//	up          │ the last pool is neither up nor awaited      │ taken
//	up          │ it was never down, or is up for              │ taken
//	            │ failback_after                               │
//	up          │ it recovered later than that                 │ passed over; revisited then
//	unknown     │ a pool further on is up                      │ passed over
//	unknown     │ none is up, and it is the last pool          │ taken, mode unknown
//	unknown     │ none is up, the last pool is not unknown,    │ taken, mode unknown
//	            │ and it is the first that is                  │
//	down        │                                              │ dropped
//	none left   │                                              │ when_all_down
//
// When none is left:
//
//	when_all_down │ the last pool           │ then
//	──────────────┼─────────────────────────┼───────────────────────────────────────────────
//	assume_up     │ is one of the pools     │ the last pool, all its members
//	assume_up     │ is none of them any     │ the first pool, all its members
//	              │ more, or there was none │
//	last_good     │ has a member that was   │ those of its members that were answered then
//	              │ answered then           │
//	last_good     │ otherwise               │ as assume_up
//	fallback      │                         │ the named pool; mode pending while it is awaited
//	servfail      │                         │ no address: SERVFAIL
//
// What is answered of a pool taken from those that are up or unknown is its members that are
// up; if none is, those of which nothing is known yet. The TTL is ttl_min when none is left, and
// while a target is turning in a pool that was consulted: all up to the pool taken.
func Decide(s *zones.Steering, pools []*PoolState, past SteeringMemory, now time.Time) Decision {
	d := Decision{Steering: s, TTL: s.TTL, Reasons: make([]Considered, len(s.Pools))}
	last := slices.IndexFunc(s.Pools, func(p *zones.Pool) bool { return p.Name == past.Pool })
	stay := 0 // the place of the pool that stays the answer though one before it is up
	if last >= 0 {
		if state := pools[s.Pools[last].Index]; state.Status == health.Up || state.Awaited {
			stay = last
		}
	}
	taken, untested := none, none
	for i, pool := range s.Pools {
		state := pools[pool.Index]
		d.Reasons[i] = Considered{Pool: pool.Name, Status: state.Status, Why: state.Why}
		if taken != none || d.Mode == Pending {
			d.Reasons[i].Why = state.unneeded
			continue
		}
		if state.Turning {
			d.TTL = s.TTLMin
		}
		switch {
		case state.Awaited:
			d.await(i)
		case state.Status == health.Up:
			if wait := s.FailbackAfter - now.Sub(state.Recovered); i < stay && wait > 0 && !state.Recovered.IsZero() {
				d.Revisit = soonest(d.Revisit, now.Add(wait))
				d.Reasons[i].Why = fmt.Sprintf("up since %s, returned to after %s: %s",
					state.Recovered.UTC().Format(time.RFC3339), s.FailbackAfter, state.Why)
				continue
			}
			taken = i
		case state.Status == health.Unknown && (untested == none || i == last):
			untested = i
		}
	}
	switch {
	case d.Mode == Pending:
	case taken != none:
		d.take(taken, Normal, pools)
	case untested != none:
		d.take(untested, Untested, pools)
	default:
		d.takeNone(last, pools, past)
	}
	return d
}

// none is the place of no pool.
const none = -1

// await leaves the decision open, since it depends on pool i, which has no verdict yet.
func (d *Decision) await(i int) {
	d.Mode = Pending
	d.Reasons[i].Why = "its first verdicts are awaited: " + d.Reasons[i].Why
}

// take answers with pool i of the steering.
func (d *Decision) take(i int, mode Mode, pools []*PoolState) {
	d.Mode, d.Pool = mode, d.Steering.Pools[i]
	d.Reasons[i].Chosen = true
	if mode == AssumeUp {
		d.Addresses = members(pools[d.Pool.Index], func(health.Status) bool { return true })
		return
	}
	d.Addresses = pools[d.Pool.Index].usable
}

// takeNone decides when every pool is down. last is the place of the last pool.
func (d *Decision) takeNone(last int, pools []*PoolState, past SteeringMemory) {
	d.TTL = d.Steering.TTLMin
	switch d.Steering.WhenAllDown {
	case zones.ServFail:
		d.Mode = ServFail
		return
	case zones.UseFallback:
		d.takeFallback(pools[d.Steering.Fallback.Index])
		return
	case zones.LastGood:
		if d.takeLastGood(last, past) {
			return
		}
	}
	d.take(max(last, 0), AssumeUp, pools)
}

// takeFallback answers with the named pool, whatever its status.
func (d *Decision) takeFallback(state *PoolState) {
	d.Reasons = append(d.Reasons, Considered{
		Pool: state.Pool.Name, Status: state.Status, Why: "the fallback: " + state.Why,
	})
	at := len(d.Reasons) - 1
	if state.Awaited {
		d.await(at)
		return
	}
	d.Mode, d.Pool, d.Addresses = Fallback, state.Pool, state.usable
	d.Reasons[at].Chosen = true
}

// takeLastGood answers what was answered of the last pool while it was up. It reports false
// when there is none, or the configuration has none of its addresses any more.
func (d *Decision) takeLastGood(last int, past SteeringMemory) bool {
	if last < 0 {
		return false
	}
	for _, member := range d.Steering.Pools[last].Members {
		if slices.Contains(past.GoodAddrs, member.Address) {
			d.Addresses = append(d.Addresses, member.Address)
		}
	}
	if len(d.Addresses) == 0 {
		return false
	}
	d.Mode, d.Pool = LastGood, d.Steering.Pools[last]
	d.Reasons[last].Chosen = true
	return true
}
