package steer

import (
	"net/netip"
	"slices"
	"time"

	"gslb/health"
	"gslb/zones"
)

// none is the place of no tier.
const none = -1

// walk is a decision in the making. It has no mode until something is taken or awaited.
type walk struct {
	*Decision
	policy *zones.Steering
	pools  []*PoolState
	past   RouteMemory
	now    time.Time
	back   bool // a person says that clients return to the pools that are preferred
	// degradedToo has pools that are degraded taken like others, since nothing else is left.
	degradedToo bool

	allDrained bool // so that nothing is left, and when_all_down decides as if nothing were drained

	last     int  // the tier that has a last pool, or none
	stay     int  // the same, if a last pool there is up or awaited
	untested int  // the tier whose unknown pools are taken if none is up, or none
	sure     bool // untested has a last pool that is unknown

	anyAside  bool        // a pool was left out since it is degraded
	anySpared bool        // a pool that is degraded was not, since a last pool has its copy
	passed    []string    // the pools that were consulted, and are or may be waited for before they are taken
	returning []returning // in the order of the route
	slowed    []slowed
	held      []slowed             // that may be, once failover_after has run out
	gone      map[string]time.Time // RouteMemory.Gone for the next decision
	shedding  Shedding             // RouteMemory.Shed for the next decision
}

// newDecision has room for the shares and reasons of most routes, so that one allocation is enough.
func newDecision(r *zones.Route) *Decision {
	d := new(struct {
		Decision
		shares  [1]Share
		reasons [4]Considered
	})
	d.Route, d.TTL, d.Shares, d.Reasons = r, r.Steering.TTL, d.shares[:0], d.reasons[:0]
	return &d.Decision
}

func (w *walk) state(pool *zones.Pool) *PoolState { return w.pools[pool.Index] }

// reason is that of the pool at a place of a tier.
func (w *walk) reason(t, i int) *Considered {
	for before := range w.Route.Tiers[:t] {
		i += len(w.Route.Tiers[before].Shares)
	}
	return &w.Reasons[i]
}

// introduce lists all pools, as if none were needed.
func (w *walk) introduce() {
	for t := range w.Route.Tiers {
		for i := range w.Route.Tiers[t].Shares {
			state := w.state(w.Route.Tiers[t].Shares[i].Pool)
			w.Reasons = append(w.Reasons, Considered{Tier: t, Pool: state.Pool.Name, Status: state.Status, Why: state.unneeded})
		}
	}
}

// isLast reports whether a pool was answered last while it was up.
func (w *walk) isLast(pool *zones.Pool) bool { return slices.Contains(w.past.Pools, pool.Name) }

// status is what a pool is taken for: it is out if it is drained or spent.
func (w *walk) status(state *PoolState) health.Status {
	if state.drained || state.spent {
		return health.Down
	}
	return state.Status
}

// isUp reports whether a pool is up, or slowed and so taken for one that is.
func (w *walk) isUp(state *PoolState) bool {
	return w.status(state) == health.Up || !w.slowedUntil(state.Pool).IsZero()
}

// see notes what a pool that the decision depends on does to it.
func (w *walk) see(state *PoolState) {
	if state.Turning {
		w.TTL = w.policy.TTLMin
	}
	if h := state.Held; h.Rule != "" {
		w.Held = append(w.Held, Hold{h.Rule, state.Pool.Name, h.Since, h.Until})
	}
}

// hold notes the rule by which a pool is answered or not.
func (w *walk) hold(reason *Considered, rule string, since, until time.Time) {
	reason.Rule = rule
	w.Held = append(w.Held, Hold{rule, reason.Pool, since, until})
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// take adds a pool to what is answered. A decision that is pending stays so, and one with a pool that
// is held is in that mode, whatever the others.
func (w *walk) take(mode Mode, s *zones.Share, reason *Considered, addresses []netip.Addr) {
	if w.Mode == Pending || w.state(s.Pool).isEmpty() {
		return
	}
	if w.Mode != Held {
		w.Mode = mode
	}
	size := w.weightOf(s)
	w.Shares = append(w.Shares, Share{Pool: s.Pool, Weight: int(size), Addresses: addresses, Size: size, Told: w.state(s.Pool).Weight.Known})
	reason.Chosen = true
}

// await leaves the decision open, since it depends on a pool that has no verdict yet.
func (w *walk) await(reason *Considered) {
	w.undo()
	w.Mode = Pending
	reason.Why = "its first verdicts are awaited: " + reason.Why
}

// undo takes back what was taken.
func (w *walk) undo() {
	w.Mode, w.Shares = "", w.Shares[:0]
	for i := range w.Reasons {
		w.Reasons[i].Chosen = false
	}
}
