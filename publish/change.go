package publish

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"gslb/answer"
	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// AnswerChange is a change of what names answer. The routes of one steering whose answers changed in
// the same way are told of together: a name may have thousands of them.
type AnswerChange struct {
	From   steer.Decision // the zero value if there was no answer before
	To     steer.Decision
	Routes []*zones.Route // whose answers changed so; From and To are of the first
	Names  []*zones.Name  // that are steered so
	// Failed is when the first probe failed of those that turned down what was answered before; zero: the
	// answer did not change for that.
	Failed time.Time
}

// Difference is what is new in an answer. The first that applies counts, in the order below.
type Difference string

const (
	FirstAnswer    Difference = "first" // there was none before
	OtherPool      Difference = "pool"  // another pool, or one more or less that share clients
	OtherMode      Difference = "mode"
	OtherAddresses Difference = "addresses" // or another CNAME
	OtherWeights   Difference = "weights"   // the pools share clients in other parts
)

// Difference is what is new in the answer.
func (c *AnswerChange) Difference() Difference {
	if c.From.Route == nil {
		return FirstAnswer
	}
	return difference(&c.From, &c.To)
}

// difference compares two decisions. It is empty if they answer the same pools with the same
// addresses, in the same parts and the same mode. The order of pools that share clients is not
// compared. Nor is the TTL: it changes whenever a target is between up and down. Nor are the parts while
// that of a pool that returns is growing: they change every few seconds. Where pools say their loads or weights, parts
// that change by little are not compared either.
func difference(a, b *steer.Decision) Difference {
	if len(a.Shares) != len(b.Shares) {
		return OtherPool
	}
	sameAddresses := true
	for i := range b.Shares {
		at := shareOf(a, b, i)
		if at < 0 {
			return OtherPool
		}
		x, y := &a.Shares[at], &b.Shares[i]
		sameAddresses = sameAddresses && x.Pool.CNAME == y.Pool.CNAME && slices.Equal(x.Addresses, y.Addresses)
	}
	switch {
	case a.Mode != b.Mode:
		return OtherMode
	case !sameAddresses:
		return OtherAddresses
	case a.IsGrowing() && b.IsGrowing():
	case len(a.Shares) > 1:
		was, is := a.Parts(), b.Parts()
		least := 0.0
		if a.FollowsLoads() && b.FollowsLoads() {
			least = leastTold
		}
		for i := range b.Shares {
			if math.Abs(was[shareOf(a, b, i)]-is[i]) > least {
				return OtherWeights
			}
		}
	}
	return ""
}

// leastTold is the change of a part that is told where parts follow what pools say of themselves.
const leastTold = 0.1

// shareOf is the place in a.Shares of the pool at a place of b.Shares; negative if there is none.
func shareOf(a, b *steer.Decision, at int) int {
	name := b.Shares[at].Pool.Name
	if at < len(a.Shares) && a.Shares[at].Pool.Name == name {
		return at // nearly always
	}
	return slices.IndexFunc(a.Shares, func(s steer.Share) bool { return s.Pool.Name == name })
}

// firstFailed is when the first probe failed of those that turned down a pool that is not answered any
// longer. Of the targets of the pool that are down it is the one that turned down last that did so.
func (c *AnswerChange) firstFailed(table *answer.Table, snapshot *health.Snapshot) time.Time {
	var first time.Time
	for i := range c.From.Shares {
		name := c.From.Shares[i].Pool.Name
		pool := table.Set().Pool(name)
		if pool == nil || shareOf(&c.To, &c.From, i) >= 0 || table.Pools()[pool.Index].Status != health.Down {
			continue
		}
		state := table.Pools()[pool.Index]
		var last health.State
		look := func(ids []health.TargetID) {
			for _, id := range ids {
				if s := snapshot.State(id); s.Status == health.Down && s.Since.After(last.Since) {
					last = s
				}
			}
		}
		look(pool.Targets)
		for _, member := range state.Members {
			look(member.Targets)
		}
		if at := last.Heard().First; !at.IsZero() {
			first = earliest(first, at)
		}
	}
	return first
}

// Cached is how long caches may go on to give the answer of before, at most. The TTL may have been lowered a
// moment ago, so that it is the usual one that counts.
func (c *AnswerChange) Cached() time.Duration {
	switch {
	case c.From.Route == nil, c.From.Mode == steer.Pending, c.From.Mode == steer.ServFail:
		return 0 // caches keep no failure for longer than they must (RFC 2308, section 7.1)
	case len(c.From.Shares) > 0:
		return max(c.From.Route.Steering.TTL, c.From.TTL)
	}
	longest := time.Duration(0)
	for _, name := range c.Names {
		longest = max(longest, name.Zone.NegativeTTL)
	}
	return longest
}

// Views is the views that tell the clients apart for whom the answer changed: of those of each route
// the narrowest, each once. It is empty where the names have no views.
func (c *AnswerChange) Views() []string {
	var views []string
	seen := make(map[string]bool)
	for _, r := range c.Routes {
		if len(r.Views) > 0 && !seen[r.Views[0]] {
			seen[r.Views[0]] = true
			views = append(views, r.Views[0])
		}
	}
	return views
}

// Why is the pools that To considered, those that explain the change first; so many are causes:
//
//	the pool                                            │ is a cause
//	────────────────────────────────────────────────────┼────────────────────────────────────
//	any                                                 │ if no pool that is up is answered
//	has another status, or other addresses are answered │ always
//	is not up or drained, and not answered any longer   │ always
//	is not answered, in a tier that is or one before it │ of a first answer
//	is answered, and was not                            │ if there is none of those above
//
// There is none if only the configuration changed.
func (c *AnswerChange) Why() (pools []steer.Considered, causes int) {
	was := make(map[string]steer.Considered, len(c.From.Reasons))
	for _, r := range c.From.Reasons {
		was[r.Pool] = r
	}
	tier := c.To.Tier()
	rank := func(r steer.Considered) int {
		before, known := was[r.Pool]
		switch {
		case known && (before.Status != r.Status || r.Chosen && before.Chosen && c.hasOtherAddresses(r.Pool)),
			before.Chosen && !r.Chosen && (r.Status != health.Up || r.Rule == steer.Drain),
			c.From.Route == nil && !r.Chosen && (tier < 0 || r.Tier <= tier):
			return 0
		case r.Chosen && !before.Chosen:
			return 1
		}
		return 2
	}
	pools = slices.Clone(c.To.Reasons)
	slices.SortStableFunc(pools, func(a, b steer.Considered) int { return cmp.Compare(rank(a), rank(b)) })
	switch {
	case len(pools) == 0:
		return nil, 0
	case c.To.Mode.IsEmergency():
		return pools, len(pools)
	}
	first := rank(pools[0])
	for first < 2 && causes < len(pools) && rank(pools[causes]) == first {
		causes++
	}
	return pools, causes
}

// hasOtherAddresses reports whether a pool is answered with other addresses than before.
func (c *AnswerChange) hasOtherAddresses(pool string) bool {
	at := slices.IndexFunc(c.To.Shares, func(s steer.Share) bool { return s.Pool.Name == pool })
	if at < 0 {
		return false
	}
	before := shareOf(&c.From, &c.To, at)
	return before >= 0 && !slices.Equal(c.From.Shares[before].Addresses, c.To.Shares[at].Addresses)
}

// answerChanges lists the answers that are not those of the old table: of names that are steered alike
// together, and of each name that stands apart, or stood so, by itself.
func answerChanges(old, table *answer.Table, changed steer.Changed) []*AnswerChange {
	before, alone := newBefore(old, table), standingApart(old, table, changed)
	told := collector{list: make([]*AnswerChange, 0, len(changed.Decisions))}
	for _, i := range changed.Decisions {
		to := table.Decisions()[i]
		told.tell(before.shared(i), to, func() []*zones.Name { return without(table.Names(to.Route.Steering.Index), alone) })
	}
	for _, name := range alone {
		told.alike = alike{}
		for _, to := range table.DecisionsOf(name) {
			told.tell(before.of(name, to.Route), to, func() []*zones.Name { return []*zones.Name{name} })
		}
	}
	return told.list
}

// Compare lists what a table answers otherwise than another, of the same configuration or not.
func Compare(old, table *answer.Table) []*AnswerChange {
	changed := everything(table)
	if old.Set() == table.Set() {
		for _, a := range old.Apart() {
			changed.Apart = append(changed.Apart, a.Name)
		}
	}
	return answerChanges(old, table, changed)
}

// standingApart is the names, by name, whose changes are not told of with those of others: they stand
// apart, or stood so in the old table.
func standingApart(old, table *answer.Table, changed steer.Changed) []*zones.Name {
	var names []*zones.Name
	for _, a := range table.Apart() {
		names = append(names, a.Name)
	}
	switch {
	case old == nil:
	case old.Set() == table.Set():
		names = append(names, changed.Apart...)
	default:
		for _, a := range old.Apart() {
			if name := table.Set().Name(a.Name.Name); name != nil {
				names = append(names, name)
			}
		}
	}
	slices.SortFunc(names, byName)
	return slices.Compact(names)
}

func byName(a, b *zones.Name) int { return strings.Compare(a.Name, b.Name) }

// without is names but for those of a list by name.
func without(names, list []*zones.Name) []*zones.Name {
	if len(list) == 0 {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(n *zones.Name) bool {
		_, found := slices.BinarySearchFunc(list, n, byName)
		return found
	})
}

// collector lists what is answered otherwise, the routes of one steering that change alike together.
type collector struct {
	alike
	list []*AnswerChange
}

// tell adds what becomes of a route's answer; names is asked for those that are steered so, if it is told.
func (c *collector) tell(from, to *steer.Decision, names func() []*zones.Name) {
	if from.Route != nil && difference(from, to) == "" {
		return
	}
	if same := c.find(from, to); same != nil {
		same.Routes = append(same.Routes, to.Route)
		return
	}
	change := &AnswerChange{From: *from, To: *to, Routes: []*zones.Route{to.Route}, Names: names()}
	if len(change.Names) > 0 {
		c.add(change)
		c.list = append(c.list, change)
	}
}

// alike is the changes of the routes of one steering.
type alike struct {
	steering *zones.Steering
	changes  map[string][]*AnswerChange // by key
}

// find returns the change that says the same of another route of the steering; nil if there is none.
func (a *alike) find(from, to *steer.Decision) *AnswerChange {
	if a.steering != to.Route.Steering {
		return nil
	}
	for _, c := range a.changes[a.key(from, to)] {
		if difference(&c.From, from) == "" && difference(&c.To, to) == "" {
			return c
		}
	}
	return nil
}

func (a *alike) add(c *AnswerChange) {
	if len(c.To.Route.Steering.Routes) == 1 {
		return
	}
	if a.steering != c.To.Route.Steering {
		*a = alike{c.To.Route.Steering, make(map[string][]*AnswerChange)}
	}
	key := a.key(&c.From, &c.To)
	a.changes[key] = append(a.changes[key], c)
}

// key is the same for changes that are the same. Few others have it too.
func (*alike) key(from, to *steer.Decision) string {
	return strings.Join([]string{string(from.Mode), from.PoolName(), string(to.Mode), to.PoolName()}, "\x00")
}

// before finds the decisions of an old table by the routes of a new one. In another configuration its
// names may have had different steerings; that of the first name that there was is taken, and of its
// routes the one that clients of the new one took.
type before struct {
	old, table *answer.Table
	was        map[string]*zones.Name // of the old configuration; nil: it is the same
	known      map[[2]*zones.Steering]*routesBefore
}

func newBefore(old, table *answer.Table) *before {
	b := &before{old: old, table: table}
	if old == nil || old.Set() == table.Set() {
		return b
	}
	b.was, b.known = make(map[string]*zones.Name), make(map[[2]*zones.Steering]*routesBefore)
	for _, s := range old.Set().Steerings {
		for _, n := range old.Names(s.Index) {
			b.was[n.Name] = n
		}
	}
	return b
}

// shared is what the names had that now share the decision at a place of the table; the zero Decision if
// there was none.
func (b *before) shared(i int) *steer.Decision {
	switch {
	case b.old == nil:
		return new(steer.Decision)
	case b.was == nil:
		return b.old.Decisions()[i]
	}
	route := b.table.Set().Routes[i]
	for _, n := range b.table.Names(route.Steering.Index) {
		if b.was[n.Name] != nil && !b.old.IsApart(b.was[n.Name]) {
			return b.of(n, route)
		}
	}
	return new(steer.Decision)
}

// of is what a name had for the clients of a route of its steering.
func (b *before) of(name *zones.Name, route *zones.Route) *steer.Decision {
	if b.old == nil {
		return new(steer.Decision)
	}
	was := name
	if b.was != nil {
		was = b.was[name.Name]
	}
	if was == nil {
		return new(steer.Decision)
	}
	decisions, first := b.old.DecisionsOf(was), was.Steering.Routes[0].Index
	switch {
	case was == name:
		return decisions[route.Index-first]
	case len(decisions) == 1:
		return decisions[0]
	}
	pair := [2]*zones.Steering{was.Steering, route.Steering}
	if b.known[pair] == nil {
		b.known[pair] = newRoutesBefore(was.Steering, route.Steering)
	}
	if same := b.known[pair].of(route); same != nil {
		return decisions[same.Index-first]
	}
	return new(steer.Decision)
}

// routesBefore is the routes that a name had, by their views alone, and by their views and the order
// of those pools that the name still has.
type routesBefore struct {
	shared         map[string]bool // the pools that the name had and has
	views, ordered map[string]*zones.Route
}

func newRoutesBefore(before, after *zones.Steering) *routesBefore {
	b := &routesBefore{make(map[string]bool), make(map[string]*zones.Route), make(map[string]*zones.Route)}
	for _, pool := range after.Pools {
		b.shared[pool.Name] = slices.ContainsFunc(before.Pools, func(p *zones.Pool) bool { return p.Name == pool.Name })
	}
	for _, r := range before.Routes {
		views := strings.Join(r.Views, " ")
		b.ordered[views+"\x00"+b.order(r)] = r
		if b.views[views] == nil {
			b.views[views] = r
		}
	}
	return b
}

// order is Route.Order of the shared pools.
func (b *routesBefore) order(r *zones.Route) string {
	var order []string
	for name := range strings.FieldsFuncSeq(r.Order, func(c rune) bool { return c == ',' || c == '|' }) {
		if b.shared[name] {
			order = append(order, name)
		}
	}
	return strings.Join(order, " ")
}

// of is the route that clients of a new one took before; nil if they had no answer.
//
//	there was                                        │ then they took
//	─────────────────────────────────────────────────┼─────────────────────
//	a route for their views, and the order of pools  │ that one
//	a route for their views                          │ that one
//	none for the narrowest of them                   │ what the others say
//	none for any of them                             │ that of view default
func (b *routesBefore) of(r *zones.Route) *zones.Route {
	order := b.order(r)
	for views := r.Views; ; views = views[1:] {
		key := strings.Join(views, " ")
		if same := cmp.Or(b.ordered[key+"\x00"+order], b.views[key]); same != nil {
			return same
		}
		if len(views) == 0 {
			return b.views["default"]
		}
	}
}
