package answer

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"gslb/geo/geotest"
	"gslb/zones/config"
)

// scopeText has names whose answers depend on the client in each way there is, and names that lead to
// them. The pools of two members are never rotated, so that only the client makes a difference.
const scopeText = `
[server]
listen = ["127.0.0.1:0"]
geoip  = ["geo.mmdb"]
[pools]
p0 = { members = ["203.0.113.10", "2001:db8::10"], location = [40.7, -74.0] }
p1 = { members = ["203.0.113.11", "2001:db8::11"], location = [52.4, 4.9] }
p2 = { members = ["203.0.113.12", "2001:db8::12"], location = [1.3, 103.8] }
p3 = { members = ["203.0.113.13"], location = [-33.9, 151.2] }
to = { cname = "views.gslb.example.com." }
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
records = '''
alias CNAME views
chain CNAME alias
srv   SRV   1 1 80 views
*.wild CNAME sticky
'''
[zones."gslb.example.com".names]
plain    = { pools = ["p0", "p1"] }
weighted = { policy = "weighted", pools = ["p0", "p1"] }
sticky   = { policy = "sticky", pools = ["p0", "p1", "p2", "p3"] }
views    = { policy = "weighted", views = { VIEWS "country:US" = ["p1"], "subdivision:US-CA" = ["p2"], "asn:64500" = ["p3"], default = ["p0"] } }
both     = { policy = "sticky", views = { VIEWS "continent:EU" = ["p1", "p2"], default = ["p0"] } }
nearest  = { policy = "nearest", pools = ["p0", "p1", "p2", "p3"] }
through  = { pools = ["to"] }
[zones."other.example"]
nameservers = { "views.gslb.example.com." = [] }
records = "sub NS views.gslb.example.com."
`

const scopeDatabase = `
2.0.0.0/8       country=US continent=NA at=37.7,-122.4
2.16.0.0/12     country=US continent=NA subdivision=CA asn=64500
2.16.128.0/17   country=FR continent=EU at=48.9,2.3
3.0.0.0/9       country=DE continent=EU at=52.5,13.4
3.5.7.0/24      country=SG continent=AS at=1.3,103.9
2001:db8::/32   country=US continent=NA at=40,-74
2001:db8:5::/48 country=FR continent=EU
2001:db8:5:7:8000::/65 country=US asn=64500
`

// scopeTable has these views besides those of databases.
func scopeTable(t testing.TB, views string) *Table {
	t.Helper()
	dir := t.TempDir()
	data, err := geotest.Parse("GeoIP2-City", scopeDatabase)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "geo.mmdb"), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	set, err := config.Parse([]byte(strings.ReplaceAll(scopeText, "VIEWS ", views)), filepath.Join(dir, "zones.toml"), config.LoadOptions{Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	return compile(set)
}

// edges are the first and the last address of prefixes, and those beside them: where answers may
// change.
func edges(prefixes []netip.Prefix) (list []netip.Addr) {
	for _, p := range prefixes {
		last := p.Addr().AsSlice()
		for bit := p.Bits(); bit < len(last)*8; bit++ {
			last[bit/8] |= 0x80 >> (bit % 8)
		}
		end, _ := netip.AddrFromSlice(last)
		for _, addr := range []netip.Addr{p.Addr(), p.Addr().Prev(), end, end.Next()} {
			if addr.IsValid() {
				list = append(list, addr)
			}
		}
	}
	return list
}

// textOf is all that a reply has, in a form to compare.
func textOf(r Reply) string {
	return strings.Join(slices.Concat(texts(r.Answer), texts(r.Authority), texts(r.Additional)), "\n")
}

// TestScope holds every scope to what it says: for all clients within it, the reply is the same. The
// clients are those at the edges of all networks that anything is known of, so that none is left out
// whose reply might be another.
func TestScope(tb *testing.T) {
	known := []string{"0.0.0.0/0", "::/0"}
	for _, line := range strings.Split(strings.TrimSpace(scopeDatabase), "\n") {
		known = append(known, strings.Fields(line)[0])
	}
	rapid.Check(tb, func(t *rapid.T) {
		prefixes := []netip.Prefix{}
		for _, text := range known {
			prefixes = append(prefixes, netip.MustParsePrefix(text))
		}
		var views strings.Builder
		pool := rapid.IntRange(0, 3)
		seen := map[netip.Prefix]bool{}
		for range rapid.IntRange(0, 6).Draw(t, "networks") {
			var p netip.Prefix
			if rapid.Bool().Draw(t, "IPv4") {
				p = netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(rapid.IntRange(1, 3).Draw(t, "a")), rapid.SampledFrom([]byte{0, 5, 16}).Draw(t, "b"), 7, 0}), rapid.IntRange(1, 32).Draw(t, "length"))
			} else {
				p = netip.PrefixFrom(netip.MustParseAddr("2001:db8:5:7::"), rapid.IntRange(1, 128).Draw(t, "length"))
			}
			if p = p.Masked(); seen[p] {
				continue
			}
			seen[p] = true
			prefixes = append(prefixes, p)
			fmt.Fprintf(&views, "%q = [\"p%d\"], ", p, pool.Draw(t, "pool"))
		}
		// Networks that stick together have edges of their own.
		for _, addr := range edges(prefixes) {
			bits := 24
			if addr.Is6() {
				bits = 56
			}
			prefixes = append(prefixes, netip.PrefixFrom(addr, bits).Masked())
		}
		clients := edges(prefixes)
		slices.SortFunc(clients, netip.Addr.Compare)
		clients = slices.Compact(clients)

		table := scopeTable(tb, views.String())
		for _, ask := range []string{"views A", "views AAAA", "both A", "both AAAA", "nearest A", "nearest AAAA", "sticky A", "sticky AAAA", "chain A", "through MX", "through A", "srv SRV", "x.wild A"} {
			name, qtype, _ := strings.Cut(ask, " ")
			replies := make([]string, len(clients))
			scopes := make([]int, len(clients))
			for i, addr := range clients {
				r := table.LookupFor(Client{Addr: addr}, name+".gslb.example.com.", dns.StringToType[qtype])
				replies[i], scopes[i] = textOf(r), r.Scope
				if strings.HasPrefix(name, "sticky") && scopes[i] != map[bool]int{true: 24, false: 56}[addr.Is4()] {
					t.Fatalf("%s for %s: scope %d", ask, addr, scopes[i])
				}
			}
			for i, addr := range clients {
				within := netip.PrefixFrom(addr, scopes[i]).Masked()
				at, _ := slices.BinarySearchFunc(clients, within.Addr(), netip.Addr.Compare)
				for j := at; j < len(clients) && within.Contains(clients[j]); j++ {
					if replies[j] != replies[i] {
						t.Fatalf("%s: %s is told that all of %s get\n%s\nbut %s gets\n%s", ask, addr, within, replies[i], clients[j], replies[j])
					}
				}
			}
		}
	})
}

// Where nothing depends on the client, the scope says so.
func TestScopeOfWhatIsTheSameForAll(t *testing.T) {
	table := scopeTable(t, "")
	client := Client{Addr: netip.MustParseAddr("2.16.1.1")}
	for ask, want := range map[string]int{
		"plain A": 0, "weighted A": 0, "weighted AAAA": 0, "views TXT": 0, "views CNAME": 0, "nope A": 0, "x.views A": 0, "gslb.example.com. SOA": 0,
		"alias CNAME": 0, "srv A": 0, "www.example.org. A": 0, "ns1 A": 0, "x.sub.other.example. A": 0, "sub.other.example. DS": 0,
		"views A": 17, "views AAAA": 17, "views ANY": 17, "alias A": 17, "alias TXT": 0, "srv SRV": 17, "through TXT": 0, "through AAAA": 17,
		"sticky A": 24, "sticky AAAA": 24, "sticky TXT": 0, "gslb.example.com. NS": 0, "other.example. NS": 17,
	} {
		name, qtype, _ := strings.Cut(ask, " ")
		if !strings.HasSuffix(name, ".") {
			name += ".gslb.example.com."
		}
		q := newPackedQuestion(t, name, dns.StringToType[qtype])
		q.client = client
		q.run(t, table)
		if got := q.lookup.Scope(); got != want {
			t.Errorf("%s: scope %d, want %d", ask, got, want)
		}
		q.client = Client{}
		clear(q.msg[6:12])
		q.run(t, table)
		if got := q.lookup.Scope(); got != 0 {
			t.Errorf("%s for nobody: scope %d", ask, got)
		}
	}
}

// A client of which only a part of the address is known is in no network that it may be outside of.
func TestHiddenBits(t *testing.T) {
	table := scopeTable(t, `"9.0.0.0/24" = ["p1"], "9.0.0.0/16" = ["p2"], "2001:db9:9::/64" = ["p1"], `)
	for _, tt := range []struct {
		addr   string
		hidden int
		want   string
	}{
		{"9.0.0.0", 0, "203.0.113.11"}, {"9.0.0.0", 8, "203.0.113.11"}, {"9.0.0.0", 9, "203.0.113.12"}, {"9.0.0.0", 16, "203.0.113.12"},
		{"9.0.0.0", 17, "203.0.113.10"}, {"9.0.0.0", 24, "203.0.113.10"}, {"9.0.1.0", 8, "203.0.113.12"},
		{"2001:db9:9::", 64, "203.0.113.11"}, {"2001:db9:9::", 65, "203.0.113.10"}, {"2001:db9:9::", 72, "203.0.113.10"},
	} {
		r := table.LookupFor(Client{Addr: netip.MustParseAddr(tt.addr), Hidden: tt.hidden}, "views.gslb.example.com.", dns.TypeA)
		if got := strings.TrimPrefix(r.Answer[0].String(), r.Answer[0].Header().String()); got != tt.want {
			t.Errorf("%s without its last %d bits: %s, want %s", tt.addr, tt.hidden, got, tt.want)
		}
	}
}
