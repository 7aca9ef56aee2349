package publish

import (
	"cmp"
	"slices"
	"strings"

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
// compared. Nor is the TTL: it changes whenever a target is between up and down.
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
	case len(a.Shares) > 1:
		was, is := a.Parts(), b.Parts()
		for i := range b.Shares {
			if was[shareOf(a, b, i)] != is[i] {
				return OtherWeights
			}
		}
	}
	return ""
}

// shareOf is the place in a.Shares of the pool at a place of b.Shares; negative if there is none.
func shareOf(a, b *steer.Decision, at int) int {
	name := b.Shares[at].Pool.Name
	if at < len(a.Shares) && a.Shares[at].Pool.Name == name {
		return at // nearly always
	}
	return slices.IndexFunc(a.Shares, func(s steer.Share) bool { return s.Pool.Name == name })
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
//	is not up, and not answered any longer              │ always
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
			before.Chosen && !r.Chosen && r.Status != health.Up,
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

// answerChanges lists the answers that are not those of the old table.
func answerChanges(old, table *answer.Table, changed []int) []Event {
	before := previous(old, table)
	list := make([]Event, 0, len(changed))
	var told alike
	for _, i := range changed {
		from, to := before(i), table.Decisions()[i]
		if from.Route != nil && difference(from, to) == "" {
			continue
		}
		if same := told.find(from, to); same != nil {
			same.Routes = append(same.Routes, to.Route)
			continue
		}
		change := &AnswerChange{From: *from, To: *to, Routes: []*zones.Route{to.Route}, Names: table.Names(to.Route.Steering.Index)}
		told.add(change)
		list = append(list, Event{At: table.Published(), Answer: change})
	}
	return list
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

// previous returns a function that finds the decision of a route in the old table, by the route's
// place in the new one. In another configuration its names may have had different steerings; that of
// the first name that there was is taken, and of its routes the one that clients of the new one took.
func previous(old, table *answer.Table) func(int) *steer.Decision {
	switch {
	case old == nil:
		return func(int) *steer.Decision { return new(steer.Decision) }
	case old.Set() == table.Set():
		return func(i int) *steer.Decision { return old.Decisions()[i] }
	}
	was := make(map[string]*zones.Steering)
	for _, s := range old.Set().Steerings {
		for _, n := range old.Names(s.Index) {
			was[n.Name] = s
		}
	}
	known := make(map[[2]*zones.Steering]*routesBefore)
	return func(i int) *steer.Decision {
		route := table.Set().Routes[i]
		for _, n := range table.Names(route.Steering.Index) {
			s := was[n.Name]
			if s == nil {
				continue
			}
			if len(s.Routes) == 1 {
				return old.Decisions()[s.Routes[0].Index]
			}
			pair := [2]*zones.Steering{s, route.Steering}
			if known[pair] == nil {
				known[pair] = newRoutesBefore(s, route.Steering)
			}
			if before := known[pair].of(route); before != nil {
				return old.Decisions()[before.Index]
			}
			break
		}
		return new(steer.Decision)
	}
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
