package gdnsd

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"gslb/internal/wire"
)

// name is a steered name of zones.toml.
type name struct {
	place
	from       string
	key        string // relative to the zone
	policy     string // empty: failover
	routes     []route
	fence      []string
	ttl, min   uint32
	maxAnswers int
	panicBelow int
	fallback   *pool
	remarks
}

// steer turns a DYNA or DYNC record into a steered name.
func (im *importer) steer(z *zone, d *dynamic) {
	key := strings.ToLower(z.relative(d.owner))
	complain := func(err error) {
		z.remark(im.note(d.place, "%s is not carried over: %v", present(d.owner), err))
	}
	switch {
	case !hostName.MatchString(key):
		complain(errors.New("gslb steers names of letters, digits, hyphens and underscores, and * as the first label"))
		return
	case z.steered[key]:
		complain(errors.New("the name has a DYNA or DYNC record already"))
		return
	}
	z.steered[key] = true
	p, err := im.resource(d.plugin, d.resource, usage{})
	if err == nil && p.uses(byDistance) && p.uses(byWeight) {
		p, err = im.resource(d.plugin, d.resource, usage{flat: true})
	}
	if err != nil {
		complain(err)
		return
	}
	n := &name{
		place: d.place, key: key, from: fmt.Sprintf("%d/%d %s", d.ttl, d.min, d), routes: p.routes, ttl: d.ttl, min: d.min,
		maxAnswers: p.maxAnswers, panicBelow: p.panicBelow, remarks: p.remarks.and(remarks{}),
	}
	if p.stable > 0 && p.stable < d.ttl {
		n.ttl = max(p.stable, d.min)
		n.reason("ttl: its checks can change the answer after %s, and gdnsd's answers live no longer", span(p.stable))
	}
	if d.kind == "DYNC" && n.key == "@" {
		complain(errors.New("a CNAME cannot stand at the apex of a zone"))
		return
	}
	if !n.dropEmpty() {
		complain(errors.New("it has no datacenter for anybody"))
		return
	}
	im.shares(n, p)
	im.allDown(n)
	for _, r := range n.routes {
		if r.view != "" && n.hasWider(r.view) {
			n.fence = append(n.fence, r.view)
		}
		for _, t := range r.tiers {
			for _, one := range t.pools {
				if n.policy == "nearest" && one.location == nil {
					one.location = &location{}
					one.reason("location: policy nearest wants one, and it does not matter, since the pool is alone in its tier")
				}
				im.use(one)
			}
		}
	}
	if n.fallback != nil {
		im.use(n.fallback)
	}
	if p.geo != nil {
		im.useMap(p.geo)
	}
	for _, text := range n.losses {
		im.note(n.place, "%s: %s", present(d.owner), text)
	}
	im.names[z] = append(im.names[z], n)
}

// dropEmpty drops the views whose clients have no datacenter, and says whether any is left. Without a
// default, clients of no view get no data, as with gdnsd; no view can say that of its own clients.
func (n *name) dropEmpty() bool {
	left := n.routes[:0:0]
	for _, r := range n.routes {
		if len(r.tiers) > 0 {
			left = append(left, r)
		} else if r.view == "" {
			n.reason("there is no default: other clients get no data, as with gdnsd")
		} else {
			n.lose("%s has no datacenter: gdnsd gives its clients no data; here they have what the views around it have", r.view)
		}
	}
	n.routes = left
	return len(left) > 0
}

// hasWider reports whether a wider view may go for the same clients: else there is nothing to fence off.
func (n *name) hasWider(view string) bool {
	width := widthOf(view)
	return slices.ContainsFunc(n.routes, func(r route) bool {
		return widthOf(r.view) > width || width == 0 && widthOf(r.view) == 0 && r.view != view
	})
}

// widthOf orders views by how wide they are. Networks may lie within each other.
func widthOf(view string) int {
	if view == "" {
		return 4
	}
	kind, _, _ := strings.Cut(view, ":")
	return 1 + slices.Index([]string{"subdivision", "country", "continent"}, kind)
}

// hostName is what zones.toml takes as a steered name, in lower case.
var hostName = regexp.MustCompile(strings.ReplaceAll(`^(@|\*|(\*\.)?LABEL(\.LABEL)*)$`, "LABEL", `[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?`))

// shares says by which policy the tiers of a name share clients.
func (im *importer) shares(n *name, p *plan) {
	switch {
	case p.uses(byDistance):
		n.policy = "nearest"
	case p.uses(together):
		n.policy = "all"
	case p.uses(byWeight):
		n.policy = "weighted"
	}
	if n.policy != "all" {
		n.maxAnswers = 0
	}
}

// allDown says what is answered when everything is down. gdnsd has the first datacenter then, as if it
// were up:
//
//	one tier in each route                   │ nothing to say: when_all_down = "assume_up" does it
//	something has no checks                  │ nothing to say
//	the first pool is the same in all routes │ when_all_down = "fallback"
//	otherwise                                │ a last tier: the first one, without checks
func (im *importer) allDown(n *name) {
	first, same, several := (*pool)(nil), true, false
	for _, r := range n.routes {
		if !r.mayFail() {
			continue
		}
		several = several || r.moves()
		if len(r.last.pools) > 1 || first != nil && first != r.last.pools[0] {
			same = false
		}
		first = r.last.pools[0]
	}
	switch {
	case first == nil || !several:
	case same:
		n.fallback = im.unchecked(first)
		if first.hasBoth() && len(first.members) > 2 && len(first.checks) > 0 {
			n.lose("when everything is down, gdnsd answers with the addresses that are up of a family that has enough of them; here with all of both")
		}
	default:
		n.reason("the last tier is the first one without checks: gdnsd returns to it when everything is down")
		routes := slices.Clone(n.routes)
		for i, r := range routes {
			if r.mayFail() && r.moves() {
				last := tier{how: r.last.how}
				for _, p := range r.last.pools {
					last.pools = append(last.pools, im.copied(p))
				}
				routes[i].tiers = append(slices.Clone(r.tiers), last)
			}
		}
		n.routes = routes
	}
}

// moves reports whether clients can be answered with something else than what they have when everything
// is down.
func (r route) moves() bool {
	return len(r.tiers) > 1 || r.last.how == byDistance && len(r.last.pools) > 1 || !slices.Equal(r.last.pools, r.tiers[0].pools)
}

// hasBoth reports whether a pool has addresses of both families.
func (p *pool) hasBoth() bool {
	return slices.ContainsFunc(p.members, netip.Addr.Is4) && slices.ContainsFunc(p.members, netip.Addr.Is6)
}

// mayFail reports whether everything in the route can be down.
func (r route) mayFail() bool {
	for _, t := range r.tiers {
		if slices.ContainsFunc(t.pools, func(p *pool) bool { return len(p.checks) == 0 }) {
			return false
		}
	}
	return len(r.tiers) > 0
}

// unchecked is the pool to fall back on: the first one, with all its members. Some of them may be up
// when it is down, and would be answered alone, if more of them must be up.
func (im *importer) unchecked(p *pool) *pool {
	if p.minUp == (quorum{}) && p.minUp4 == (quorum{}) && p.minUp6 == (quorum{}) || len(p.members) < 2 {
		return p
	}
	return im.copied(p)
}

// copied is a pool without its checks.
func (im *importer) copied(p *pool) *pool {
	if len(p.checks) == 0 {
		return p
	}
	if p.copy == nil {
		p.copy = im.pool(&pool{
			place: p.place, from: p.from + ", without checks", members: p.members, cname: p.cname,
			weight: p.weight, weighted: p.weighted, location: p.location,
		}, im.wanted[p]+"-unchecked")
	}
	return p.copy
}

// pool returns a pool that is to be called something, or the same that there is already.
func (im *importer) pool(p *pool, wanted string) *pool {
	key := fmt.Sprint(wanted, p.from, p.members, p.cname, p.checks, p.vars, p.minUp, p.minUp4, p.minUp6, p.weight, p.weighted, p.losses, p.reasons)
	if p.location != nil {
		key += fmt.Sprint(*p.location)
	}
	if known := im.poolsByKey[key]; known != nil {
		return known
	}
	im.poolsByKey[key] = p
	im.wanted[p] = wanted
	return p
}

// use puts a pool into the file. It gets a name of its own.
func (im *importer) use(p *pool) {
	if p.name != "" {
		return
	}
	plugin, _, _ := strings.Cut(p.from, "!")
	wanted := word(im.wanted[p])
	p.name = wanted
	for i := 1; im.poolNames[strings.ToLower(p.name)]; i++ {
		p.name = plugin + "-" + wanted
		if i > 1 {
			p.name = fmt.Sprintf("%s-%d", wanted, i)
		}
	}
	im.poolNames[strings.ToLower(p.name)] = true
	for _, c := range p.checks {
		im.useCheck(c)
	}
	for _, text := range p.losses {
		im.note(p.place, "%s: %s", p.from, text)
	}
	im.pools = append(im.pools, p)
}

func (im *importer) useCheck(c *check) {
	if c.name != "" {
		return
	}
	wanted := c.service
	if c.single != "" {
		wanted += "-" + c.single
	}
	c.name = word(wanted)
	for i := 2; im.checkNames[strings.ToLower(c.name)]; i++ {
		c.name = fmt.Sprintf("%s-%d", word(wanted), i)
	}
	im.checkNames[strings.ToLower(c.name)] = true
	for _, text := range c.losses {
		im.note(c.place, "service type %s: %s", c.service, text)
	}
	im.checks = append(im.checks, c)
}

func (im *importer) useMap(g *geoMap) {
	if slices.Contains(im.mapsInUse, g.name) {
		return
	}
	im.mapsInUse = append(im.mapsInUse, g.name)
	for _, text := range g.losses {
		im.server.lose("%s", im.note(g.place, "map %s: %s", g.name, text))
	}
	if g.database != "" && !slices.Contains(im.server.databases, g.database) {
		im.server.databases = append(im.server.databases, g.database)
	}
}

var notInWord = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// word makes a name that zones.toml takes for pools and checks.
func word(s string) string {
	if s = strings.Trim(notInWord.ReplaceAllString(s, "-"), "-"); s == "" {
		return "unnamed"
	}
	return s
}

// settle drops records that gslb would refuse: those that are there twice, and addresses below a
// delegation that none of its servers has. All records of a set get the TTL of the first.
func (im *importer) settle(z *zone) {
	type set struct {
		owner string
		rtype uint16
	}
	first := make(map[set]uint32)
	seen := make(map[string]bool)
	cuts, servers := make(map[string]bool), make(map[string]bool)
	for _, r := range z.records {
		if r.word == "NS" && !wire.Equal(r.owner, z.apex) {
			cuts[lower(r.owner)] = true
			servers[lower(r.data)] = true
		}
	}
	kept := z.records[:0:0]
	for _, r := range z.records {
		owner := lower(r.owner)
		id := fmt.Sprintf("%s %d %s", owner, r.rtype, r.data)
		if seen[id] {
			z.remark(im.note(r.place, "%s %s stands twice, and is carried over once", present(r.owner), r.word))
			continue
		}
		seen[id] = true
		if r.word != "NS" && !servers[owner] && len(cuts) > 0 && below(owner, cuts) {
			z.remark(im.note(r.place, "%s %s is not carried over: a delegation hides it", present(r.owner), r.word))
			continue
		}
		key := set{owner, r.rtype}
		if ttl, known := first[key]; known && ttl != r.ttl {
			z.remark(im.note(r.place, "%s %s has another TTL than the first of its set, %d, which is taken", present(r.owner), r.word, ttl))
			r.ttl = ttl
		} else {
			first[key] = r.ttl
		}
		kept = append(kept, r)
	}
	z.records = kept
}

// lower is a name in lower case, in wire form.
func lower(name []byte) string {
	out := make([]byte, len(name))
	wire.Lower(out, name)
	return string(out)
}

// below reports whether a name, in wire form, is one of others or lies below one.
func below(name string, others map[string]bool) bool {
	for at := 0; name[at] != 0; at += 1 + int(name[at]) {
		if others[name[at:]] {
			return true
		}
	}
	return false
}
