//go:build integration

package decisions

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/geo/geotest"
	"gslb/integration/parts"
)

// databases makes the databases of testdata/networks.txt, one of places and one of autonomous
// systems, and returns their paths.
func databases(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/networks.txt")
	must(t, err)
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "City.mmdb"), filepath.Join(dir, "ASN.mmdb")}
	writeDatabases(t, paths, string(text))
	return paths
}

func writeDatabases(t *testing.T, paths []string, table string) {
	t.Helper()
	var places, systems strings.Builder
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		isSystem := func(word string) bool { return strings.HasPrefix(word, "asn=") }
		if rest := slices.DeleteFunc(slices.Clone(words), isSystem); len(rest) > 1 {
			places.WriteString(strings.Join(rest, " ") + "\n")
		}
		if i := slices.IndexFunc(words, isSystem); i > 0 {
			systems.WriteString(words[0] + " " + words[i] + "\n")
		}
	}
	for i, kind := range []string{"GeoLite2-City", "GeoLite2-ASN"} {
		database, err := geotest.Parse(kind, []string{places.String(), systems.String()}[i])
		must(t, err)
		must(t, os.WriteFile(paths[i]+".new", database, 0o644))
		must(t, os.Rename(paths[i]+".new", paths[i]))
	}
}

const geoConfig = `
[pools]
usa    = { members = ["10.8.2.1"] }
german = { members = ["10.8.2.2"] }
rest   = { members = ["10.8.2.3"] }

[zones."decisions.example"]
nameservers = { ns1 = ["192.0.2.53"] }

[zones."decisions.example".names.app.views]
"country:US"  = ["usa"]
"country:DE"  = ["german"]
"198.51.100.0/24" = ["german"]
default       = ["rest"]
`

// pool is the one that answers a name for a subnet.
func (w *world) pool(t *testing.T, name string, subnet netip.Prefix) string {
	t.Helper()
	return w.poolOf(t, w.replies(t, question{name: name + "." + w.zone, qtype: dns.TypeA, subnet: subnet}, 1)[0])
}

// TestReplacedDatabase replaces a database by one that says something else, by what is none, and by
// a good one again.
func TestReplacedDatabase(t *testing.T) {
	paths := databases(t)
	w := serve(t, geoConfig, settings{GeoIP: paths[:1]})
	client := netip.MustParsePrefix("198.18.0.0/24")
	if got := w.pool(t, "app", client); got != "usa" {
		t.Fatalf("%v: %s, want usa", client, got)
	}

	hash := w.config(t).Hash
	// A view that no client is in would be refused.
	const others = "100.64.0.0/24 country=US continent=NA\n100.64.1.0/24 country=DE continent=EU\n"
	writeDatabases(t, paths, others+"198.18.0.0/24 country=DE continent=EU\n")
	w.awaitConfig(t, "the new database is live", func(c liveConfig) bool { return c.Hash != hash })
	if got := w.pool(t, "app", client); got != "german" {
		t.Errorf("%v after the database was replaced: %s, want german", client, got)
	}

	must(t, os.WriteFile(paths[0]+".new", bytes.Repeat([]byte("no database\n"), 100), 0o644))
	must(t, os.Rename(paths[0]+".new", paths[0]))
	w.awaitConfig(t, "the bad database is refused", func(c liveConfig) bool { return strings.Contains(c.LastReloadError, "City.mmdb") })
	if got := w.pool(t, "app", client); got != "german" {
		t.Errorf("%v after a bad database: %s, want german", client, got)
	}

	writeDatabases(t, paths, others+"198.18.0.0/24 country=FR continent=EU\n")
	w.awaitConfig(t, "the good database is live", func(c liveConfig) bool { return c.LastReloadError == "" })
	if got := w.pool(t, "app", client); got != "rest" {
		t.Errorf("%v after a good database: %s, want rest", client, got)
	}
}

// TestClientSubnetOff does not believe the option: it counts for nothing and does not come back.
func TestClientSubnetOff(t *testing.T) {
	w := serve(t, geoConfig, settings{GeoIP: databases(t)[:1], Server: "client_subnet = false"})
	for _, test := range []struct{ from, subnet, want string }{
		{"198.18.0.1", "198.18.4.0/24", "usa"},
		{"198.18.4.1", "198.18.0.0/24", "german"},
		{"203.0.113.1", "198.18.0.0/24", "rest"},
		{"2001:db8:1::1", "0.0.0.0/0", "usa"},
	} {
		q := question{name: "app." + w.zone, qtype: dns.TypeA, from: netip.MustParseAddr(test.from), subnet: netip.MustParsePrefix(test.subnet)}
		r := w.replies(t, q, 1)[0]
		if got := w.poolOf(t, r); got != test.want || r.scope != -1 {
			t.Errorf("%v: %s with scope %d, want %s without the option", q, got, r.scope, test.want)
		}
	}
}

// TestDualStack has one socket for both families, where an IPv4 client has an IPv6 address.
func TestDualStack(t *testing.T) {
	w := serve(t, geoConfig, settings{GeoIP: databases(t)[:1], DualStack: true})
	for from, want := range map[string]string{"198.18.0.1": "usa", "198.18.4.1": "german", "198.51.100.9": "german", "203.0.113.1": "rest", "2001:db8:1::1": "usa"} {
		for _, tcp := range []bool{false, true} {
			q := question{name: "app." + w.zone, qtype: dns.TypeA, from: netip.MustParseAddr(from), tcp: tcp}
			if got := w.poolOf(t, w.replies(t, q, 1)[0]); got != want {
				t.Errorf("%v: %s, want %s", q, got, want)
			}
		}
	}
}

// TestOddSubnets sends options that are not as most resolvers send them: what RFC 7871, section 6,
// allows is answered, and anything else is a format error.
func TestOddSubnets(t *testing.T) {
	w := serve(t, geoConfig, settings{GeoIP: databases(t)[:1]})
	for _, test := range []struct{ name, data, want, back string }{
		{"a family without addresses", "\x00\x00\x00\x00", "rest", "\x00\x00\x00\x00"},
		{"no address", "\x00\x02\x00\x00", "rest", "\x00\x02\x00\x00"},
		{"part of an octet", "\x00\x01\x17\x00\xc6\x12\x00", "usa", "\x00\x01\x17\x17\xc6\x12\x00"},
		{"IPv4 as IPv6", "\x00\x02\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc6\x12\x04\x01", "german", "\x00\x02\x80\x78\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc6\x12\x04\x01"},
		{"bits beyond the prefix", "\x00\x01\x17\x00\xc6\x12\x01", "FORMERR", ""},
		{"a prefix longer than an address", "\x00\x01\x21\x00\xc6\x12\x00\x01\x00", "FORMERR", ""},
		{"fewer octets than the prefix has", "\x00\x01\x18\x00\xc6\x12", "FORMERR", ""},
		{"more octets than the prefix has", "\x00\x01\x10\x00\xc6\x12\x00", "FORMERR", ""},
		{"a scope", "\x00\x01\x18\x18\xc6\x12\x00", "FORMERR", ""},
		{"an unknown family", "\x00\x03\x08\x00\xc6", "FORMERR", ""},
		{"a prefix without a family", "\x00\x00\x08\x00\xc6", "FORMERR", ""},
		{"nothing", "", "FORMERR", ""},
	} {
		query := new(dns.Msg).SetQuestion("app."+w.zone, dns.TypeA)
		query.SetEdns0(1232, false)
		query.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: dns.EDNS0SUBNET, Data: []byte(test.data)}}
		packed, err := query.Pack()
		must(t, err)
		rcode, addrs, back := w.exchange(t, packed)
		got := dns.RcodeToString[rcode]
		if rcode == dns.RcodeSuccess {
			got = w.poolOf(t, reply{addrs: addrs})
		}
		if got != test.want || back != test.back {
			t.Errorf("%s: %s with option %q, want %s with %q", test.name, got, back, test.want, test.back)
		}
	}
}

// exchange sends a packed query. The client subnet option of the reply is returned as it is.
func (w *world) exchange(t *testing.T, query []byte) (rcode int, addrs []netip.Addr, option string) {
	t.Helper()
	conn, err := net.Dial("udp", w.gslb.Listen.String())
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = conn.Write(query)
	must(t, err)
	packed := make([]byte, 4096)
	n, err := conn.Read(packed)
	must(t, err)
	msg := new(dns.Msg)
	must(t, msg.Unpack(packed[:n]))
	// The OPT record stands last. So the option ends the message, and before it is its length.
	for size := 4; size <= 20 && option == ""; size++ {
		if at := n - size; bytes.HasSuffix(packed[:at], []byte{0, byte(size + 4), 0, dns.EDNS0SUBNET, 0, byte(size)}) {
			option = string(packed[at:n])
		}
	}
	return msg.Rcode, parts.Addresses(msg.Answer), option
}

// scopeConfig has views that lie within each other, in both families, and distances.
const scopeConfig = `
[pools]
a = { members = ["10.8.3.1"], location = [37.8, -122.4] }
b = { members = ["10.8.3.2"], location = [40.7, -74.0] }
c = { members = ["10.8.3.3"], location = [52.5, 13.4] }
d = { members = ["10.8.3.4"], location = [-36.9, 174.8] }

[zones."decisions.example"]
nameservers = { ns1 = ["192.0.2.53"] }

[zones."decisions.example".names.views.views]
"198.18.0.0/25"       = ["a"]
"198.18.0.64/28"      = ["b"]
"198.18.3.7/32"       = ["d"]
"198.18.0.0/20"       = ["c", "d"]
"2001:db8:1:8000::/49" = ["b"]
"2001:db8:1::1/128"   = ["d"]
"asn:64503"           = ["b"]
"country:US"          = ["a", "b"]
"continent:OC"        = ["d"]
default               = ["c"]

[zones."decisions.example".names.country.views]
"country:US" = ["a"]
"country:DE" = ["c"]
default      = ["d"]

[zones."decisions.example".names]
nearest = { policy = "nearest", pools = ["a", "b", "c", "d"] }
`

// TestScope goes over the whole table of networks: whatever one client is told, with the scope that
// it is told for, every other client within that scope is told as well (RFC 7871, section 7.2.1).
func TestScope(t *testing.T) {
	w := serve(t, scopeConfig, settings{GeoIP: databases(t)})
	edges := edgesOf(t)
	for _, name := range []string{"views", "country", "nearest"} {
		told := make(map[netip.Addr]string, len(edges))
		scopes := make(map[netip.Addr]netip.Prefix, len(edges))
		for _, addr := range edges {
			q := question{name: name + "." + w.zone, qtype: dns.TypeA, subnet: netip.PrefixFrom(addr, addr.BitLen())}
			r := w.replies(t, q, 1)[0]
			scope, err := addr.Prefix(r.scope)
			must(t, err)
			told[addr], scopes[addr] = r.answer(), scope
			if !addr.IsGlobalUnicast() {
				continue
			}
			q.subnet, q.from = netip.Prefix{}, addr
			if sender := w.replies(t, q, 1)[0]; sender.answer() != r.answer() {
				t.Errorf("%s: %v is told %s as a sender, and %s by the option", name, addr, sender.answer(), r.answer())
			}
		}
		for addr, scope := range scopes {
			for _, other := range edges {
				if scope.Contains(other) && told[other] != told[addr] {
					t.Errorf("%s: %v is told %s for %v, in which %v is told %s", name, addr, told[addr], scope, other, told[other])
				}
			}
		}
		// With a shorter source the scope is no longer than it.
		for _, bits := range []int{8, 16, 20, 24, 25} {
			source := netip.PrefixFrom(netip.MustParseAddr("198.18.0.0"), bits).Masked()
			if r := w.replies(t, question{name: name + "." + w.zone, qtype: dns.TypeA, subnet: source}, 1)[0]; r.scope > bits {
				t.Errorf("%s: source length %d, scope %d", name, bits, r.scope)
			}
		}
	}
}

// edgesOf are the first and last addresses of all networks that matter, and their neighbours.
func edgesOf(t *testing.T) []netip.Addr {
	t.Helper()
	table, err := os.ReadFile("testdata/networks.txt")
	must(t, err)
	words := strings.Fields(strings.NewReplacer(`"`, " ", "=", " ").Replace(scopeConfig + string(table)))
	edges := []netip.Addr{netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("255.255.255.255"), netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("2400::1")}
	for _, word := range words {
		network, err := netip.ParsePrefix(word)
		if err != nil {
			continue
		}
		first, last := network.Masked().Addr(), lastOf(network)
		edges = append(edges, first, first.Prev(), last, last.Next())
	}
	slices.SortFunc(edges, netip.Addr.Compare)
	return slices.Compact(edges)
}

func lastOf(network netip.Prefix) netip.Addr {
	bytes := network.Masked().Addr().AsSlice()
	for bit := network.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	addr, _ := netip.AddrFromSlice(bytes)
	return addr
}
