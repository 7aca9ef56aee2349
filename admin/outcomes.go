package admin

import (
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gslb/admin/api"
	"gslb/geo"
	"gslb/steer"
	"gslb/zones"
)

// choice yields the pools of a tier that are answered while all is well, in their order: those with a
// weight or, if none has one, all; with an ordered policy only the first of them.
func choice(policy zones.Policy, tier *zones.Tier) iter.Seq[*zones.Pool] {
	return func(yield func(*zones.Pool) bool) {
		weighty := slices.ContainsFunc(tier.Shares, func(s zones.Share) bool { return s.Weight > 0 })
		for i := range tier.Shares {
			if tier.Shares[i].Weight == 0 && weighty {
				continue
			}
			if !yield(tier.Shares[i].Pool) || policy.IsOrdered() {
				return
			}
		}
	}
}

// preferred reports whether a decision is the best one: every pool of the choice of the first tier is
// up, and answered.
func preferred(d *steer.Decision) bool {
	if d.Mode != steer.Normal || d.Tier() != 0 {
		return false
	}
	n := 0
	for pool := range choice(d.Route.Steering.Policy, &d.Route.Tiers[0]) {
		if n == len(d.Shares) || d.Shares[n].Pool != pool {
			return false
		}
		n++
	}
	return n == len(d.Shares)
}

// preferredPool is the choice of the first tier, with a plus sign between several.
func preferredPool(r *zones.Route) string {
	if len(r.Tiers) == 0 {
		return ""
	}
	var names []string
	for pool := range choice(r.Steering.Policy, &r.Tiers[0]) {
		names = append(names, pool.Name)
	}
	return strings.Join(names, "+")
}

// group is names that are answered alike: those of a steering, or one of them that stands apart since a
// person said something of it.
type group struct {
	decisions []*steer.Decision // of each route of the steering, in their order
	names     int               // how many these are
	standing  standing
}

func (g *group) steering() *zones.Steering { return g.decisions[0].Route.Steering }

// standing is how the clients of a group are off, all together.
type standing struct {
	mode      steer.Mode // of those that are worst off
	preferred bool       // whether the answer of each route is
	stale     bool       // whether a pool that is answered rests on a stale verdict
	waiting   bool       // whether a pool that has recovered waits for a person
	slowed    bool       // whether a pool is answered that is down, since others have gone down already
}

// group finds the groups of a table.
func (m *moment) group() {
	m.groups = transform(m.table.Set().Steerings, func(s *zones.Steering) *group {
		g := &group{decisions: m.table.Decisions()[s.Routes[0].Index:][:len(s.Routes)], names: len(m.table.Names(s.Index))}
		g.standing = m.standing(g.decisions)
		return g
	})
	m.apart = make(map[*zones.Name]*group, len(m.table.Apart()))
	for _, a := range m.table.Apart() {
		m.apart[a.Name] = &group{decisions: a.Decisions, names: 1, standing: m.standing(a.Decisions)}
		m.groups[a.Name.Steering.Index].names--
	}
}

// groupOf is the names that are answered as one is.
func (m *moment) groupOf(n *zones.Name) *group {
	if g := m.apart[n]; g != nil {
		return g
	}
	return m.groups[n.Steering.Index]
}

// standing looks at all routes but the one of clients that no view has: they get nothing because the
// configuration says so.
func (m *moment) standing(decisions []*steer.Decision) standing {
	all := standing{mode: steer.Normal, preferred: true}
	if len(decisions) == 1 && len(decisions[0].Route.Tiers) == 0 {
		return standing{mode: steer.NoData}
	}
	for _, d := range decisions {
		if len(d.Route.Tiers) == 0 {
			continue
		}
		for i := range d.Held {
			all.waiting = all.waiting || d.Held[i].Rule == steer.FailbackManual
			all.slowed = all.slowed || d.Held[i].Rule == steer.Velocity
		}
		if d.Mode.Severity() > all.mode.Severity() {
			all.mode = d.Mode
		}
		all.preferred = all.preferred && preferred(d)
		all.stale = all.stale || m.isStaleAnswer(d)
	}
	return all
}

// isStaleAnswer reports whether a pool that is answered rests on a stale verdict.
func (m *moment) isStaleAnswer(d *steer.Decision) bool {
	return len(m.stalePools) > 0 && slices.ContainsFunc(d.Shares, func(s steer.Share) bool { return m.stalePools[s.Pool] })
}

// outcome is what the clients of some routes of a steering are answered alike, and why.
type outcome struct {
	decision *steer.Decision // of one of the routes
	clients  []string        // of each route the narrowest view, each once, the widest first
}

// outcomes is those of all routes of a group, the worst first, and of equals that of the widest
// view. There is at least one.
func (m *moment) outcomes(g *group) []outcome {
	if len(g.decisions) == 1 {
		return []outcome{outcomeOf(g.decisions[0])}
	}
	return m.folded.of(g, m).outcomes
}

func outcomeOf(d *steer.Decision) outcome {
	o := outcome{decision: d}
	if len(d.Route.Views) > 0 {
		o.clients = d.Route.Views[:1]
	}
	return o
}

// fold finds out which routes are answered alike: there may be thousands.
func fold(g *group) []outcome {
	var list []outcome
	places := make(map[string]int)
	seen := make(map[string]bool) // views, by the place of an outcome
	var key []byte
	pools := g.steering().Pools
	for _, d := range g.decisions {
		one := outcomeOf(d)
		key = appendOutcome(key[:0], one.decision)
		at, known := places[string(key)]
		if !known {
			at = len(list)
			places[string(key)] = at
			list = append(list, outcome{decision: one.decision})
		}
		for _, view := range one.clients {
			place := string(binary.AppendUvarint(nil, uint64(at))) + view
			if !seen[place] {
				seen[place] = true
				list[at].clients = append(list[at].clients, view)
			}
		}
	}
	for i := range list {
		slices.SortFunc(list[i].clients, widestFirst)
	}
	slices.SortStableFunc(list, func(a, b outcome) int {
		return cmp.Or(
			cmp.Compare(rank(b.decision), rank(a.decision)),
			slices.CompareFunc(a.clients[:min(1, len(a.clients))], b.clients[:min(1, len(b.clients))], widestFirst),
			cmp.Compare(slices.Index(pools, a.decision.Pool()), slices.Index(pools, b.decision.Pool())),
		)
	})
	return list
}

// rank orders decisions, the best first, and before them that of clients that no view has.
func rank(d *steer.Decision) int {
	switch {
	case len(d.Route.Tiers) == 0:
		return 0
	case preferred(d):
		return 1
	}
	return 2 + d.Mode.Severity()
}

// appendOutcome appends what tells the outcome of a decision from others: what is answered, from
// where, and the pools that a person is shown beside it.
func appendOutcome(b []byte, d *steer.Decision) []byte {
	number := func(n int64) { b = binary.AppendVarint(b, n) }
	text := func(s string) { number(int64(len(s))); b = append(b, s...) }
	tier := d.Tier()
	text(string(d.Mode))
	text(widerView(d.Route, tier))
	number(int64(tier))
	number(int64(d.TTL))
	number(int64(rank(d)))
	if !d.Revisit.IsZero() {
		number(d.Revisit.UnixNano())
	}
	for i := range d.Shares {
		share := &d.Shares[i]
		number(int64(share.Pool.Index))
		number(int64(share.Weight))
		number(int64(len(share.Addresses)))
		if d.Mode == steer.LastGood { // in other modes they follow from the pool
			for _, addr := range share.Addresses {
				b = append(b, addr.AsSlice()...)
			}
		}
	}
	if !d.Mode.IsEmergency() { // otherwise all pools were passed over
		b = appendPools(b, d)
	}
	return b
}

// appendPools appends the pools that were passed over before those that are answered, these, and those
// of the tiers behind that come from the same view. With policy nearest they have no order.
func appendPools(b []byte, d *steer.Decision) []byte {
	var pools []string
	tier, policy, taken := d.Tier(), d.Route.Steering.Policy, false
	for i := range d.Reasons {
		r := &d.Reasons[i]
		switch {
		case r.Tier > tier && tierView(d.Route, r.Tier) != tierView(d.Route, max(tier, 0)):
		case r.Tier == tier && taken && policy.IsOrdered():
		default:
			pools = append(pools, strconv.Itoa(r.Tier)+" "+r.Pool)
		}
		taken = taken || r.Chosen
	}
	if policy == zones.Nearest {
		slices.Sort(pools)
	}
	for _, pool := range pools {
		b = append(append(b, pool...), 0)
	}
	return b
}

// tierView is the view that a tier comes from; empty if there is no such tier, or no view.
func tierView(r *zones.Route, tier int) string {
	if tier < 0 || tier >= len(r.Tiers) {
		return ""
	}
	return r.Tiers[tier].View
}

// widerView is the same, but empty if it is the narrowest of the clients' views.
func widerView(r *zones.Route, tier int) string {
	if view := tierView(r, tier); view != viewOf(r) {
		return view
	}
	return ""
}

// viewOf is the narrowest view of a route's clients; empty if there is none.
func viewOf(r *zones.Route) string {
	if len(r.Views) == 0 {
		return ""
	}
	return r.Views[0]
}

// widestFirst orders views: default, then by kind from continents to networks.
func widestFirst(a, b string) int {
	v, _ := geo.ParseView(a)
	w, _ := geo.ParseView(b)
	return cmp.Or(cmp.Compare(w.Kind(), v.Kind()), v.Compare(w), cmp.Compare(a, b))
}

// folded keeps what was made of a moment's groups that have several routes: many names may show it,
// and several requests.
type folded struct {
	mu   sync.Mutex
	kept map[*group]*foldedGroup
}

// foldedGroup is what is shown of a group with several routes.
type foldedGroup struct {
	outcomes []outcome
	lines    []line
	reasons  []api.Reason
}

// foldsKept is of how many groups it is kept.
const foldsKept = 1000

func (f *folded) of(g *group, m *moment) *foldedGroup {
	f.mu.Lock()
	defer f.mu.Unlock()
	if made := f.kept[g]; made != nil {
		return made
	}
	made := &foldedGroup{outcomes: fold(g)}
	made.lines, made.reasons = m.lines(g.steering(), made.outcomes), m.reasonsOf(g.steering(), made.outcomes)
	if f.kept == nil {
		f.kept = make(map[*group]*foldedGroup)
	}
	if len(f.kept) < foldsKept {
		f.kept[g] = made
	}
	return made
}
