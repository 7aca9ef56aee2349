package gdnsd

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// pool is a pool of zones.toml.
type pool struct {
	place
	from    string // what of gdnsd's it is made of: "multifo!www"
	name    string
	members []netip.Addr
	cname   string // fully qualified; instead of members
	checks  []*check
	vars    []variable
	minUp   quorum // how many members must be up
	minUp4  quorum // of one family
	minUp6  quorum
	weight  int
	// weighted says that a name shares its clients among this pool and others by weight.
	weighted bool
	location *location
	remarks
	copy *pool // without checks, for when everything is down; nil: not needed
}

// remarks are comments about something, of two kinds.
type remarks struct {
	losses  []string // what is not carried over, or done otherwise
	reasons []string // why it is written as it is, and does the same
}

func (r *remarks) lose(format string, args ...any) { addOnce(&r.losses, fmt.Sprintf(format, args...)) }
func (r *remarks) reason(format string, args ...any) {
	addOnce(&r.reasons, fmt.Sprintf(format, args...))
}

// and returns the remarks and others.
func (r remarks) and(more remarks) remarks {
	r.losses, r.reasons = slices.Clone(r.losses), slices.Clone(r.reasons)
	for _, text := range more.losses {
		addOnce(&r.losses, text)
	}
	for _, text := range more.reasons {
		addOnce(&r.reasons, text)
	}
	return r
}

// of returns the remarks with the datacenter that they are about, the innermost one only: where
// resources stand within each other, there would be a remark for each way through them.
func (r remarks) of(datacenter string) remarks {
	named := func(text string) string {
		if strings.HasPrefix(text, "datacenter ") {
			return text
		}
		return fmt.Sprintf("datacenter %s: %s", datacenter, text)
	}
	var all remarks
	for _, text := range r.losses {
		addOnce(&all.losses, named(text))
	}
	for _, text := range r.reasons {
		addOnce(&all.reasons, named(text))
	}
	return all
}

func addOnce(list *[]string, text string) {
	if !slices.Contains(*list, text) {
		*list = append(*list, text)
	}
}

// monitor gives a pool the checks of what it is made of.
func (p *pool) monitor(m monitoring) {
	for _, c := range m.checks {
		if !slices.Contains(p.checks, c) {
			p.checks = append(p.checks, c)
		}
	}
	if m.unknown != "" {
		p.lose("service type %s is not carried over, and counts as up", m.unknown)
	}
}

// variable is a placeholder of checks that the pool fills in.
type variable struct{ name, value string }

// quorum is a number of members: a count or, if that is 0, a share in percent; the zero value: the
// default, which is one.
type quorum struct{ count, percent int }

// quorumOf is how zones.toml says that of n members so many must be up, which is the share rounded up. A
// share says it better when a member is added, as long as it comes out the same.
func quorumOf(share float64, need, n int) quorum {
	percent := int(share*100 + 0.5)
	switch {
	case n == 1, need < 1:
		return quorum{}
	case 1 <= percent && percent <= 100 && (percent*n+99)/100 == need && diff(share*100, float64(percent)) < 1e-9:
		return quorum{percent: percent}
	case need == 1:
		return quorum{}
	}
	return quorum{count: need}
}

func diff(a, b float64) float64 { return max(a-b, b-a) }

// location is where a datacenter is, in degrees.
type location struct{ latitude, longitude float64 }

// sharing says how the pools of a tier share clients.
type sharing uint8

const (
	alone      sharing = iota // there is one
	byWeight                  // one of them, at random by weight
	together                  // the addresses of all
	byDistance                // the nearest to the client
)

// tier is pools that share clients.
type tier struct {
	pools []*pool
	how   sharing
}

func only(p *pool) tier { return tier{pools: []*pool{p}} }

// route is the tiers of a class of clients: the next is used when nothing of the one before is left.
type route struct {
	view  string // empty: that of all clients that have no other
	tiers []tier
	// last is what is answered when everything is down: the first datacenter, which is none of the
	// tiers if it is always down.
	last tier
	// ended says that there is a datacenter without an answer, which never is down: what comes after it
	// is never used.
	ended bool
}

// plan is how zones.toml says what a resource of gdnsd answers.
type plan struct {
	routes     []route        // the first is for clients that have no other
	byView     map[string]int // places in routes, where there are several
	geo        *geoMap        // that the views come from; nil: there are none
	maxAnswers int            // 0: no limit
	panicBelow int            // percent
	down       string         // a service type that is always down, so that the resource is; empty: it is not
	stable     uint32         // seconds that pass at least before the answer changes; 0: it never does
	remarks
}

// planOf is a plan for all clients alike.
func planOf(tiers ...tier) *plan { return &plan{routes: []route{{tiers: tiers, last: tiers[0]}}} }

// in returns the route of a view, or that of clients that have no other.
func (p *plan) in(view string) route {
	if i, known := p.byView[view]; known {
		return p.routes[i]
	}
	return p.routes[0]
}

// changes notes after how many seconds at least the answer may change.
func (p *plan) changes(stable uint32) {
	if stable > 0 && (p.stable == 0 || stable < p.stable) {
		p.stable = stable
	}
}

// uses reports whether any tier shares its clients in a certain way.
func (p *plan) uses(how sharing) bool {
	return slices.ContainsFunc(p.routes, func(r route) bool {
		return slices.ContainsFunc(r.tiers, func(t tier) bool { return t.how == how && len(t.pools) > 1 })
	})
}

// usage is where a resource is used.
type usage struct {
	// nested says that it stands for a datacenter of another resource, which asks whether it is down.
	nested bool
	// flat says that the name cannot share by weight, since it shares by distance.
	flat     bool
	location *location
	within   []string // resources that it is part of
}
