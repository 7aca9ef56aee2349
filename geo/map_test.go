package geo

import (
	"net/netip"
	"slices"
	"testing"
)

const world = `
	2.0.0.0/8      country=US continent=NA subdivision=CA at=37.7,-122.4
	2.1.0.0/16     country=US continent=NA subdivision=NY at=40.7,-74.0
	3.0.0.0/9      country=GB continent=EU subdivision=ENG,WSM at=51.5,-0.1
	3.128.0.0/9    registered=DE continent=EU
	5.0.0.0/8      country=NA continent=AF
	2001:db8::/32  country=US continent=NA subdivision=CA
	2001:db8:1::/48 country=CA continent=NA
	2a00:1:2:3:8000::/65 country=FR continent=EU
`

func TestFind(t *testing.T) {
	q := Question{Views: views(t, "default", "continent:NA", "continent:EU", "country:US", "country:DE", "country:NA", "subdivision:US-CA",
		"subdivision:GB-ENG", "subdivision:GB-WSM", "asn:64500", "2.2.0.0/16", "2.2.3.0/24", "2.2.3.4/32", "2001:db8:0:1:8000::/66", "2001:db8::/40")}
	m := load(t, q, file(t, "City.mmdb", world), file(t, "ASN.mmdb", `
		2.2.3.0/25   asn=64500
		9.9.0.0/16   asn=64500
		2001:db8:ff::/48 asn=64500
	`))
	for _, c := range []struct {
		addr   string
		views  string
		length int
	}{
		{"2.200.0.1", "subdivision:US-CA country:US continent:NA default", 9},
		{"2.1.2.3", "country:US continent:NA default", 16},
		{"2.0.2.3", "subdivision:US-CA country:US continent:NA default", 16},
		{"2.2.9.1", "2.2.0.0/16 subdivision:US-CA country:US continent:NA default", 21},
		{"2.2.3.200", "2.2.3.0/24 2.2.0.0/16 subdivision:US-CA country:US continent:NA default", 25},
		{"2.2.3.4", "2.2.3.4/32 2.2.3.0/24 2.2.0.0/16 asn:64500 subdivision:US-CA country:US continent:NA default", 32},
		{"::ffff:2.2.3.4", "2.2.3.4/32 2.2.3.0/24 2.2.0.0/16 asn:64500 subdivision:US-CA country:US continent:NA default", 32},
		{"2.2.3.5", "2.2.3.0/24 2.2.0.0/16 asn:64500 subdivision:US-CA country:US continent:NA default", 32},
		{"2.2.3.64", "2.2.3.0/24 2.2.0.0/16 asn:64500 subdivision:US-CA country:US continent:NA default", 26},
		{"3.1.1.1", "subdivision:GB-WSM subdivision:GB-ENG continent:EU default", 9},
		{"3.200.1.1", "country:DE continent:EU default", 9},
		{"5.1.1.1", "country:NA default", 8},
		{"9.9.9.9", "asn:64500 default", 16},
		{"200.1.1.1", "default", 1},
		{"2001:db8:80::1", "2001:db8::/40 subdivision:US-CA country:US continent:NA default", 42},
		{"2001:db8:100::1", "subdivision:US-CA country:US continent:NA default", 40},
		{"2001:db8:1::1", "2001:db8::/40 continent:NA default", 48},
		{"2001:db8:ff::1", "2001:db8::/40 asn:64500 subdivision:US-CA country:US continent:NA default", 48},
		{"2001:db8:0:1:bfff::", "2001:db8:0:1:8000::/66 2001:db8::/40 subdivision:US-CA country:US continent:NA default", 66},
		{"2001:db8:0:1:c000::", "2001:db8::/40 subdivision:US-CA country:US continent:NA default", 66},
		{"2001:db8:0:1::", "2001:db8::/40 subdivision:US-CA country:US continent:NA default", 65},
		{"2001:db8:0:0::", "2001:db8::/40 subdivision:US-CA country:US continent:NA default", 64},
		{"2a00:1:2:3:8000::%eth0", "continent:EU default", 65},
		{"2a00:1:2:3:7000::", "default", 65},
		{"2a00:1:2:2::", "default", 64},
		{"ffff::", "default", 1},
		{"2002:202:304::", "default", 15},
		{"2001:0:202:304::", "default", 21},
		{"::2.2.3.4", "default", 3},
	} {
		class, length := m.Find(addr(t, c.addr))
		if got := names(q, m.Classes()[class]); got != c.views || length != c.length {
			t.Errorf("%s: %s, %d; want %s, %d", c.addr, got, length, c.views, c.length)
		}
	}
	if class, length := m.Find(netip.Addr{}); class != Nobody || length != 0 || names(q, m.Classes()[class]) != "default" {
		t.Errorf("nobody is in class %d by %d bits", class, length)
	}
}

// A network is not the view of a client of whom less is known than that it is in this network.
func TestWithin(t *testing.T) {
	q := Question{Views: views(t, "default", "country:US", "2.2.0.0/16", "2.2.0.0/24", "2.2.0.0/32", "2001:db8::/48", "0.0.0.0/0")}
	m := load(t, q, file(t, "City.mmdb", world))
	for _, c := range []struct {
		network, views string
	}{
		{"2.2.0.0/32", "2.2.0.0/32 2.2.0.0/24 2.2.0.0/16 0.0.0.0/0 country:US default"},
		{"2.2.0.0/31", "2.2.0.0/24 2.2.0.0/16 0.0.0.0/0 country:US default"},
		{"2.2.0.0/24", "2.2.0.0/24 2.2.0.0/16 0.0.0.0/0 country:US default"},
		{"2.2.0.0/23", "2.2.0.0/16 0.0.0.0/0 country:US default"},
		{"2.2.0.0/16", "2.2.0.0/16 0.0.0.0/0 country:US default"},
		{"2.2.0.0/15", "0.0.0.0/0 country:US default"},
		{"2.2.9.0/24", "2.2.0.0/16 0.0.0.0/0 country:US default"},
		{"9.0.0.0/1", "0.0.0.0/0 default"},
		{"2001:db8::/128", "2001:db8::/48 country:US default"},
		{"2001:db8::/48", "2001:db8::/48 country:US default"},
		{"2001:db8::/47", "country:US default"},
	} {
		network := netip.MustParsePrefix(c.network)
		class, _ := m.Find(network.Addr())
		if got := names(q, m.Classes()[m.Within(class, network.Bits())]); got != c.views {
			t.Errorf("%s: %s; want %s", c.network, got, c.views)
		}
	}
	if got := m.Within(Nobody, 0); got != Nobody {
		t.Errorf("nobody is in class %d", got)
	}
}

// A view that no client is in is in no class, and a class that no client is in does not exist.
func TestClasses(t *testing.T) {
	q := Question{Views: views(t, "country:US", "country:ZZ", "2.1.0.0/16", "2.0.0.0/8")}
	m := load(t, q, file(t, "City.mmdb", world))
	want := []Class{{}, {Views: []int{3, 0}}, {Views: []int{2, 3, 0}}, {Views: []int{0}}}
	if !slices.EqualFunc(m.Classes(), want, func(a, b Class) bool { return slices.Equal(a.Views, b.Views) && a.Order == nil }) {
		t.Errorf("%v; want %v", m.Classes(), want)
	}
}

func TestFindNothing(t *testing.T) {
	m := load(t, Question{Views: views(t, "default")})
	for _, a := range []string{"0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"} {
		if class, length := m.Find(addr(t, a)); class != Nobody || length != 0 {
			t.Errorf("%s: class %d, %d bits; want nobody's, and 0", a, class, length)
		}
	}
	if n := m.Size(); n > 100 {
		t.Errorf("a map of one class takes %d octets", n)
	}
}

func TestFindDoesNotAllocate(t *testing.T) {
	m := load(t, Question{Views: views(t, "country:US", "2001:db8::1/128", "default")}, file(t, "City.mmdb", world))
	for _, s := range []string{"2.1.1.1", "::ffff:2.1.1.1", "2001:db8::1", "fe80::1%eth0"} {
		a := addr(t, s)
		if n := testing.AllocsPerRun(100, func() { m.Find(a) }); n != 0 {
			t.Errorf("%s: %v allocations", s, n)
		}
	}
}
