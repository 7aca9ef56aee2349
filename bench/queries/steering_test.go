package queries

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/bench/geodb"
)

// TestRender fills in every template for a content with pools and for one without.
func TestRender(t *testing.T) {
	s := setup{
		content: content{names: 3, pools: 2}, schedule: schedule{interval: time.Minute, fall: 3},
		dir: t.TempDir(), master: "/elsewhere/zone.db",
		listen: netip.MustParseAddrPort("127.0.0.1:5300"), admin: netip.MustParseAddrPort("127.0.0.1:8053"),
		checks: netip.MustParseAddrPort("[::]:8080"),
	}
	steered := s
	steered.content = content{
		names: 10, pools: 5, views: tenViews, clients: places(t), policies: []string{failover, weighted, all, sticky, byView},
	}
	networks, err := steered.clients.Networks(geodb.FirstASN)
	if err != nil || len(networks) == 0 {
		t.Fatalf("networks of an autonomous system: %v, %v", networks, err)
	}
	static := s
	static.content = content{names: 3}
	for _, test := range []struct {
		template string
		setup    setup
		want     []string // lines that must be there, in this order
		not      string   // what must not be there
	}{
		{"zones.toml", s, []string{
			`listen = ["127.0.0.1:5300"]`, `listen = "127.0.0.1:8053"`,
			`url           = "http://{address}:8080/"`, `interval      = "1m0s"`, `fall          = 3`,
			`[pools.p0]`, `members = ["127.1.0.1", "fd00:1::1"]`, `[pools.p1]`, `members = ["127.1.0.2", "fd00:1::2"]`,
			`[zones."gslb.example.com"]`, `nameservers    = { ns1 = ["192.0.2.53"], ns2 = ["198.51.100.53"] }`,
			`[zones."gslb.example.com".names]`,
			`n0000000 = { pools = ["p0", "p1"] }`, `n0000001 = { pools = ["p1", "p0"] }`, `n0000002 = { pools = ["p0", "p1"] }`,
		}, "file ="},
		{"zones.toml", static, []string{`listen = ["127.0.0.1:5300"]`, `[zones."gslb.example.com"]`, `file = "zone.db"`}, "pools"},
		{"gdnsd.conf", s, []string{
			`listen => [ 127.0.0.1:5300 ]`, `udp_threads => 1`, `port => 8080`, `interval => 60`,
			`n0000000 => {`, `addrs_v4 => { primary => 127.1.0.1, secondary => 127.1.0.2 }`,
			`addrs_v6 => { primary => fd00:1::1, secondary => fd00:1::2 }`,
			`n0000001 => {`, `addrs_v4 => { primary => 127.1.0.2, secondary => 127.1.0.1 }`, `n0000002 => {`,
		}, "zone.db"},
		{"gdnsd.conf", static, []string{`listen => [ 127.0.0.1:5300 ]`}, "plugins"},
		{"gdnsd.zone", s, []string{
			`@ 20 SOA ns1 hostmaster 1 3600 600 86400 5`, `@ 20 NS ns1`, `ns1 20 A 192.0.2.53`, `@ 20 NS ns2`,
			`n0000000 20 DYNA simplefo!n0000000`, `n0000002 20 DYNA simplefo!n0000002`,
		}, "n0000003"},
		{"zones.toml", steered, []string{
			`geoip  = ["City.mmdb", "ASN.mmdb"]`,
			`n0000000 = { pools = ["p0", "p1"] }`,
			`n0000001 = { policy = "weighted", pools = ["p0", "p1", "p2"], weights = { p0 = 3, p1 = 2, p2 = 1 } }`,
			`n0000002 = { policy = "all", pools = ["p0", "p1", "p2"], weights = { p0 = 3, p1 = 2, p2 = 1 } }`,
			`n0000003 = { policy = "sticky", pools = ["p0", "p1", "p2"], weights = { p0 = 3, p1 = 2, p2 = 1 } }`,
			`n0000004 = { views = { "asn:1000" = ["p0", "p1"], "subdivision:US-CA" = ["p1", "p2"], "country:US" = ["p2", "p3"], "country:DE" = ["p3", "p4"], ` +
				`"country:IN" = ["p4", "p0"], "country:CN" = ["p0", "p1"], "continent:NA" = ["p1", "p2"], "continent:EU" = ["p2", "p3"], "continent:AS" = ["p3", "p4"], "default" = ["p4", "p0"] } }`,
			`n0000005 = { pools = ["p1", "p2"] }`,
		}, "file ="},
		{"gdnsd.conf", steered, []string{
			`n0000000 => {`, `addrs_v4 => { primary => 127.1.0.1, secondary => 127.1.0.2 }`,
			`n0000001 => {`, `addrs_v4 => { p0 => [ 127.1.0.1, 3 ] p1 => [ 127.1.0.2, 2 ] p2 => [ 127.1.0.3, 1 ] }`,
			`n0000002 => {`, `addrs_v6 => [ fd00:1::1, fd00:1::2, fd00:1::3 ]`,
			`geoip2_db => ` + s.dir + `/City.mmdb`, `datacenters => [ dc0, dc1, dc2, dc3, dc4, dc5, dc6, dc7, dc8, dc9 ]`,
			`US => { CA => [ dc1, dc2 ], default => [ dc2, dc3 ] }`, `default => [ dc9, dc0 ]`,
			networks[0].String() + ` => [ dc0, dc1 ]`,
			`n0000004 => {`, `map => world`,
		}, "n0000003"},
		{"gdnsd.zone", steered, []string{
			`n0000000 20 DYNA simplefo!n0000000`, `n0000001 20 DYNA weighted!n0000001`, `n0000002 20 DYNA multifo!n0000002`,
			`n0000004 20 DYNA geoip!n0000004`, `n0000005 20 DYNA simplefo!n0000005`,
		}, "n0000003"},
	} {
		file := filepath.Join(s.dir, "out")
		if err := test.setup.render(file, test.template); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if len(got) < len(test.want) && line == test.want[len(got)] {
				got = append(got, line)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" || strings.Contains(string(text), test.not) {
			t.Errorf("%s with %+v has a %q, or lacks some lines (-want +got):\n%s\n%s", test.template, test.setup.content, test.not, diff, text)
		}
	}
	if err := s.render(filepath.Join(s.dir, "out"), "nothing"); err == nil {
		t.Error("a template that is not there was rendered")
	}
}
