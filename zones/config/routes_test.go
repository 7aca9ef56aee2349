package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gslb/geo"
	"gslb/zones"
	"gslb/zones/problem"
)

// client is a client, and what the databases of testdata say of it.
type client struct {
	addr  string // empty: nobody
	views []string
	at    *geo.Point
}

// clients is one client of each kind; the views they are in, the narrowest first.
var clients = []client{
	{"", nil, nil},
	{"9.9.9.9", nil, nil},
	{"2.0.1.1", []string{"2.0.0.0/16", "2.0.0.0/8", "asn:64500", "subdivision:US-CA", "country:US", "continent:NA"}, &geo.Point{Latitude: 37.7, Longitude: -122.4}},
	{"2.1.1.1", []string{"2.0.0.0/8", "subdivision:US-NY", "country:US", "continent:NA"}, &geo.Point{Latitude: 40.7, Longitude: -74}},
	{"3.1.1.1", []string{"subdivision:GB-WSM", "subdivision:GB-ENG", "country:GB", "continent:EU"}, &geo.Point{Latitude: 51.5, Longitude: -0.1}},
	{"3.100.1.1", []string{"asn:64501", "subdivision:GB-WSM", "subdivision:GB-ENG", "country:GB", "continent:EU"}, &geo.Point{Latitude: 51.5, Longitude: -0.1}},
	{"3.200.1.1", []string{"country:DE", "continent:EU"}, &geo.Point{Latitude: 50.1, Longitude: 8.7}},
	{"4.1.1.1", []string{"country:JP", "continent:AS"}, &geo.Point{Latitude: 35.7, Longitude: 139.7}},
	{"2001:db8:1::1", []string{"2001:db8:1::/48", "asn:64500", "country:CA", "continent:NA"}, nil},
	{"2001:db8:2::1", []string{"asn:64500", "subdivision:US-CA", "country:US", "continent:NA"}, &geo.Point{Latitude: 37.7, Longitude: -122.4}},
}

// sites are the pools, and where they are; two are at one place.
var sites = map[string]geo.Point{
	"nyc": {Latitude: 40.7, Longitude: -74}, "sfo": {Latitude: 37.7, Longitude: -122.4}, "ams": {Latitude: 52.4, Longitude: 4.9},
	"fra": {Latitude: 50.1, Longitude: 8.7}, "lon": {Latitude: 51.5, Longitude: -0.1}, "lo2": {Latitude: 51.5, Longitude: -0.1},
}

// plan is how a name is steered, as a person would think of it.
type plan struct {
	policy  zones.Policy
	views   map[string][][]string // the tiers by view; "": there are no views
	fence   []string
	weights map[string]int
}

func drawPlan(t *rapid.T) plan {
	p := plan{
		policy:  rapid.SampledFrom([]zones.Policy{zones.Failover, zones.Weighted, zones.Sticky, zones.All, zones.Nearest}).Draw(t, "policy"),
		views:   make(map[string][][]string),
		weights: make(map[string]int),
	}
	known := []string{"default"}
	for _, c := range clients {
		known = append(known, c.views...)
	}
	slices.Sort(known)
	views := rapid.SliceOfNDistinct(rapid.SampledFrom(slices.Compact(known)), 0, 6, rapid.ID[string]).Draw(t, "views")
	if len(views) == 0 {
		views = []string{""}
	} else {
		p.fence = rapid.SliceOfNDistinct(rapid.SampledFrom(views), 0, 2, rapid.ID[string]).Draw(t, "fence")
	}
	for _, v := range views {
		pools := rapid.SliceOfNDistinct(rapid.SampledFrom(sortedKeys(sites)), 1, len(sites), rapid.ID[string]).Draw(t, "pools")
		for len(pools) > 0 {
			n := 1
			if p.policy != zones.Failover {
				n = rapid.IntRange(1, len(pools)).Draw(t, "tier")
			}
			p.views[v] = append(p.views[v], pools[:n])
			pools = pools[n:]
			for _, pool := range p.views[v][len(p.views[v])-1] {
				if rapid.Bool().Draw(t, "weighted") {
					p.weights[pool] = rapid.IntRange(0, 3).Draw(t, "weight")
				}
			}
		}
	}
	return p
}

// text is the configuration of two names that are steered so, written in two ways.
func (p *plan) text() string {
	var b strings.Builder
	b.WriteString(`server = { listen = ["127.0.0.1:0"], geoip = ["db/City.mmdb", "db/ASN.mmdb"] }` + "\n")
	for _, name := range sortedKeys(sites) {
		fmt.Fprintf(&b, "pools.%s = { members = [\"192.0.2.1\"], location = [%v, %v] }\n", name, sites[name].Latitude, sites[name].Longitude)
	}
	b.WriteString("[zones.\"example.com\"]\nnameservers = { \"ns.example.net.\" = [] }\n")
	fmt.Fprintf(&b, "names.every = { pools = [\"%s\"] }\n", strings.Join(sortedKeys(sites), `", "`))
	for _, short := range []bool{true, false} {
		fmt.Fprintf(&b, "[zones.\"example.com\".names.n%v]\npolicy = %q\n", short, p.policy)
		if len(p.fence) > 0 {
			fmt.Fprintf(&b, "fence = [\"%s\"]\n", strings.Join(p.fence, `", "`))
		}
		var weights []string
		for _, pool := range sortedKeys(p.weights) {
			weights = append(weights, fmt.Sprintf("%s = %d", pool, p.weights[pool]))
		}
		if len(weights) > 0 {
			fmt.Fprintf(&b, "weights = { %s }\n", strings.Join(weights, ", "))
		}
		views := sortedKeys(p.views)
		if !short {
			slices.Reverse(views)
		}
		for _, v := range views {
			key := fmt.Sprintf("views.%q", v)
			if v == "" {
				key = "pools"
			}
			fmt.Fprintf(&b, "%s = %s\n", key, p.list(p.views[v], short))
		}
	}
	return b.String()
}

// list is tiers in TOML: with as few brackets as can be, or with all of them.
func (p *plan) list(tiers [][]string, short bool) string {
	var lists, flat []string
	nested := false
	for _, tier := range tiers {
		list := `["` + strings.Join(tier, `", "`) + `"]`
		if len(tier) == 1 && short {
			list = strings.Trim(list, "[]")
		} else {
			nested = true
		}
		lists, flat = append(lists, list), append(flat, tier...)
	}
	if short && len(tiers) == 1 {
		return `["` + strings.Join(flat, `", "`) + `"]`
	}
	if !nested && p.policy != zones.Failover {
		lists[0] = "[" + lists[0] + "]"
	}
	return "[" + strings.Join(lists, ", ") + "]"
}

// route is the tiers for a client: those of its views, one after the other, up to a fence, without
// the pools that were there before; of policy nearest, the nearest first.
func (p *plan) route(c client) string {
	chain := append(slices.Clone(c.views), "default")
	if _, all := p.views[""]; all {
		chain = []string{""}
	}
	var tiers []string
	seen := make(map[string]bool)
	for _, v := range chain {
		for _, tier := range p.views[v] {
			pools := slices.DeleteFunc(slices.Clone(tier), func(pool string) bool { return seen[pool] })
			if p.policy == zones.Nearest && c.at != nil {
				slices.SortStableFunc(pools, func(a, b string) int { return cmp.Compare(c.at.Distance(sites[a]), c.at.Distance(sites[b])) })
			}
			var shares []string
			for _, pool := range pools {
				seen[pool] = true
				weight, given := p.weights[pool]
				if !given || p.policy == zones.Failover {
					weight = 1
				}
				shares = append(shares, fmt.Sprintf("%s:%d", pool, weight))
			}
			if len(shares) > 0 {
				tiers = append(tiers, strings.TrimPrefix(v+" ", " ")+strings.Join(shares, ","))
			}
		}
		if _, is := p.views[v]; is && slices.Contains(p.fence, v) {
			break
		}
	}
	return strings.Join(tiers, " | ")
}

// Every client has the route that the views and tiers make, however they are written.
func TestRoutesAsPlanned(t *testing.T) {
	var kept Databases
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t)
		set, err := Parse([]byte(p.text()), "testdata/accept/zones.toml", LoadOptions{Now: noon, Databases: &kept})
		if err != nil {
			t.Fatalf("%s\n%v", p.text(), err)
		}
		names := set.Zones[0].Names
		steering := names[len(names)-1].Steering // ntrue comes last
		if names[len(names)-2].Steering != steering {
			t.Errorf("%s\nnames that are steered alike do not share it: %q, %q", p.text(), names[len(names)-2].Steering.Key, steering.Key)
		}
		for _, c := range clients {
			class := 0
			if steering.Map != nil {
				addr, _ := netip.ParseAddr(c.addr)
				class, _ = steering.Map.Find(addr)
			}
			if got, want := written(steering.Routes[class]), p.route(c); got != want {
				t.Errorf("%s\nclient %q has %s\nwant %s", p.text(), c.addr, got, want)
			}
		}
	})
}

// Too many classes are the fault of the name that has the most locations, other errors of databases.
func TestUnanswered(t *testing.T) {
	l := newLoader("zones.toml", newReader("zones.toml"), LoadOptions{})
	name := problem.Top("zones").Key("example.com").Key("names")
	few := &inquiry{Question: geo.Question{Points: make([]geo.Point, 1)}, by: []*steering{{at: name.Key("few")}}}
	many := &inquiry{Question: geo.Question{Points: make([]geo.Point, 2)}, by: []*steering{{at: name.Key("many")}}}
	l.unanswered([]*inquiry{few, many}, fmt.Errorf("%w", geo.ErrClasses))
	l.unanswered([]*inquiry{few, many}, errors.Join(errors.New("one is damaged"), errors.New("two is damaged")))
	errs := l.Errors("zones.toml", func(spots []problem.Spot) []problem.Position { return make([]problem.Position, len(spots)) })
	var paths []string
	for _, p := range errs.Problems {
		paths = append(paths, p.Path)
	}
	if want := []string{"server.geoip", "server.geoip", `zones."example.com".names.many`}; !slices.Equal(paths, want) {
		t.Errorf("problems at %q, want %q", paths, want)
	}
}

// networkViews is a configuration of one name with a view for each of so many networks, and so many
// pools for all others.
func networkViews(views, pools int) string {
	var b strings.Builder
	b.WriteString("[server]\nlisten = [\"127.0.0.1:5300\"]\n[zones.\"example.com\"]\nnameservers = { ns1 = [\"192.0.2.53\"], ns2 = [\"198.51.100.53\"] }\n")
	b.WriteString("[zones.\"example.com\".names.app]\npolicy = \"all\"\n[zones.\"example.com\".names.app.views]\ndefault = [")
	for i := range pools {
		fmt.Fprintf(&b, "\"p%d\",", i)
	}
	b.WriteString("]\n")
	for i := range views {
		fmt.Fprintf(&b, "\"10.%d.%d.0/24\" = [\"p0\"]\n", i>>8, i&255)
	}
	for i := range pools {
		fmt.Fprintf(&b, "[pools.p%d]\nmembers = [\"192.0.2.1\"]\n", i)
	}
	return b.String()
}

// What views of networks take grows with them, not with the square of their number.
func TestManyViews(t *testing.T) {
	const many, most = 3000, 24 << 10 // views, and bytes of memory for each
	text := networkViews(many, 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	set := mustParse(t, text, LoadOptions{})
	runtime.ReadMemStats(&after)
	if took := (after.TotalAlloc - before.TotalAlloc) / many; took > most {
		t.Errorf("%d bytes were needed for each view; want at most %d", took, most)
	}
	keys := make(map[string]bool)
	for _, r := range set.Routes {
		keys[r.Key] = true
	}
	if len(keys) != many+1 {
		t.Errorf("%d routes have %d keys; want %d", len(set.Routes), len(keys), many+1)
	}
}

// Routes multiply: a few thousand pools and views that are each in reason are together too many.
func TestTooManyPlaces(t *testing.T) {
	_, err := Parse([]byte(networkViews(4000, maxPlaces/4000)), "zones.toml", LoadOptions{Now: noon})
	if err == nil || !strings.Contains(err.Error(), `zones."example.com".names.app: with it, pools stand in more than 10000000 places`) {
		t.Errorf("%.300v; want an error that names the name", err)
	}
}
