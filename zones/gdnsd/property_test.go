package gdnsd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gslb/geo/geotest"
	"gslb/zones/config"
)

// cities is a database that knows of some of every kind of place.
const cities = `
2.0.0.0/16  country=US continent=NA subdivision=CA at=37.7,-122.4
2.2.0.0/16  country=US continent=NA subdivision=TX at=32.8,-96.8
2.4.0.0/16  country=MX continent=NA at=19.4,-99.1
3.0.0.0/16  country=DE continent=EU subdivision=BE at=52.5,13.4
3.1.0.0/16  country=CH continent=EU at=47.4,8.5
4.0.0.0/16  country=JP continent=AS at=35.7,139.7
5.0.0.0/16  country=AU continent=OC at=-33.9,151.2
6.0.0.0/16  country=BR continent=SA at=-23.5,-46.6
`

// generator writes a configuration that gdnsd would take.
type generator struct {
	*rapid.T
	b     strings.Builder
	known []string // resources, as a zone file has them
}

func (g *generator) one(of ...string) string { return rapid.SampledFrom(of).Draw(g.T, "one") }

func (g *generator) chance() bool { return rapid.Bool().Draw(g.T, "chance") }

func (g *generator) count(low, high int) int { return rapid.IntRange(low, high).Draw(g.T, "count") }

func (g *generator) ipv4() string { return fmt.Sprintf("192.0.2.%d", g.count(1, 9)) }
func (g *generator) ipv6() string { return fmt.Sprintf("2001:db8::%d", g.count(1, 9)) }

// options are those that hold for addresses.
func (g *generator) options(thresh, multi bool) string {
	s := ""
	if g.chance() {
		s += " service_types => " + g.one("up", "down", "web", "tcp", "[ web, tcp ]", "ext", "[ web, down ]")
	}
	if thresh && g.chance() {
		s += " up_thresh => " + g.one("0.01", "0.3", "0.333", "0.5", "0.9", "1.0", "1e-3")
	}
	if multi && g.chance() {
		s += " multi => " + g.one("true", "FALSE")
	}
	return s
}

func (g *generator) addresses(addr func() string, value func(string) string) string {
	s := ""
	for i := range g.count(1, 5) {
		s += fmt.Sprintf(" l%d => %s", i, value(addr()))
	}
	return s
}

func (g *generator) families(thresh, multi bool, inner func(addr func() string) string) string {
	switch g.count(0, 3) {
	case 0:
		return g.options(thresh, multi) + inner(g.ipv4)
	case 1:
		return g.options(thresh, multi) + inner(g.ipv6)
	case 2:
		return g.options(thresh, multi) + " addrs_v4 => {" + inner(g.ipv4) + g.options(thresh, multi) + " }"
	}
	return g.options(thresh, multi) + " addrs_v4 => {" + inner(g.ipv4) + g.options(thresh, multi) + " } addrs_v6 => {" + inner(g.ipv6) + g.options(thresh, multi) + " }"
}

func (g *generator) multifo() string {
	if g.chance() {
		return "[" + strings.Repeat(" "+g.ipv4(), g.count(1, 3)) + " " + g.ipv4() + " ]"
	}
	return "{" + g.families(true, false, func(addr func() string) string {
		return g.addresses(addr, func(a string) string { return a })
	}) + " }"
}

func (g *generator) simplefo() string {
	return "{" + g.families(false, false, func(addr func() string) string {
		return " primary => " + addr() + " secondary => " + addr()
	}) + " }"
}

func (g *generator) weighted() string {
	weigh := func(a string) string {
		return fmt.Sprintf("[ %s, %s ]", a, g.one("1", "1", "2", "3", "100", "1048575"))
	}
	if g.count(0, 3) == 0 {
		return "{ service_types => up" + g.addresses(func() string { return g.one("a.example.net.", "b.example.net.") }, weigh) + " }"
	}
	return "{" + g.families(true, true, func(addr func() string) string {
		if g.chance() {
			return g.addresses(addr, weigh)
		}
		s := ""
		for i := range g.count(1, 3) {
			s += fmt.Sprintf(" g%d => {%s }", i, g.addresses(addr, weigh))
		}
		return s
	}) + " }"
}

// datacenter is a value of a dcmap.
func (g *generator) datacenter() string {
	switch g.count(0, 6) {
	case 0:
		return g.ipv4()
	case 1:
		return "last.example.net."
	case 2:
		return g.multifo()
	case 3:
		return "{ plugin => simplefo" + strings.TrimPrefix(g.simplefo(), "{")
	case 4:
		return "{ plugin => weighted" + strings.TrimPrefix(g.weighted(), "{")
	}
	if len(g.known) == 0 {
		return g.ipv6()
	}
	return "%" + g.one(g.known...)
}

func (g *generator) dcmap(names []string) string {
	s := " dcmap => {"
	for _, name := range names {
		s += " " + name + " => " + g.datacenter()
	}
	return s + " }"
}

var datacenters = []string{"us", "de", "sg"}

// list is a list of datacenters of a map.
func (g *generator) list(auto bool) string {
	if auto && g.chance() {
		return "auto"
	}
	return "[ " + strings.Join(rapid.Permutation(datacenters).Draw(g.T, "order")[:g.count(0, 3)], ", ") + " ]"
}

func (g *generator) place(auto bool, inner map[string]string) string {
	s := " {"
	if g.chance() {
		s += " default => " + g.list(auto)
	}
	for _, key := range []string{"US", "MX", "DE", "JP", "CA", "TX", "Dallas", "NA", "EU", "AS"} {
		text, known := inner[key]
		if known && g.chance() {
			if text == "" {
				text = g.list(auto)
			}
			s += " " + key + " => " + text
		}
	}
	return s + " }"
}

func (g *generator) geoMap() string {
	auto := g.chance()
	s := "{ geoip2_db => City.mmdb datacenters => [ us, de, sg ]"
	if auto {
		s += " auto_dc_coords => { us => [ 38.9, -77 ] de => [ 50.1, 8.7 ] sg => [ 1.3, 103.9 ] } auto_dc_limit => " + g.one("0", "1", "2", "3")
	}
	us := g.place(auto, map[string]string{"CA": "", "TX": "", "Dallas": ""})
	america := g.place(auto, map[string]string{"US": us, "MX": ""})
	s += " map =>" + g.place(auto, map[string]string{"NA": america, "EU": "", "AS": g.place(auto, map[string]string{"JP": ""})})
	if g.chance() {
		s += " nets => { 10.0.0.0/8 => " + g.list(false) + " 10.1.0.0/16 => us 2001:db8:1::/48 => [ de, us ] }"
	}
	if g.chance() {
		s += " ignore_ecs => true"
	}
	return s + " }"
}

func (g *generator) write() string {
	g.b.WriteString("service_types => {\n web => { plugin => http_status, interval => 4, ok_codes => [ 200, 301 ] }\n tcp => { plugin => tcp_connect, port => 25 }\n ext => { plugin => extmon, cmd => [ /bin/true ] }\n}\nplugins => {\n")
	for _, plugin := range []struct {
		name string
		make func() string
	}{{"multifo", g.multifo}, {"simplefo", g.simplefo}, {"weighted", g.weighted}} {
		fmt.Fprintf(&g.b, " %s => {%s\n", plugin.name, g.options(false, false))
		for i := range g.count(1, 3) {
			fmt.Fprintf(&g.b, "  r%d => %s\n", i, plugin.make())
			g.known = append(g.known, fmt.Sprintf("%s!r%d", plugin.name, i))
		}
		g.b.WriteString(" }\n")
	}
	fmt.Fprintf(&g.b, " geoip => {\n  maps => { one => %s two => %s }\n%s\n  resources => {\n", g.geoMap(), g.geoMap(), g.options(false, false))
	for i := range 2 {
		skip := g.one("", " skip_first => true")
		fmt.Fprintf(&g.b, "   r%d => { map => %s%s%s }\n", i, g.one("one", "two"), skip, g.dcmap(datacenters))
		g.known = append(g.known, fmt.Sprintf("geoip!r%d", i), fmt.Sprintf("geoip!r%d/de", i))
	}
	g.b.WriteString("  }\n }\n metafo => { resources => {\n")
	for i := range 3 {
		names := []string{"a", "b", "c"}[:g.count(1, 3)]
		fmt.Fprintf(&g.b, "   r%d => { datacenters => [ %s ]%s%s }\n", i, strings.Join(names, " "), g.options(false, false), g.dcmap(names))
		g.known = append(g.known, fmt.Sprintf("metafo!r%d", i), fmt.Sprintf("metafo!r%d/a", i))
	}
	g.b.WriteString(" } }\n}\n")
	return g.b.String()
}

// Whatever gdnsd's configuration says, what is made of it is a valid zones.toml, with a name for each
// of its own or a note about it; and it is the same each time.
func TestImportsAreValid(t *testing.T) {
	database, err := geotest.Parse("GeoLite2-City", cities)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, folder := range []string{"zones", "geoip"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write := func(t *rapid.T, name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "geoip", "City.mmdb"), database, 0o600); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		g := &generator{T: t}
		text := g.write()
		write(t, configName, text)
		zone := soaLine + "@ NS ns1\nns1 A 192.0.2.53\n"
		for i, resource := range g.known {
			zone += fmt.Sprintf("n%d %s %s %s\n", i, g.one("60", "300/30", "10/1"), g.one("DYNA", "DYNC"), resource)
		}
		write(t, "zones/example.com", zone)
		result, err := Import(dir)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if again, err := Import(dir); err != nil || string(again.Text) != string(result.Text) {
			t.Fatalf("the second time it is another text: %v\n%s", err, text)
		}
		write(t, "zones.toml", string(result.Text))
		set, err := config.Load(filepath.Join(dir, "zones.toml"), config.LoadOptions{Now: time.Unix(1, 0)})
		if err != nil {
			t.Fatalf("%v\nof:\n%s\nfrom:\n%s", err, result.Text, text)
		}
		lost := 0
		for _, n := range result.Notes {
			if strings.Contains(n.Text, ".example.com. is not carried over: ") {
				lost++
			}
		}
		if len(set.Zones) != 1 || len(set.Zones[0].Names)+lost != len(g.known) {
			t.Fatalf("%d names of %d, and %d are noted:\n%s", len(set.Zones[0].Names), len(g.known), lost, result.Text)
		}
	})
}
