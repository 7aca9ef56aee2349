package gdnsd

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
)

// The plugins that answer with addresses of their own: multifo and simplefo. gdnsd judges each address
// family for itself.
//
//	multifo                         │ zones.toml
//	────────────────────────────────┼──────────────────────────────────────────────────────────
//	all addresses that are up       │ a pool
//	fewer than up_thresh: all       │ min_up, and when_all_down = "assume_up", the default
//	IPv4 and IPv6, each for itself  │ two pools under policy "all", panic_below = "100%": one
//	                                │ that is down is answered whole beside the other
//	the same, as a datacenter,      │ a pool with min_up_ipv4 and min_up_ipv6
//	which is down if either is      │
//	ignore_health                   │ a pool without checks
//	service type down               │ a pool without checks: below any up_thresh, all are answered
//
//	simplefo                        │ zones.toml
//	────────────────────────────────┼──────────────────────────────────────────────────────────
//	primary, else secondary         │ two pools, one after the other
//	both down: primary              │ when_all_down = "fallback", fallback = the primary
//	IPv4 and IPv6, each for itself  │ the same with min_up_ipv4 = 1 and min_up_ipv6 = 1: both
//	                                │ families move together
//	service type down               │ the primary without checks

// addressSet is the addresses of one family of a multifo resource.
type addressSet struct {
	addrs  []netip.Addr
	thresh float64
	need   int // how many must be up
	monitoring
	ignoreHealth bool
}

const defaultThresh = 0.5

// The keys that multifo hands down to what stands within.
var multifoOptions = []string{"up_thresh", "service_types", "ignore_health"}

// multifo reads a resource of the plugin.
func (im *importer) multifo(name, from string, v *value, ctx usage) (*plan, error) {
	sets, err := im.addressSets(v)
	if err != nil {
		return nil, err
	}
	return im.planAddresses(name, from, v.place, sets, ctx), nil
}

func (im *importer) addressSets(v *value) ([]addressSet, error) {
	var sets []addressSet
	if v.form == table {
		for _, f := range []struct{ key, family string }{{"addrs_v4", "ipv4"}, {"addrs_v6", "ipv6"}} {
			inner := v.get(f.key)
			if inner == nil {
				continue
			}
			set, err := im.addressSet(inherit(labelled(inner), v, multifoOptions), f.family)
			if err != nil {
				return nil, err
			}
			sets = append(sets, set)
		}
		if len(sets) > 0 {
			for i, key := range v.keys {
				if key != "addrs_v4" && key != "addrs_v6" && !slices.Contains(multifoOptions, key) {
					return nil, v.items[i].fault("found %q beside addrs_v4 and addrs_v6", key)
				}
			}
			return sets, nil
		}
	}
	set, err := im.addressSet(labelled(v), "")
	return []addressSet{set}, err
}

// labelled makes a table of a list of addresses, or of a single one. Their labels are numbers.
func labelled(v *value) *value {
	if v.form == table {
		return v
	}
	t := newTable(v.place)
	for i, item := range v.elements() {
		t.set(fmt.Sprint(i+1), item)
	}
	return t
}

// inherit returns a table with those keys of another that it does not have itself.
func inherit(v, from *value, keys []string) *value {
	merged := newTable(v.place)
	for i, key := range v.keys {
		merged.set(key, v.items[i])
	}
	for i, key := range from.keys {
		if slices.Contains(keys, key) {
			merged.set(key, from.items[i])
		}
	}
	return merged
}

// addressSet reads labels and addresses, which must be of one family. An empty family is that of the
// first.
func (im *importer) addressSet(v *value, want string) (s addressSet, err error) {
	s.thresh = defaultThresh
	if t := v.get("up_thresh"); t != nil {
		if s.thresh, err = t.float("up_thresh", 0, 1); err != nil {
			return s, err
		}
	}
	if t := v.get("ignore_health"); t != nil {
		if s.ignoreHealth, err = t.bool("ignore_health"); err != nil {
			return s, err
		}
	}
	if s.monitoring, err = im.monitor(v.get("service_types")); err != nil {
		return s, err
	}
	for i, key := range v.keys {
		if slices.Contains(multifoOptions, key) {
			continue
		}
		addr, err := v.items[i].unicast(key)
		if err != nil {
			return s, err
		}
		if want == "" {
			want = familyOf(addr)
		}
		if familyOf(addr) != want {
			return s, v.items[i].fault("%s is no %s address; those of a resource are of one family, or in addrs_v4 and addrs_v6", addr, want)
		}
		s.addrs = append(s.addrs, addr)
	}
	if len(s.addrs) == 0 {
		return s, v.fault("there are no addresses")
	}
	s.need = int(math.Ceil(s.thresh * float64(len(s.addrs))))
	return s, nil
}

// unicast returns an address that clients can be sent to.
func (v *value) unicast(what string) (netip.Addr, error) {
	addr, err := v.address(what)
	if err == nil && (addr.IsUnspecified() || addr.IsMulticast() || addr.Is4In6() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255})) {
		err = v.fault("%s is no address that gslb answers with", addr)
	}
	return addr, err
}

// planAddresses plans sets of addresses, at most one of each family.
func (im *importer) planAddresses(name, from string, at place, sets []addressSet, ctx usage) *plan {
	if !ctx.nested {
		return im.planAlone(name, from, at, sets, ctx)
	}
	pool := &pool{place: at, from: from, location: ctx.location}
	p := &plan{}
	for i, set := range sets {
		pool.members = append(pool.members, set.addrs...)
		p.changes(set.stable)
		if set.down != "" {
			p.down = set.down
		}
		if set.ignoreHealth && len(set.checks) > 0 && len(set.addrs) > 1 {
			pool.lose("ignore_health: gdnsd answers with addresses that are down as well, as long as the datacenter is not; gslb leaves them out")
		}
		if i > 0 && !set.same(sets[0].monitoring) {
			pool.lose("the families have different service types; all of them are checked for all addresses")
		}
		pool.monitor(set.monitoring)
	}
	if p.down != "" {
		pool.checks = nil
	}
	im.quorums(pool, sets)
	p.routes = planOf(only(im.pool(pool, name))).routes
	return p
}

// quorums says how many members of a pool must be up.
func (im *importer) quorums(p *pool, sets []addressSet) {
	if len(p.checks) > 0 && len(sets) == 1 {
		p.minUp = quorumOf(sets[0].thresh, sets[0].need, len(sets[0].addrs))
	}
	if len(p.checks) > 0 && len(sets) == 2 {
		p.minUp4 = oneOr(quorumOf(sets[0].thresh, sets[0].need, len(sets[0].addrs)))
		p.minUp6 = oneOr(quorumOf(sets[1].thresh, sets[1].need, len(sets[1].addrs)))
	}
	p.members = im.unique(p, p.members)
}

// oneOr is a quorum of one, where the default would be none.
func oneOr(q quorum) quorum {
	if q == (quorum{}) {
		return quorum{count: 1}
	}
	return q
}

// unique drops addresses that are there twice, which a pool may not have.
func (im *importer) unique(p *pool, addrs []netip.Addr) []netip.Addr {
	var once []netip.Addr
	for _, addr := range addrs {
		if slices.Contains(once, addr) {
			p.lose("%s is given twice, and answered once", addr)
			p.minUp, p.minUp4, p.minUp6 = quorum{}, quorum{}, quorum{}
			continue
		}
		once = append(once, addr)
	}
	return once
}

// planAlone plans sets of addresses that are all that a name has, each family for itself.
func (im *importer) planAlone(name, from string, at place, sets []addressSet, ctx usage) *plan {
	checked := false
	p := &plan{}
	for i := range sets {
		set := &sets[i]
		p.changes(set.stable)
		if set.ignoreHealth || set.down != "" {
			set.checks, set.unknown = nil, "" // all are answered in any case
		}
		checked = checked || len(set.checks) > 0
	}
	if !checked || len(sets) == 1 {
		all := &pool{place: at, from: from, location: ctx.location}
		for _, set := range sets {
			all.members = append(all.members, set.addrs...)
			all.monitor(set.monitoring)
			if set.ignoreHealth {
				all.reason("ignore_health: without checks, since all addresses are answered in any case")
			}
			if set.down != "" {
				all.reason("service type %s: without checks, since all addresses are answered in any case", set.down)
			}
		}
		im.quorums(all, sets)
		p.routes = planOf(only(im.pool(all, name))).routes
		return p
	}
	both, most := tier{how: together}, 0
	for _, set := range sets {
		one := &pool{place: at, from: from, members: set.addrs}
		one.monitor(set.monitoring)
		im.quorums(one, []addressSet{set})
		suffix := map[string]string{"ipv4": "-v4", "ipv6": "-v6"}[familyOf(set.addrs[0])]
		both.pools = append(both.pools, im.pool(one, name+suffix))
		most = max(most, len(set.addrs))
	}
	p.routes = planOf(both).routes
	p.panicBelow, p.maxAnswers = 100, answersOf(most)
	return p
}

// defaultAnswers is how many addresses a name under policy "all" has by default.
const defaultAnswers = 8

// answersOf is the limit of answers under policy "all" that lets so many addresses through; 0: the
// default does.
func answersOf(addrs int) int {
	if addrs <= defaultAnswers {
		return 0
	}
	return addrs
}

// pair is the two addresses of one family of a simplefo resource.
type pair struct {
	primary, secondary netip.Addr
	monitoring
}

var simplefoOptions = []string{"service_types"}

// simplefo reads a resource of the plugin.
func (im *importer) simplefo(name, from string, v *value, ctx usage) (*plan, error) {
	if v.form != table {
		return nil, v.fault("the resource is %s; expected a table", v.form)
	}
	pairs, err := byFamily(v, simplefoOptions, im.pair)
	if err != nil {
		return nil, err
	}
	return im.planPairs(name, from, v.place, pairs, ctx), nil
}

// byFamily reads the tables that a resource has for its families, which inherit some keys of it. If
// there is none, it reads the resource itself, without saying of which family it is.
func byFamily[T any](v *value, inherited []string, read func(v *value, family string) (T, error)) ([]T, error) {
	var list []T
	for _, f := range []struct{ key, family string }{{"addrs_v4", "ipv4"}, {"addrs_v6", "ipv6"}} {
		inner := v.get(f.key)
		if inner == nil {
			continue
		}
		if inner.form != table {
			return nil, inner.fault("%s is %s; expected a table", f.key, inner.form)
		}
		one, err := read(inherit(inner, v, inherited), f.family)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	if len(list) > 0 {
		return list, nil
	}
	one, err := read(v, "")
	return []T{one}, err
}

func (im *importer) pair(v *value, want string) (p pair, err error) {
	if p.monitoring, err = im.monitor(v.get("service_types")); err != nil {
		return p, err
	}
	for _, one := range []struct {
		key  string
		addr *netip.Addr
	}{{"primary", &p.primary}, {"secondary", &p.secondary}} {
		at := v.get(one.key)
		if at == nil {
			return p, v.fault("it has no %s address", one.key)
		}
		if *one.addr, err = at.unicast(one.key); err != nil {
			return p, err
		}
		if want == "" {
			want = familyOf(*one.addr)
		}
		if familyOf(*one.addr) != want {
			return p, at.fault("%s is no %s address", *one.addr, want)
		}
	}
	return p, nil
}

func (im *importer) planPairs(name, from string, at place, pairs []pair, ctx usage) *plan {
	first := &pool{place: at, from: from + ", primary", location: ctx.location}
	second := &pool{place: at, from: from + ", secondary", location: ctx.location}
	p := &plan{}
	downs := 0
	alike := len(pairs) == 1 || pairs[0].same(pairs[1].monitoring)
	for _, one := range pairs {
		p.changes(one.stable)
		first.members = append(first.members, one.primary)
		second.members = append(second.members, one.secondary)
		if one.down != "" {
			p.down = one.down
			downs++
		}
		for _, pool := range []*pool{first, second} {
			switch {
			case alike, len(one.checks) == 0:
				pool.monitor(one.monitoring)
			default: // each family has its own: they are checks of the whole pool
				addr := pool.members[len(pool.members)-1]
				pool.vars = append(pool.vars, variable{familyOf(addr), addr.String()})
				for _, c := range one.checks {
					pool.checks = append(pool.checks, im.single(c, familyOf(addr)))
				}
			}
		}
	}
	if downs == len(pairs) {
		// The primary is answered, whatever is up.
		first.reason("service type %s: without checks, since the primary is answered in any case", p.down)
		p.routes = planOf(only(im.pool(first, name+"-primary"))).routes
		return p
	}
	if len(pairs) == 2 && len(first.checks) > 0 {
		if alike {
			for _, pool := range []*pool{first, second} {
				pool.minUp4, pool.minUp6 = quorum{count: 1}, quorum{count: 1}
			}
		}
		p.lose("gdnsd moves IPv4 and IPv6 each for itself; here both move when one must")
	}
	p.routes = planOf(only(im.pool(first, name+"-primary")), only(im.pool(second, name+"-secondary"))).routes
	return p
}

// single is a check that is made for one address of a pool, which stands in a var of the pool.
func (im *importer) single(c *check, variable string) *check {
	for _, known := range im.singles[c] {
		if known.single == variable {
			return known
		}
	}
	copied := *c
	copied.name, copied.single = "", variable
	im.singles[c] = append(im.singles[c], &copied)
	return &copied
}
