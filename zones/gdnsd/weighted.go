package gdnsd

import (
	"math"
	"net/netip"
	"slices"
	"strings"

	"gslb/zones/masterfile"
)

// The plugin weighted. It judges each address family for itself.
//
//	weighted                             │ zones.toml
//	─────────────────────────────────────┼─────────────────────────────────────────────────────
//	one address, by weight               │ policy "weighted", a pool an address
//	one group, by the sum of its weights │ policy "weighted", a pool a group
//	less than up_thresh of the weight    │ panic_below
//	is up: as if all were                │
//	labels and weights of IPv4 and IPv6  │ a pool a label with both addresses; both families
//	are the same                         │ leave together
//	multi, equal weights                 │ a pool: all that are up are answered
//	multi, different weights             │ policy "all": the weights are lost
//	multi, groups: one of each           │ policy "all" and max_answers, a pool a group
//	CNAMEs                               │ policy "weighted", a pool a CNAME
//	below up_thresh, as a datacenter     │ the datacenter is left when nothing of it is up

// weightedSet is what a weighted resource has of one family, or its CNAMEs.
type weightedSet struct {
	items  []weightedItem
	multi  bool
	groups bool
	thresh float64
	monitoring
}

// weightedItem is a group, or a single address or CNAME.
type weightedItem struct {
	label   string
	addrs   []netip.Addr
	weights []int // of the addresses
	cname   string
	weight  int // of all together
}

var weightedOptions = []string{"service_types", "multi", "up_thresh"}

// mostWeight is the largest weight of gdnsd.
const mostWeight = 1<<20 - 1

// weighted reads a resource of the plugin.
func (im *importer) weighted(name, from string, v *value, ctx usage) (*plan, error) {
	if v.form != table {
		return nil, v.fault("the resource is %s; expected a table", v.form)
	}
	sets, err := byFamily(v, weightedOptions, im.weightedSet)
	if err != nil {
		return nil, err
	}
	w := &weightedPlan{importer: im, plan: &plan{}, name: name, from: from, at: v.place, ctx: ctx}
	return w.of(sets), nil
}

func (im *importer) weightedSet(v *value, want string) (s weightedSet, err error) {
	s.thresh = defaultThresh
	if t := v.get("up_thresh"); t != nil {
		if s.thresh, err = t.float("up_thresh", 0, 1); err != nil {
			return s, err
		}
	}
	if t := v.get("multi"); t != nil {
		if s.multi, err = t.bool("multi"); err != nil {
			return s, err
		}
	}
	if s.monitoring, err = im.monitor(v.get("service_types")); err != nil {
		return s, err
	}
	for i, key := range v.keys {
		if slices.Contains(weightedOptions, key) {
			continue
		}
		item, err := readItem(key, v.items[i], &want)
		if err != nil {
			return s, err
		}
		grouped := v.items[i].form == table
		if len(s.items) > 0 && (grouped != s.groups || (item.cname == "") != (s.items[0].cname == "")) {
			return s, v.items[i].fault("%s is not of the kind of those before: addresses, groups and CNAMEs do not mix", key)
		}
		s.groups = grouped
		s.items = append(s.items, item)
	}
	if len(s.items) == 0 {
		return s, v.fault("it has nothing to answer with")
	}
	return s, nil
}

// readItem reads a group or a single item. An empty family is that of the first address.
func readItem(label string, v *value, family *string) (weightedItem, error) {
	item := weightedItem{label: label}
	entries := []*value{v}
	if v.form == table {
		entries = v.items
	}
	for _, e := range entries {
		if e.form != list || len(e.items) != 2 {
			return item, e.fault("%s: expected a list of an address or a CNAME, and a weight", label)
		}
		weight, err := e.items[1].int("the weight", 1, mostWeight)
		if err != nil {
			return item, err
		}
		item.weight += weight
		item.weights = append(item.weights, weight)
		if !e.items[0].isAddress() && v.form == list {
			item.cname, err = e.items[0].host()
			return item, err
		}
		addr, err := e.items[0].unicast(label)
		if err != nil {
			return item, err
		}
		if *family == "" {
			*family = familyOf(addr)
		}
		if familyOf(addr) != *family {
			return item, e.fault("%s is no %s address", addr, *family)
		}
		item.addrs = append(item.addrs, addr)
	}
	if len(item.addrs) == 0 {
		return item, v.fault("the group %s is empty", label)
	}
	return item, nil
}

// host returns a fully qualified name to answer as a CNAME.
func (v *value) host() (string, error) {
	if v.form != simple || !strings.HasSuffix(v.text, ".") {
		return "", v.fault("found %q; expected an address, or a name with a final dot", v.text)
	}
	name, err := masterfile.ParseName(v.text, nil)
	if err != nil {
		return "", v.fault("%v", err)
	}
	return present(name), nil
}

// equal reports whether all items have the same weight.
func (s weightedSet) equal() bool {
	return !slices.ContainsFunc(s.items, func(i weightedItem) bool { return i.weight != s.items[0].weight })
}

// weightedPlan makes the plan of a weighted resource.
type weightedPlan struct {
	*importer
	*plan
	name, from string
	at         place
	ctx        usage
}

func (w *weightedPlan) of(sets []weightedSet) *plan {
	all := tier{how: byWeight}
	for i := range sets {
		set := &sets[i]
		w.changes(set.stable)
		if set.down != "" {
			w.down = set.down // whatever is down is answered as if it were up
			w.reason("service type %s: without checks, since everything is answered as if it were up", set.down)
		}
		if set.items[0].cname != "" {
			set.multi = false // gdnsd ignores it
		}
	}
	switch {
	case w.ctx.flat, w.ctx.nested && slices.ContainsFunc(sets, weightedSet.isMixed):
		return w.flat(sets)
	case len(sets) == 2 && pairs(&sets[0], &sets[1]):
		all.pools = w.paired(&sets[0], &sets[1])
		w.panic(sets[:1])
	default:
		if slices.ContainsFunc(sets, weightedSet.isMixed) {
			all.how = together
		}
		for i := range sets {
			all.pools = append(all.pools, w.set(&sets[i], sets, all.how)...)
		}
		w.panic(sets)
	}
	if len(all.pools) == 1 {
		all.how = alone
		w.panicBelow = 0
	}
	for _, p := range all.pools {
		p.weighted = all.how == byWeight
	}
	if all.how == byWeight {
		w.scale(all.pools)
	}
	w.routes = planOf(all).routes
	return w.plan
}

// mostPoolWeight is the largest weight of zones.toml.
const mostPoolWeight = 1 << 20

// scale makes weights smaller where one is too large: that of a group is the sum of its addresses'.
func (w *weightedPlan) scale(pools []*pool) {
	largest := slices.MaxFunc(pools, func(a, b *pool) int { return a.weight - b.weight }).weight
	if largest <= mostPoolWeight {
		return
	}
	for _, p := range pools {
		p.weight = max(1, p.weight*mostPoolWeight/largest)
	}
	w.lose("the weights are made smaller, since the largest is %d", mostPoolWeight)
}

// new makes a pool of the resource.
func (w *weightedPlan) new(label string, set *weightedSet, item *weightedItem) *pool {
	p := &pool{place: w.at, from: w.from + ", " + label, location: w.ctx.location, weight: item.weight, cname: item.cname}
	p.members = w.unique(p, item.addrs)
	switch {
	case set.down != "":
	case item.cname != "" && len(set.checks) > 0:
		p.lose("gdnsd takes no such service type for a CNAME, and neither does gslb: it counts as up")
	default:
		p.monitor(set.monitoring)
	}
	name := w.name
	if label != "" {
		name += "-" + label
	} else {
		p.from = w.from
	}
	return w.pool(p, name)
}

// isMixed reports whether the answer has several items, of which some are left out by weight.
func (s weightedSet) isMixed() bool {
	return s.multi && len(s.items) > 1 && (s.groups || !s.equal())
}

// set makes the pools of one family of those that there are.
func (w *weightedPlan) set(set *weightedSet, sets []weightedSet, how sharing) []*pool {
	suffix := ""
	if len(sets) > 1 {
		suffix = map[string]string{"ipv4": "-v4", "ipv6": "-v6"}[familyOf(set.items[0].addrs[0])]
	}
	switch {
	case set.multi && !set.groups && set.equal():
		return []*pool{w.whole(set, strings.TrimPrefix(suffix, "-"))}
	case how == together && !set.isMixed() && len(set.items) > 1:
		w.lose("the weights of %s are lost, since the other family has multi: all addresses that are up are answered", familyOf(set.items[0].addrs[0]))
	}
	var pools []*pool
	addrs := 0
	for i := range set.items {
		item := &set.items[i]
		p := w.new(item.label+suffix, set, item)
		if set.groups && !set.multi && len(item.addrs) > 1 {
			w.group(p, item)
		}
		pools = append(pools, p)
		addrs += len(item.addrs)
	}
	switch {
	case !set.isMixed():
	case set.groups:
		w.maxAnswers = len(set.items)
		w.lose("multi with groups: gdnsd answers with one address of each group by weight; here with as many of all, each as likely as the others")
	default:
		w.maxAnswers = answersOf(addrs)
		w.lose("multi: gdnsd leaves an address out as often as its weight is below the largest; here all that are up are answered")
	}
	return pools
}

// group remarks on a group under policy "weighted".
func (w *weightedPlan) group(p *pool, item *weightedItem) {
	if slices.ContainsFunc(item.weights, func(weight int) bool { return weight != item.weights[0] }) {
		p.lose("gdnsd leaves an address of the group out as often as its weight is below the largest; here all that are up are answered")
	}
	if len(p.checks) > 0 {
		p.lose("gdnsd makes the share of a group smaller while some of its addresses are down; here it stays as it is while one is up")
	}
}

// whole is one pool with all addresses of a family, for where weights make no difference or cannot be
// kept.
func (w *weightedPlan) whole(set *weightedSet, label string) *pool {
	item := weightedItem{weight: 1}
	for _, i := range set.items {
		item.addrs = append(item.addrs, i.addrs...)
	}
	p := w.new(label, set, &item)
	if n := len(p.members); len(p.checks) > 0 {
		p.minUp = quorumOf(set.thresh, int(math.Ceil(set.thresh*float64(n))), n)
	}
	return p
}

// flat is the plan where the name can share neither by weight nor together: one pool, or one CNAME.
func (w *weightedPlan) flat(sets []weightedSet) *plan {
	if sets[0].items[0].cname != "" {
		item := slices.MaxFunc(sets[0].items, func(a, b weightedItem) int { return a.weight - b.weight })
		w.lose("the weights are lost: %s alone is answered", item.cname)
		w.routes = planOf(only(w.new("", &sets[0], &item))).routes
		return w.plan
	}
	w.lose("the weights are lost: all addresses that are up are answered")
	var addresses []addressSet
	for _, set := range sets {
		one := addressSet{thresh: set.thresh, monitoring: set.monitoring}
		for _, item := range set.items {
			one.addrs = append(one.addrs, item.addrs...)
		}
		one.need = int(math.Ceil(set.thresh * float64(len(one.addrs))))
		addresses = append(addresses, one)
	}
	w.ctx.nested = true
	p := w.planAddresses(w.name, w.from, w.at, addresses, w.ctx)
	p.remarks = w.remarks.and(p.remarks)
	return p
}

// pairs reports whether two families have the same labels with the same weights, monitored alike.
func pairs(a, b *weightedSet) bool {
	if len(a.items) != len(b.items) || a.multi || b.multi || a.groups || b.groups || a.thresh != b.thresh || !a.same(b.monitoring) {
		return false
	}
	for i := range a.items {
		if a.items[i].label != b.items[i].label || a.items[i].weight != b.items[i].weight {
			return false
		}
	}
	return true
}

// paired makes the pools of two families that pair.
func (w *weightedPlan) paired(a, b *weightedSet) []*pool {
	var pools []*pool
	for i, item := range a.items {
		item.addrs = append(slices.Clone(item.addrs), b.items[i].addrs...)
		p := w.new(item.label, a, &item)
		if len(p.checks) > 0 {
			p.minUp4, p.minUp6 = quorum{count: 1}, quorum{count: 1}
		}
		pools = append(pools, p)
	}
	if len(pools) > 0 && len(pools[0].checks) > 0 {
		w.lose("gdnsd judges IPv4 and IPv6 each for itself; here both addresses of a label leave when one is down")
	}
	return pools
}

// panic says below which share of the weight everything is answered as if it were up.
func (w *weightedPlan) panic(sets []weightedSet) {
	checked := slices.ContainsFunc(sets, func(s weightedSet) bool { return len(s.checks) > 0 && s.down == "" })
	switch {
	case !checked:
		return
	case w.ctx.nested:
		w.lose("up_thresh: gdnsd leaves the datacenter when less than that share of its weight is up; here it is left when nothing of it is")
		return
	case len(sets) == 2:
		w.lose("up_thresh is not carried over, since it is of each family for itself: while one has nothing up, and the other something, there is no data of the first")
		return
	}
	total := 0
	for _, item := range sets[0].items {
		total += item.weight
	}
	need := int(math.Ceil(sets[0].thresh * float64(total)))
	percent := int(sets[0].thresh*100 + 0.5)
	w.panicBelow = min(max(percent, 1), 100)
	for p := 1; p <= 100; p++ {
		// Less than p percent of the total is less than so much, rounded up.
		if (p*total+99)/100 == need && (w.panicBelow*total+99)/100 != need {
			w.panicBelow = p
		}
	}
	if (w.panicBelow*total+99)/100 != need {
		w.lose("up_thresh = %v comes out as %d%%: panic_below is a whole number", sets[0].thresh, w.panicBelow)
	}
}
