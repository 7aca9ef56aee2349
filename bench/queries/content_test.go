package queries

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"pgregory.net/rapid"
)

// TestMaster has another parser read the master file: every name must have exactly the
// addresses that questions expect.
func TestMaster(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := content{
			names: rapid.IntRange(1, 300).Draw(t, "names"),
			pools: rapid.IntRange(0, 20).Draw(t, "pools"),
			shift: rapid.IntRange(0, 5).Draw(t, "shift"),
		}
		if c.pools > 1 {
			c.groups = rapid.IntRange(0, 3).Draw(t, "groups")
		}
		var file strings.Builder
		if err := c.writeMaster(&file); err != nil {
			t.Fatal(err)
		}
		got := make(map[string][]string)
		parser := dns.NewZoneParser(strings.NewReader(file.String()), zone, "")
		for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
			header := rr.Header()
			if header.Ttl != ttl {
				t.Errorf("TTL of %v, want %d", rr, ttl)
			}
			key := header.Name + " " + dns.TypeToString[header.Rrtype]
			got[key] = append(got[key], strings.TrimPrefix(rr.String(), header.String()))
		}
		if err := parser.Err(); err != nil {
			t.Fatal(err)
		}
		delete(got, zone+" SOA")
		want := map[string][]string{zone + " NS": apexNS().data}
		for _, ns := range nameservers {
			want[ns.Label+"."+zone+" A"] = []string{ns.Addr}
		}
		for name := range c.names {
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
				if q := c.ask(name, qtype); len(q.data) > 0 {
					want[q.name+" "+dns.TypeToString[qtype]] = q.data
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	})
}

func TestAddrs(t *testing.T) {
	for _, test := range []struct {
		what    string
		content content
		name    int
		want    []string
	}{
		{"of a pool", content{pools: 10}, 3, []string{"127.1.0.4", "fd00:1::4"}},
		{"of a pool that others have too", content{pools: 10}, 23, []string{"127.1.0.4", "fd00:1::4"}},
		{"of a pool with a large number", content{pools: 1000}, 255, []string{"127.1.1.0", "fd00:1::100"}},
		{"of the pool that all have", content{pools: 10, groups: 1}, 3, []string{"127.1.0.1", "fd00:1::1"}},
		{"of the next one", content{pools: 10, groups: 1, shift: 1}, 3, []string{"127.1.0.2", "fd00:1::2"}},
		{"of the last one's next", content{pools: 10, shift: 1}, 9, []string{"127.1.0.1", "fd00:1::1"}},
		{"static", content{}, 70_000, []string{"10.1.17.112"}},
		{"static, shifted", content{shift: 1}, 70_000, []string{"10.1.17.113"}},
	} {
		var want []netip.Addr
		for _, addr := range test.want {
			want = append(want, netip.MustParseAddr(addr))
		}
		if diff := cmp.Diff(want, test.content.addrs(test.name), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("address %s (-want +got):\n%s", test.what, diff)
		}
	}
}
