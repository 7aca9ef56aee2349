package gdnsd

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// The plugins that choose among other resources, their datacenters: metafo and geoip.
//
//	metafo, geoip                       │ zones.toml
//	────────────────────────────────────┼──────────────────────────────────────────────────────
//	datacenters in order                │ tiers in order
//	a datacenter that is weighted       │ a tier of several pools, policy "weighted"
//	a datacenter that is simplefo       │ two tiers
//	a datacenter that is metafo         │ its tiers
//	a datacenter that is a CNAME        │ a pool with cname
//	a datacenter that is always down    │ left out
//	all are down: the first             │ when_all_down = "fallback", fallback = the first; if
//	                                    │ that depends on the client, a last tier without checks
//	skip_first, res/datacenter          │ a shorter list
//	map: continents, countries, regions │ views, fenced: clients never leave their list
//	nets                                │ views by CIDR, fenced
//	auto_dc_coords                      │ policy "nearest", location
//	cities, auto_dc_limit               │ –
//	two maps within each other          │ –

// mostNested is how many resources may stand within each other.
const mostNested = 16

// resource plans what a resource of a plugin answers.
func (im *importer) resource(plugin, name string, ctx usage) (*plan, error) {
	from := plugin
	if name != "" {
		from += "!" + name
	}
	if slices.Contains(ctx.within, from) || len(ctx.within) >= mostNested {
		return nil, fmt.Errorf("%s leads back to itself: %s", from, strings.Join(ctx.within, " → "))
	}
	ctx.within = append(slices.Clone(ctx.within), from)
	key := planKey{from, ctx.nested, ctx.flat, location{}}
	if ctx.location != nil {
		key.location = *ctx.location
	}
	if p, known := im.plans[key]; known {
		return p, nil
	}
	p, err := im.plan(plugin, name, from, ctx)
	if err == nil {
		im.plans[key] = p
	}
	return p, err
}

// planKey is what a plan depends on.
type planKey struct {
	from         string
	nested, flat bool
	location     location
}

// options are the keys of each plugin that hold for all its resources.
var options = map[string][]string{"multifo": multifoOptions, "simplefo": simplefoOptions, "weighted": weightedOptions}

func (im *importer) plan(plugin, name, from string, ctx usage) (*plan, error) {
	switch plugin {
	case "multifo", "simplefo", "weighted", "static", "metafo", "geoip":
	case "reflect":
		return nil, fmt.Errorf("gslb has no plugin reflect, which answers with the address of the client")
	case "null":
		return nil, fmt.Errorf("gslb does not answer with the addresses 0.0.0.0 and ::, as the plugin null does")
	default:
		return nil, fmt.Errorf("there is no plugin %q", plugin)
	}
	config := im.plugins.get(plugin)
	if config == nil || config.form != table {
		return nil, fmt.Errorf("plugins.%s is missing", plugin)
	}
	switch plugin {
	case "metafo", "geoip":
		return im.metaResource(plugin, name, from, config, ctx)
	}
	v := config.get(name)
	if v == nil || slices.Contains(options[plugin], name) {
		return nil, fmt.Errorf("there is no resource %s", from)
	}
	if v.form == table {
		v = inherit(v, config, options[plugin])
	}
	if plugin == "multifo" && v.form != table {
		v = inherit(labelled(v), config, multifoOptions)
	}
	return im.leaf(plugin, name, from, v, ctx)
}

// leaf plans a resource of a plugin that has addresses or CNAMEs of its own.
func (im *importer) leaf(plugin, name, from string, v *value, ctx usage) (*plan, error) {
	switch plugin {
	case "multifo":
		return im.multifo(name, from, v, ctx)
	case "simplefo":
		return im.simplefo(name, from, v, ctx)
	case "weighted":
		return im.weighted(name, from, v, ctx)
	case "static":
		if v.isAddress() {
			addr, err := v.unicast(from)
			if err != nil {
				return nil, err
			}
			return im.planAddresses(name, from, v.place, []addressSet{{addrs: []netip.Addr{addr}}}, ctx), nil
		}
		return im.alias(name, from, v, nil, ctx)
	}
	return nil, v.fault("%s: its configuration cannot be a part of another plugin's", plugin)
}

// alias plans a CNAME. monitored are its service types, which can only be static: gdnsd probes no CNAME
// by itself.
func (im *importer) alias(name, from string, v, monitored *value, ctx usage) (*plan, error) {
	host, err := v.host()
	if err != nil {
		return nil, err
	}
	m, err := im.monitor(monitored)
	if err != nil {
		return nil, err
	}
	one := &pool{place: v.place, from: from, cname: host, location: ctx.location}
	one.monitor(monitoring{unknown: m.unknown})
	p := planOf(only(im.pool(one, name)))
	p.down = m.down
	p.changes(m.stable)
	return p, nil
}

// The keys that do not belong to all resources, or all datacenters, alike.
var (
	metaOwn     = []string{"resources", "maps", "undefined_datacenters_ok"}
	resourceOwn = []string{"skip_first", "dcmap", "datacenters", "map"}
)

// inheritAll returns a table with all keys of another, except some, that it does not have itself.
func inheritAll(v, from *value, except []string) *value {
	return inherit(v, from, slices.DeleteFunc(slices.Clone(from.keys), func(key string) bool { return slices.Contains(except, key) }))
}

// metaResource plans a resource of metafo or geoip, or one datacenter of it.
func (im *importer) metaResource(plugin, name, from string, config *value, ctx usage) (*plan, error) {
	name, datacenter, one := strings.Cut(name, "/")
	all := config.get("resources")
	if all == nil || all.form != table {
		return nil, config.fault("plugins.%s has no resources", plugin)
	}
	v := all.get(name)
	if v == nil {
		return nil, fmt.Errorf("there is no resource %s!%s", plugin, name)
	}
	if v.form != table {
		return nil, v.fault("the resource is %s; expected a table", v.form)
	}
	m := &meta{importer: im, from: plugin + "!" + name, name: name, config: inheritAll(v, config, metaOwn), ctx: ctx, parts: make(map[string]*plan)}
	if one {
		return m.one(datacenter)
	}
	if plugin == "geoip" {
		undefined := false
		if u := config.get("undefined_datacenters_ok"); u != nil {
			var err error
			if undefined, err = u.bool("undefined_datacenters_ok"); err != nil {
				return nil, err
			}
		}
		return m.geo(undefined)
	}
	return m.metafo()
}

// meta makes the plan of a resource that chooses among datacenters.
type meta struct {
	*importer
	from, name string // what it is, and what pools are called after
	config     *value // with what it inherits
	ctx        usage
	parts      map[string]*plan // of datacenters
}

// one plans a single datacenter.
func (m *meta) one(datacenter string) (*plan, error) {
	datacenters, err := m.datacenters()
	if err != nil {
		return nil, err
	}
	v := datacenters.get(datacenter)
	if v == nil {
		return nil, m.config.fault("it has no datacenter %q", datacenter)
	}
	return m.datacenter(datacenter, v, m.ctx)
}

// datacenters is the dcmap.
func (m *meta) datacenters() (*value, error) {
	v := m.config.get("dcmap")
	if v == nil || v.form != table || len(v.keys) == 0 {
		return nil, m.config.fault("it has no dcmap with datacenters")
	}
	return v, nil
}

// skipFirst reports whether the first datacenter of each list is skipped.
func (m *meta) skipFirst() (bool, error) {
	if v := m.config.get("skip_first"); v != nil {
		return v.bool("skip_first")
	}
	return false, nil
}

// datacenter plans one datacenter by itself.
func (m *meta) datacenter(name string, v *value, ctx usage) (*plan, error) {
	plugin := "multifo"
	if p := m.config.get("plugin"); p != nil && p.form == simple {
		plugin = p.text
	}
	from := fmt.Sprintf("%s, datacenter %s", m.from, name)
	label := m.name + "-" + name
	switch {
	case v.form == simple && strings.HasPrefix(v.text, "%"):
		plugin, resource, _ := strings.Cut(v.text[1:], "!")
		return m.reference(v, plugin, resource, ctx)
	case v.form == simple && strings.HasPrefix(v.text, "!"):
		return m.reference(v, plugin, v.text[1:], ctx)
	case v.form == simple && !v.isAddress():
		return m.alias(label, from, v, m.config.get("service_types"), ctx)
	case v.form != table:
		v, plugin = labelled(v), "multifo"
	default:
		if p := v.get("plugin"); p != nil && p.form == simple {
			plugin = p.text
		}
	}
	merged := inheritAll(v, m.config, append([]string{"plugin"}, resourceOwn...))
	if top := m.plugins.get(plugin); top != nil && top.form == table {
		if plugin == "metafo" {
			merged = inheritAll(merged, top, metaOwn)
		} else {
			merged = inherit(merged, top, options[plugin])
		}
	}
	if v.get("plugin") != nil {
		merged = without(merged, "plugin")
	}
	if plugin == "metafo" && strings.HasPrefix(m.from, "geoip!") {
		inner := &meta{importer: m.importer, from: from, name: label, config: merged, ctx: ctx, parts: make(map[string]*plan)}
		return inner.metafo()
	}
	return m.leaf(plugin, label, from, merged, ctx)
}

// reference plans a datacenter that is a resource of its own.
func (m *meta) reference(v *value, plugin, resource string, ctx usage) (*plan, error) {
	p, err := m.resource(plugin, resource, ctx)
	if err != nil {
		return nil, at(v.place, err)
	}
	return p, nil
}

// without returns a table without a key.
func without(v *value, key string) *value {
	t := newTable(v.place)
	for i, k := range v.keys {
		if k != key {
			t.set(k, v.items[i])
		}
	}
	return t
}

func (m *meta) metafo() (*plan, error) {
	v := m.config.get("datacenters")
	if v == nil {
		return nil, m.config.fault("it has no datacenters")
	}
	names, err := v.strings("datacenters")
	if err != nil {
		return nil, err
	}
	return m.lists([]geoList{{datacenters: names}}, nil)
}

// lists plans the lists of datacenters of classes of clients, the first of which is for those that have
// no other.
func (m *meta) lists(lists []geoList, geo *geoMap) (*plan, error) {
	datacenters, err := m.datacenters()
	if err != nil {
		return nil, err
	}
	skip, err := m.skipFirst()
	if err != nil {
		return nil, err
	}
	p := &plan{geo: geo}
	used := make(map[string]bool)
	for i := range lists {
		l := &lists[i]
		if skip && len(l.datacenters) > 1 && !l.auto {
			l.datacenters = l.datacenters[1:]
		} else if skip && l.auto {
			p.lose("skip_first is not carried over where the nearest datacenter is first")
		}
		for _, name := range l.datacenters {
			used[name] = true
		}
	}
	ctx := m.ctx
	ctx.nested = ctx.nested || len(used) > 1
	for i, name := range datacenters.keys {
		if !used[name] {
			continue
		}
		ctx.location = m.ctx.location
		if geo != nil && geo.auto {
			ctx.location, ctx.flat = geo.coordinates[name], true
		}
		part, err := m.datacenter(name, datacenters.items[i], ctx)
		if err != nil {
			return nil, err
		}
		m.parts[name] = part
		p.remarks = p.remarks.and(part.remarks.of(name))
		if len(used) == 1 && geo == nil {
			alone := *part
			alone.remarks = p.remarks
			return &alone, nil
		}
	}
	down := true
	for _, l := range lists {
		r, isDown, err := m.route(p, l)
		if err != nil {
			return nil, err
		}
		down = down && isDown
		p.add(r)
	}
	if down {
		p.down = "down"
	}
	return p, nil
}

// route makes the tiers of a list of datacenters, as one route for each view that these have themselves.
func (m *meta) route(p *plan, l geoList) (routes []route, down bool, err error) {
	left := l.datacenters[:0:0]
	for _, name := range l.datacenters {
		part := m.parts[name]
		if part == nil {
			return nil, false, m.config.fault("its dcmap has no datacenter %q", name)
		}
		if part.down == "" {
			left = append(left, name)
		}
	}
	down = len(left) == 0
	for _, name := range l.datacenters {
		if part := m.parts[name]; part.down != "" && !down {
			p.reason("datacenter %s is left out, since its service type %s is always down", name, part.down)
		}
	}
	if down && len(l.datacenters) > 0 {
		left = l.datacenters[:1] // all are down: the first is answered
	}
	routes = []route{{view: l.view}}
	if len(l.datacenters) > 0 {
		routes[0].last = m.parts[l.datacenters[0]].in(l.view).last
	}
	var near tier
	for i, name := range left {
		part := m.parts[name]
		if i == 0 || l.auto {
			p.changes(part.stable)
		}
		if l.auto && part.geo == nil {
			near.how = byDistance
			for _, t := range part.routes[0].tiers {
				near.pools = append(near.pools, t.pools...)
			}
			continue
		}
		routes = p.extend(routes, name, part, name == l.datacenters[0])
	}
	if len(near.pools) > 0 {
		routes[0].tiers, routes[0].last = append(routes[0].tiers, near), near
	}
	return routes, down, nil
}

// extend appends the tiers of a datacenter to the routes of a view. first says that it is the first of
// the list.
func (p *plan) extend(routes []route, name string, part *plan, first bool) []route {
	p.maxAnswers = max(p.maxAnswers, part.maxAnswers)
	p.panicBelow = max(p.panicBelow, part.panicBelow)
	switch {
	case part.geo == nil:
	case p.geo == nil:
		p.geo = part.geo
		var all []route
		for _, inner := range part.routes {
			r := routes[0]
			r.view = inner.view
			if first {
				r.last = inner.last
			}
			all = append(all, p.then(r, inner))
		}
		return all
	case p.geo != part.geo:
		p.lose("datacenter %s has the map %s within the map %s, and is not judged by it: its default is used", name, part.geo.name, p.geo.name)
	}
	for i := range routes {
		inner := part.routes[0]
		if p.geo == part.geo {
			inner = part.in(routes[i].view)
		}
		routes[i] = p.then(routes[i], inner)
	}
	return routes
}

// then is a route that goes on with another.
func (p *plan) then(r, inner route) route {
	switch {
	case r.ended:
		return r
	case len(inner.tiers) == 0 && len(r.tiers) > 0:
		p.lose("gdnsd gives clients no data when the datacenters before an empty list are down; here they have the first of them")
	}
	r.ended = inner.ended || len(inner.tiers) == 0
	r.tiers = append(slices.Clone(r.tiers), inner.tiers...)
	return r
}

// add adds routes to a plan. A pool that stands in a route already is dropped further on.
func (p *plan) add(routes []route) {
	if p.byView == nil {
		p.byView = make(map[string]int)
	}
	for _, r := range routes {
		if _, known := p.byView[r.view]; known {
			continue
		}
		p.byView[r.view] = len(p.routes)
		clean := route{view: r.view, last: r.last, ended: r.ended}
		var seen []*pool
		for _, t := range r.tiers {
			left := tier{how: t.how}
			for _, one := range t.pools {
				if !slices.Contains(seen, one) {
					seen = append(seen, one)
					left.pools = append(left.pools, one)
				}
			}
			if len(left.pools) > 0 {
				clean.tiers = append(clean.tiers, left)
			}
		}
		if len(clean.tiers) > 0 && len(clean.last.pools) == 0 {
			clean.last = clean.tiers[0]
		}
		p.routes = append(p.routes, clean)
	}
}
