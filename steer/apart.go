package steer

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"gslb/health"
	"gslb/override"
	"gslb/zones"
)

// Apart is what a name answers that a person has pinned to a pool. Names that are steered alike share
// their decisions; this one has its own.
type Apart struct {
	Name      *zones.Name
	Decisions []*Decision // of the routes of its steering, in their order

	pin    *override.Override
	pool   *zones.Pool // that it is pinned to
	before *zones.Pool // that it was pinned to before a planned move; nil: to none
}

// decideApart decides for the names that are pinned, anew where something has changed since the outcome
// before; nil: everywhere. Everything else is decided already. A pin of a name that the configuration
// does not have, or to a pool that is none of the name's, says nothing.
func (o *Outcome) decideApart(before *Outcome) {
	var was []*Apart
	if before != nil {
		was = before.Apart
	}
	o.Apart, o.Changed.Apart, o.Revisit = nil, nil, o.revisit
	for _, pin := range o.in.Words.Pins() {
		a := &Apart{pin: pin}
		if at, known := findApart(was, pin.Name); known && was[at].pin.Equal(pin) {
			a = was[at]
		} else if a.Name, a.pool = o.pinned(pin); a.pool == nil {
			continue
		} else if pin.Switch != nil && pin.Switch.Before != nil {
			_, a.before = o.pinned(pin.Switch.Before)
		}
		if a.Decisions == nil || o.isOutdated(a, before) {
			o.Changed.Apart = append(o.Changed.Apart, a.Name)
			a = o.decidePinned(a)
		}
		o.Apart = append(o.Apart, a)
		if move := moveOf(pin); move.After(o.in.Now) { // a move that waits for more is another pin then
			o.Revisit = soonest(o.Revisit, move)
		}
	}
	for _, a := range was {
		if _, still := findApart(o.Apart, a.Name.Name); !still {
			o.Changed.Apart = append(o.Changed.Apart, a.Name)
		}
	}
	slices.SortFunc(o.Changed.Apart, func(a, b *zones.Name) int { return cmp.Compare(a.Name, b.Name) })
}

// findApart is the place of a name in a list by name.
func findApart(list []*Apart, name string) (at int, known bool) {
	return slices.BinarySearchFunc(list, name, func(a *Apart, name string) int { return cmp.Compare(a.Name.Name, name) })
}

// ApartOf is what a name of the configuration answers that stands apart; nil: it does not.
func (o *Outcome) ApartOf(name *zones.Name) *Apart {
	if at, apart := findApart(o.Apart, name.Name); apart {
		return o.Apart[at]
	}
	return nil
}

// pinned finds what a pin is about; no pool: the configuration does not have it.
func (o *Outcome) pinned(pin *override.Override) (*zones.Name, *zones.Pool) {
	name := o.set.Name(pin.Name)
	if name == nil {
		return nil, nil
	}
	for pool := range name.Steering.Candidates() {
		if pool.Name == pin.Pool {
			return name, pool
		}
	}
	return nil, nil
}

// moveOf is when a planned move is made; zero: the pin is none.
func moveOf(pin *override.Override) time.Time {
	if pin.Switch == nil {
		return time.Time{}
	}
	return pin.Switch.Move
}

// isToCome reports whether a pin is a planned move that is not made yet.
func isToCome(pin *override.Override, now time.Time) bool {
	return pin.Switch != nil && pin.Switch.ToCome(now)
}

// isOutdated reports whether something that a name answers depends on is not as in the outcome before:
// the pools that it may be pinned to are those of its routes, each of which is decided again when one of
// them changes.
func (o *Outcome) isOutdated(a *Apart, before *Outcome) bool {
	routes := a.Name.Steering.Routes
	at, _ := slices.BinarySearch(o.Changed.Decisions, routes[0].Index)
	if at < len(o.Changed.Decisions) && o.Changed.Decisions[at] < routes[0].Index+len(routes) {
		return true
	}
	move := moveOf(a.pin)
	return before.in.Now.Before(move) != o.in.Now.Before(move)
}

// decidePinned makes the decisions of a name.
func (o *Outcome) decidePinned(a *Apart) *Apart {
	next := *a
	next.Decisions = make([]*Decision, len(a.Name.Steering.Routes))
	for i, r := range a.Name.Steering.Routes {
		others := o.Decisions[r.Index]
		if a.before != nil && isToCome(a.pin, o.in.Now) {
			others = decidePinned(others, o.Pools, o.Pools[a.before.Index], a.pin.Switch.Before, o.in.Now)
		}
		next.Decisions[i] = decidePinned(others, o.Pools, o.Pools[a.pool.Index], a.pin, o.in.Now)
	}
	return &next
}

// decidePinned is what the clients of a route get of a name that is pinned to a pool. Other names that
// are steered alike get what others says.
//
//	the pin is           │ the pool                   │ then
//	─────────────────────┼────────────────────────────┼───────────────────────────────────
//	a move that is to    │ any                        │ as the others or, if it takes the
//	come, or waits for   │                            │ place of a pin, as that says;
//	what was written     │                            │ with ttl_min; revisited then
//	any                  │ has no address, since its  │ mode pending
//	                     │ alias is awaited           │
//	any                  │ has no address             │ as the others
//	to hold anyway       │ any                        │ the pool, mode pinned
//	any other            │ is awaited                 │ mode pending
//	any other            │ is down                    │ as the others
//	any other            │ is up or unknown           │ the pool, mode pinned
//
// A drain of the pool does not count, since a pin is stronger. Of its members the usable ones are
// answered or, if it is spent, those that bear it, though they are drained. The TTL of mode pinned is the name's, and ttl_min while a target of the pool is turning. For
// a route without tiers there is no pin: its clients get nothing, whatever the pool.
func decidePinned(others *Decision, pools []*PoolState, state *PoolState, pin *override.Override, now time.Time) *Decision {
	d := *others
	d.Pin, d.Reasons = pin, slices.Clone(others.Reasons)
	if len(d.Route.Tiers) == 0 {
		return &d
	}
	switch move := moveOf(pin); {
	case move.After(now):
		d.TTL, d.Revisit = d.Route.Steering.TTLMin, soonest(d.Revisit, move)
		d.ignorePin(state, "it moves at "+clock(move))
	case isToCome(pin, now):
		d.TTL = d.Route.Steering.TTLMin
		d.ignorePin(state, "it moves when what was written in "+strings.Join(pin.Switch.Fence.From, ", ")+" has arrived in "+pin.Switch.Fence.To)
	case state.isEmpty() && !state.Awaited:
		d.ignorePin(state, "the pool has no address")
	case state.Awaited && (state.isEmpty() || !pin.Anyway):
		d.followPin(state, pools)
		d.Mode, d.Shares = Pending, nil
		d.reasonOf(state).Chosen = false
	case state.Status == health.Down && !pin.Anyway:
		d.ignorePin(state, "the pool is down")
	default:
		d.followPin(state, pools)
	}
	return &d
}

// followPin answers the pool that the name is pinned to.
func (d *Decision) followPin(state *PoolState, pools []*PoolState) {
	d.Mode, d.TTL, d.Revisit, d.Held = Pinned, d.Route.Steering.TTL, time.Time{}, nil
	addresses := state.usable
	if state.spent {
		addresses, _ = state.best(true)
	}
	d.Shares = []Share{{Pool: state.Pool, Weight: 1, Addresses: addresses}}
	if state.Turning {
		d.TTL = d.Route.Steering.TTLMin
	}
	if h := state.Held; h.Rule != "" {
		d.Held = []Hold{{h.Rule, state.Pool.Name, h.Since, h.Until}}
	}
	d.Reasons = d.Reasons[:0]
	for t := range d.Route.Tiers {
		for i := range d.Route.Tiers[t].Shares {
			other := pools[d.Route.Tiers[t].Shares[i].Pool.Index]
			d.Reasons = append(d.Reasons, Considered{Tier: t, Pool: other.Pool.Name, Status: other.Status, Rule: Pin, Why: other.unneeded})
		}
	}
	reason := d.reasonOf(state)
	reason.Chosen, reason.Rule, reason.Why = true, Pin, d.Pin.String()+"; "+state.Why
}

// ignorePin says why the pool is not answered although the name is pinned to it.
func (d *Decision) ignorePin(state *PoolState, why string) {
	reason := d.reasonOf(state)
	reason.Why = d.Pin.String() + "; not followed, since " + why + "; " + reason.Why
}

// reasonOf is the reason of a pool. One that the route does not have gets one.
func (d *Decision) reasonOf(state *PoolState) *Considered {
	at := slices.IndexFunc(d.Reasons, func(c Considered) bool { return c.Pool == state.Pool.Name })
	if at < 0 {
		at = len(d.Reasons)
		d.Reasons = append(d.Reasons, Considered{Tier: none, Pool: state.Pool.Name, Status: state.Status, Why: state.Why})
	}
	return &d.Reasons[at]
}
