package gdnsd

import (
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// geoMap is a map of the plugin geoip: which datacenters a client has, in order.
type geoMap struct {
	place
	name        string
	database    string // its path; empty: there is none
	datacenters []string
	coordinates map[string]*location
	auto        bool // somebody gets the nearest datacenters
	ignoreECS   bool
	lists       []geoList // the first is that of clients that have no other
	remarks
}

// geoList is the datacenters of a class of clients, in order.
type geoList struct {
	view        string
	datacenters []string
	auto        bool // the order is that of their distance
}

// geo plans a resource of geoip.
func (m *meta) geo(undefined bool) (*plan, error) {
	v := m.config.get("map")
	if v == nil || v.form != simple {
		return nil, m.config.fault("it has no map")
	}
	geo, err := m.geoMap(v)
	if err != nil {
		return nil, err
	}
	datacenters, err := m.datacenters()
	if err != nil {
		return nil, err
	}
	lists := make([]geoList, len(geo.lists))
	for i, l := range geo.lists {
		lists[i] = l
		lists[i].datacenters = slices.Clone(l.datacenters)
		if undefined {
			lists[i].datacenters = slices.DeleteFunc(lists[i].datacenters, func(name string) bool { return datacenters.get(name) == nil })
		}
	}
	return m.lists(lists, geo)
}

// geoMap reads the map that a resource names.
func (im *importer) geoMap(v *value) (*geoMap, error) {
	if geo, known := im.maps[v.text]; known {
		if geo == nil {
			return nil, v.fault("the map %s has an error", v.text)
		}
		return geo, nil
	}
	im.maps[v.text] = nil
	config := im.plugins.get("geoip").get("maps")
	if config == nil || config.form != table || config.get(v.text) == nil {
		return nil, v.fault("there is no map %q", v.text)
	}
	at := config.get(v.text)
	if at.form != table {
		return nil, at.fault("the map is %s; expected a table", at.form)
	}
	geo := &geoMap{place: at.place, name: v.text, coordinates: make(map[string]*location)}
	if err := geo.read(im, at); err != nil {
		return nil, err
	}
	im.maps[v.text] = geo
	return geo, nil
}

const (
	mostDatacenters  = 254
	defaultAutoLimit = 3
	autoWord         = "auto"
)

func (g *geoMap) read(im *importer, v *value) (err error) {
	r := &reader{table: v, known: make(map[string]bool)}
	all := r.get("datacenters")
	if all == nil {
		return v.fault("the map has no datacenters")
	}
	if g.datacenters, err = all.strings("datacenters"); err != nil {
		return err
	}
	if len(g.datacenters) == 0 || len(g.datacenters) > mostDatacenters {
		return all.fault("the map has %d datacenters; expected from 1 to %d", len(g.datacenters), mostDatacenters)
	}
	if ignore := r.get("ignore_ecs"); ignore != nil {
		if g.ignoreECS, err = ignore.bool("ignore_ecs"); err != nil {
			return err
		}
	}
	if name := r.string("geoip2_db", ""); name != "" {
		g.database = im.geoPath(name)
	}
	if coords := r.get("auto_dc_coords"); coords != nil {
		if err := g.readCoordinates(coords); err != nil {
			return err
		}
	}
	limit := r.int("auto_dc_limit", defaultAutoLimit, 0, 1<<31-1)
	if n := len(g.coordinates); limit > 0 && limit < n {
		g.lose("auto_dc_limit: gdnsd goes no further than the %d nearest datacenters; here all %d follow in order of distance", limit, n)
	}
	g.lists = []geoList{{datacenters: g.datacenters}}
	if len(g.coordinates) > 0 {
		g.lists[0] = g.nearest("")
	}
	if tree := r.get("map"); tree != nil {
		if g.database == "" {
			return tree.fault("a map without geoip2_db")
		}
		if err := g.readTree(tree, level{}); err != nil {
			return err
		}
	}
	if nets := r.get("nets"); nets != nil {
		if err := g.readNets(im, nets); err != nil {
			return err
		}
	}
	g.dropUnmatched()
	for _, l := range g.lists {
		g.auto = g.auto || l.auto
	}
	return r.finish()
}

// geoPath is where a file of the plugin lies.
func (im *importer) geoPath(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(im.source.dir, "geoip", name)
}

func (g *geoMap) readCoordinates(v *value) error {
	if v.form != table {
		return v.fault("auto_dc_coords is %s; expected a table", v.form)
	}
	for i, name := range v.keys {
		at := v.items[i]
		if !slices.Contains(g.datacenters, name) {
			return at.fault("auto_dc_coords: there is no datacenter %q", name)
		}
		if at.form != list || len(at.items) != 2 {
			return at.fault("auto_dc_coords: expected a list of latitude and longitude")
		}
		latitude, err := at.items[0].coordinate("the latitude", 90)
		if err != nil {
			return err
		}
		longitude, err := at.items[1].coordinate("the longitude", 180)
		if err != nil {
			return err
		}
		g.coordinates[name] = &location{latitude, longitude}
	}
	return nil
}

// nearest is the list of those datacenters whose place is known.
func (g *geoMap) nearest(view string) geoList {
	l := geoList{view: view, auto: true}
	for _, name := range g.datacenters {
		if g.coordinates[name] != nil {
			l.datacenters = append(l.datacenters, name)
		}
	}
	if len(l.datacenters) < len(g.datacenters) {
		g.lose("clients without a known location: gdnsd has datacenters without coordinates for them as well")
	}
	return l
}

// list reads the datacenters of a class of clients.
func (g *geoMap) list(v *value, view string, auto bool) (geoList, error) {
	names, err := v.strings("a list of datacenters")
	if err != nil {
		return geoList{}, err
	}
	if auto && len(g.coordinates) > 0 && len(names) == 1 && names[0] == autoWord {
		return g.nearest(view), nil
	}
	for _, name := range names {
		if !slices.Contains(g.datacenters, name) {
			return geoList{}, v.fault("the map has no datacenter %q", name)
		}
	}
	return geoList{view: view, datacenters: names}, nil
}

// level is where a table of a map stands.
type level struct {
	depth   int
	country string
	view    string
}

var (
	continents      = []string{"AF", "AN", "AS", "EU", "NA", "OC", "SA"}
	countryCode     = regexp.MustCompile(`^[A-Z]{2}$`)
	subdivisionCode = regexp.MustCompile(`^[A-Z0-9]{1,3}$`) // ISO 3166-2
)

// readTree reads a table of a map: places and their datacenters, or further places within them.
func (g *geoMap) readTree(v *value, in level) error {
	if v.form != table {
		return v.fault("the map is %s; expected a table", v.form)
	}
	if d := v.get("default"); d != nil {
		l, err := g.list(d, in.view, true)
		if err != nil {
			return err
		}
		if in.depth == 0 {
			g.lists[0] = l
		} else {
			g.addList(v, l)
		}
	}
	for i, key := range v.keys {
		if key == "default" {
			continue
		}
		item := v.items[i]
		next := level{depth: in.depth + 1, country: in.country}
		code := strings.ToUpper(key)
		switch in.depth {
		case 0:
			if !slices.Contains(continents, code) {
				g.lose("%s: %q is the code of no continent, and left out", item.place, key)
				continue
			}
			next.view = "continent:" + code
		case 1:
			if !countryCode.MatchString(code) {
				g.lose("%s: %q is the code of no country, and left out", item.place, key)
				continue
			}
			next.country, next.view = code, "country:"+code
		default:
			// Codes are written in capitals; a name of a city is not.
			if !subdivisionCode.MatchString(key) {
				g.lose("%s: the city %q is left out: there are no views of cities, and its clients have what the places around it have", item.place, key)
				continue
			}
			next.view = "subdivision:" + in.country + "-" + key
		}
		if item.form == table {
			if err := g.readTree(item, next); err != nil {
				return err
			}
			continue
		}
		l, err := g.list(item, next.view, true)
		if err != nil {
			return err
		}
		g.addList(item, l)
	}
	return nil
}

// addList adds the list of a view, unless there is one.
func (g *geoMap) addList(v *value, l geoList) {
	if slices.ContainsFunc(g.lists, func(known geoList) bool { return known.view == l.view }) {
		g.lose("%s: %s stands twice in the map; the first is taken", v.place, l.view)
		return
	}
	g.lists = append(g.lists, l)
}

// readNets reads prefixes and their datacenters, from the configuration or from a file of their own.
func (g *geoMap) readNets(im *importer, v *value) (err error) {
	if v.form == simple && v.text != "" {
		if v, err = im.source.load(im.geoPath(v.text), v.place, 1); err != nil {
			return err
		}
	}
	if v.form != table {
		return v.fault("nets is %s; expected a table of prefixes", v.form)
	}
	seen := make(map[string]bool)
	for i, key := range v.keys {
		item := v.items[i]
		prefix, err := netip.ParsePrefix(key)
		if err != nil {
			return item.fault("%q is no prefix such as 192.0.2.0/24", key)
		}
		prefix = plain(prefix)
		l, err := g.list(item, prefix.String(), false)
		if err != nil {
			return err
		}
		if seen[l.view] {
			g.lose("%s: %s stands twice in nets; the first is taken", item.place, l.view)
			continue
		}
		seen[l.view] = true
		g.lists = append(g.lists, l)
	}
	return nil
}

// plain is a prefix without host bits, as IPv4 if it is one within IPv6's ::/96, where gdnsd has it.
func plain(p netip.Prefix) netip.Prefix {
	const compatible = 96
	p = p.Masked()
	if a := p.Addr().As16(); p.Addr().Is6() && p.Bits() >= compatible && [12]byte(a[:12]) == [12]byte{} {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(a[12:])), p.Bits()-compatible)
	}
	return p
}
