package answer

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"gslb/health"
	"gslb/internal/wire"
	"gslb/steer"
)

// steeredText has pools of one family, of both and with a CNAME, and a name for each way in which they
// meet. All pools have a check each, "web@" and the pool's name.
const steeredText = `
[server]
listen = ["127.0.0.1:0"]
[checks.web]
type = "tcp"
address = "{pool}.example:80"
[pools]
four  = { members = ["192.0.2.4"], checks = ["web"] }
six   = { members = ["2001:db8::6"], checks = ["web"] }
both  = { members = ["192.0.2.46", "2001:db8::46"], checks = ["web"] }
twin  = { members = ["192.0.2.46", "192.0.2.47"], checks = ["web"] }
out   = { cname = "lb.example.net.", checks = ["web"] }
in    = { cname = "static.gslb.example.com.", checks = ["web"] }
ping  = { cname = "pong.gslb.example.com.", checks = ["web"] }
pong  = { cname = "ping.gslb.example.com.", checks = ["web"] }
hop   = { cname = "mixed.gslb.example.com.", checks = ["web"] }
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"], "ns.example.net." = [] }
ttl = "20s"
negative_ttl = "5s"
records = '''
static A 192.0.2.80
static TXT "static"
static MX 5 mail.example.net.
alias  CNAME tostatic
srv    SRV 1 1 80 tostatic
srv    SRV 1 1 80 families
srv    SRV 1 1 80 everything
'''
[zones."gslb.example.com".names]
failover   = { pools = ["four", "both"] }
families   = { policy = "weighted", pools = ["four", "six", "both"] }
sticky     = { policy = "sticky", pools = ["four", "six", "both"] }
onlyfour   = { policy = "weighted", pools = ["four", "twin"] }
everything = { policy = "all", pools = ["four", "six", "both", "twin"], order = "fixed" }
tostatic   = { pools = ["in"] }
toout      = { pools = ["out"] }
mixed      = { policy = "weighted", pools = ["four", "out"] }
mixedin    = { policy = "sticky", pools = ["six", "in"] }
"*.wild"   = { pools = ["in"] }
ping       = { pools = ["ping"] }
pong       = { pools = ["pong"] }
hop        = { pools = ["hop"] }
quiet      = { pools = ["four"], when_all_down = "nodata" }
quietalias = { pools = ["out"], when_all_down = "nodata" }
loud       = { pools = ["four"], when_all_down = "servfail" }
loudalias  = { pools = ["out"], when_all_down = "servfail" }
desperate  = { pools = ["four", "both"], when_all_down = "all", order = "fixed" }
`

func TestSteered(t *testing.T) {
	set := parse(t, steeredText)
	up := compile(set)
	const static = "static.gslb.example.com. A 192.0.2.80"
	check := func(t *testing.T, table *Table, rows []question) {
		for _, q := range rows {
			withTimers(t, table, &q)
			q.check(t, table)
		}
	}
	t.Run("up", func(t *testing.T) {
		check(t, up, []question{
			{ask: "failover.gslb.example.com. A", answer: "failover.gslb.example.com. A 192.0.2.4"},
			// Failover takes one pool for both families.
			{ask: "failover.gslb.example.com. AAAA", authority: soa},
			{ask: "onlyfour.gslb.example.com. AAAA", authority: soa},
			{ask: "families.gslb.example.com. TXT", authority: soa},
			// An address that two pools have stands there once.
			{ask: "everything.gslb.example.com. A", answer: "everything.gslb.example.com. A 192.0.2.4\n A 192.0.2.46\n A 192.0.2.47"},
			{ask: "everything.gslb.example.com. AAAA", answer: "everything.gslb.example.com. AAAA 2001:db8::6\n AAAA 2001:db8::46"},

			{ask: "tostatic.gslb.example.com. A", answer: "tostatic.gslb.example.com. CNAME static.gslb.example.com.\n" + static},
			{ask: "ToStatic.gslb.example.com. TXT", answer: "ToStatic.gslb.example.com. CNAME static.gslb.example.com.\nstatic.gslb.example.com. TXT \"static\""},
			{ask: "tostatic.gslb.example.com. MX", answer: "tostatic.gslb.example.com. CNAME static.gslb.example.com.\nstatic.gslb.example.com. MX 5 mail.example.net."},
			{ask: "tostatic.gslb.example.com. AAAA", answer: "tostatic.gslb.example.com. CNAME static.gslb.example.com.", authority: soa},
			{ask: "tostatic.gslb.example.com. CNAME", answer: "tostatic.gslb.example.com. CNAME static.gslb.example.com."},
			{ask: "tostatic.gslb.example.com. ANY", answer: "tostatic.gslb.example.com. CNAME static.gslb.example.com."},
			{ask: "toout.gslb.example.com. A", answer: "toout.gslb.example.com. CNAME lb.example.net."},
			{ask: "toout.gslb.example.com. HTTPS", answer: "toout.gslb.example.com. CNAME lb.example.net."},
			{ask: "alias.gslb.example.com. A", answer: "alias.gslb.example.com. CNAME tostatic.gslb.example.com.\ntostatic.gslb.example.com. CNAME static.gslb.example.com.\n" + static},
			{ask: "a.b.wild.gslb.example.com. A", answer: "a.b.wild.gslb.example.com. CNAME static.gslb.example.com.\n" + static},
			{ask: "a.b.wild.gslb.example.com. NS", answer: "a.b.wild.gslb.example.com. CNAME static.gslb.example.com.", authority: soa},
			{ask: "wild.gslb.example.com. A", authority: soa},
			// The resolver is left to find that two aliases go in a circle.
			{ask: "ping.gslb.example.com. A", answer: "ping.gslb.example.com. CNAME pong.gslb.example.com.\npong.gslb.example.com. CNAME ping.gslb.example.com."},
		})
	})
	down := func(pools ...string) *Table {
		var ids []health.TargetID
		for _, pool := range pools {
			ids = append(ids, health.TargetID("web@"+pool))
		}
		return compile(set, ids...)
	}
	t.Run("down", func(t *testing.T) {
		table := down("four", "six", "both", "out", "in", "twin")
		check(t, table, []question{
			{ask: "quiet.gslb.example.com. A", authority: soa},
			{ask: "quiet.gslb.example.com. ANY", authority: soa},
			{ask: "quietalias.gslb.example.com. A", authority: soa},
			{ask: "quietalias.gslb.example.com. MX", authority: soa},
			{ask: "loud.gslb.example.com. A", rcode: "SERVFAIL", notAuth: true},
			{ask: "loud.gslb.example.com. AAAA", rcode: "SERVFAIL", notAuth: true},
			{ask: "loud.gslb.example.com. MX", authority: soa},
			// All data of a name is its alias's: there is none to be told of.
			{ask: "loudalias.gslb.example.com. A", rcode: "SERVFAIL", notAuth: true},
			{ask: "loudalias.gslb.example.com. MX", rcode: "SERVFAIL", notAuth: true},
			{ask: "desperate.gslb.example.com. A", answer: "desperate.gslb.example.com. 5 A 192.0.2.4\n 5 A 192.0.2.46"},
			{ask: "desperate.gslb.example.com. MX", authority: soa},
		})
	})
}

// answersOf asks often, and returns what is answered, each with how often: the data of the answer
// section with spaces between, in the order in which it stands there.
func answersOf(t *testing.T, table *Table, client Client, qname string, qtype uint16, times int) map[string]int {
	t.Helper()
	got := make(map[string]int)
	q := newPackedQuestion(t, qname, qtype)
	q.lookup.seed = 1 // so that what is drawn is always the same
	for range times {
		clear(q.msg[wire.OffANCount:wire.HeaderSize])
		q.client = client
		var reply dns.Msg
		if err := reply.Unpack(q.run(t, table)); err != nil {
			t.Fatal(err)
		}
		var words []string
		for _, rr := range reply.Answer {
			words = append(words, strings.TrimPrefix(rr.String(), rr.Header().String()))
		}
		if reply.Rcode != dns.RcodeSuccess || len(words) == 0 && len(reply.Ns) != 1 {
			t.Fatalf("%s %s: %v", qname, dns.Type(qtype), &reply)
		}
		got[strings.Join(words, " ")]++
	}
	return got
}

// distinct is the answers, in order, with commas between.
func distinct(got map[string]int) string {
	var list []string
	for answer := range got {
		list = append(list, answer)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// A pool without the family that is asked for is passed over while another has it. Aliases count for
// every family.
func TestFamilies(t *testing.T) {
	table := compile(parse(t, steeredText))
	for _, tt := range []struct{ name, a, aaaa, mx, cname string }{
		{"families", "192.0.2.4, 192.0.2.46", "2001:db8::46, 2001:db8::6", "", ""},
		{"mixed", "192.0.2.4, lb.example.net.", "lb.example.net.", ", lb.example.net.", ", lb.example.net."},
		{"hop", "mixed.gslb.example.com. 192.0.2.4, mixed.gslb.example.com. lb.example.net.", "mixed.gslb.example.com. lb.example.net.",
			"mixed.gslb.example.com., mixed.gslb.example.com. lb.example.net.", "mixed.gslb.example.com."},
	} {
		for qtype, want := range map[uint16]string{dns.TypeA: tt.a, dns.TypeAAAA: tt.aaaa, dns.TypeMX: tt.mx, dns.TypeCNAME: tt.cname} {
			if got := distinct(answersOf(t, table, Client{}, tt.name+".gslb.example.com.", qtype, 100)); got != want {
				t.Errorf("%s %s: %q, want %q", tt.name, dns.Type(qtype), got, want)
			}
		}
	}
}

// Both families of a client stick to one pool, if that has both.
func TestStickyFamilies(t *testing.T) {
	table := compile(parse(t, steeredText))
	four, six := map[string]int{}, map[string]int{}
	for i := range 1000 {
		client := Client{Addr: netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})}
		a := distinct(answersOf(t, table, client, "sticky.gslb.example.com.", dns.TypeA, 3))
		aaaa := distinct(answersOf(t, table, client, "sticky.gslb.example.com.", dns.TypeAAAA, 3))
		four[a]++
		six[aaaa]++
		alias := distinct(answersOf(t, table, client, "mixedin.gslb.example.com.", dns.TypeMX, 3))
		if mixed := distinct(answersOf(t, table, client, "mixedin.gslb.example.com.", dns.TypeAAAA, 3)); (mixed == "2001:db8::6") != (alias == "") {
			t.Fatalf("%s: AAAA %q, but MX %q", client.Addr, mixed, alias)
		}
	}
	if len(four) != 2 || len(six) != 2 {
		t.Errorf("answers with several pools or of few: %v %v", four, six)
	}
}

const manyText = `
[server]
listen = ["127.0.0.1:0"]
[pools]
ten  = { members = [TEN] }
huge = { members = [HUGE] }
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
[zones."gslb.example.com".names]
rotate  = { pools = ["ten"] }
fixed   = { pools = ["ten"], order = "fixed" }
three   = { pools = ["ten"], max_answers = 3 }
fixed3  = { pools = ["ten"], max_answers = 3, order = "fixed" }
one     = { pools = ["ten"], max_answers = 1, order = "fixed" }
ten     = { pools = ["ten"], max_answers = 10, order = "fixed" }
more    = { pools = ["ten"], max_answers = 11 }
all     = { policy = "all", pools = ["huge", "ten"] }
huge    = { policy = "all", pools = ["huge", "ten"], max_answers = 65535 }
`

func manyTable(t testing.TB) *Table {
	var ten, huge []string
	for i := range 10 {
		ten = append(ten, fmt.Sprintf(`"192.0.2.%d"`, i))
	}
	for i := range 4000 {
		huge = append(huge, fmt.Sprintf(`"10.0.%d.%d"`, i>>8, i&255))
	}
	text := strings.NewReplacer("TEN", strings.Join(ten, ","), "HUGE", strings.Join(huge, ",")).Replace(manyText)
	return compile(parse(t, text))
}

// Addresses begin at any, each as likely as the others, and go on in order; as many as are wanted are
// answered, each as often as the others.
func TestRotationAndMaxAnswers(t *testing.T) {
	table := manyTable(t)
	const trials = 5_000
	for _, tt := range []struct {
		name    string
		count   int
		rotates bool
	}{
		{"rotate", 10, true}, {"fixed", 10, false}, {"three", 3, true}, {"fixed3", 3, false}, {"one", 1, false}, {"ten", 10, false}, {"more", 10, true},
	} {
		first, any := make([]int, 10), make([]int, 10)
		for answer, times := range answersOf(t, table, Client{}, tt.name+".gslb.example.com.", dns.TypeA, trials) {
			var hosts []int
			for _, addr := range strings.Fields(answer) {
				host := int(netip.MustParseAddr(addr).As4()[3])
				hosts = append(hosts, host)
				any[host] += times
			}
			first[hosts[0]] += times
			if len(hosts) != tt.count {
				t.Errorf("%s: %d addresses, want %d", tt.name, len(hosts), tt.count)
			}
			for i := range hosts[1:] {
				if tt.rotates && hosts[i+1] != (hosts[i]+1)%10 || !tt.rotates && hosts[i+1] <= hosts[i] {
					t.Errorf("%s: not in order: %v", tt.name, hosts)
				}
			}
		}
		for host := range 10 {
			if off := sigmas(first[host], trials, 0.1); tt.rotates && off > 4 {
				t.Errorf("%s: %d times first is %d: %.1f sigma", tt.name, first[host], host, off)
			}
			if p := float64(tt.count) / 10; p < 1 && sigmas(any[host], trials, p) > 4 || p == 1 && any[host] != trials {
				t.Errorf("%s: %d of %d times %d", tt.name, any[host], trials, host)
			}
		}
	}
}

// As many addresses are answered as any reply can carry, however many there are.
func TestMoreAddressesThanFit(t *testing.T) {
	table := manyTable(t)
	most := mostRecords(dns.TypeA)
	for name, want := range map[string]int{"all": 8, "huge": min(most, 4010)} {
		r := table.Lookup(name+".gslb.example.com.", dns.TypeA)
		if len(r.Answer) != want {
			t.Errorf("%s: %d addresses, want %d", name, len(r.Answer), want)
		}
		if got := distinct(answersOf(t, table, Client{}, name+".gslb.example.com.", dns.TypeA, 3)); got == "" {
			t.Errorf("%s: nothing", name)
		}
	}
}

// The addresses of a host that a reply names are of one pool, drawn for each host.
func TestAdditionalAddressesAreOfOnePool(t *testing.T) {
	text := strings.Replace(steeredText, `twin  = {`, "dual  = { members = [\"192.0.2.99\", \"2001:db8::99\"], checks = [\"web\"] }\ntwin  = {", 1)
	text = strings.Replace(text, `onlyfour   = `, "pair = { policy = \"weighted\", pools = [\"both\", \"dual\"] }\nonlyfour   = ", 1)
	text = strings.Replace(text, "srv    SRV 1 1 80 families", "srv    SRV 1 1 80 pair", 1)
	table := compile(parse(t, text))
	seen := map[string]bool{}
	for range 200 {
		r := table.Lookup("srv.gslb.example.com.", dns.TypeSRV)
		var pair []string
		for _, rr := range r.Additional {
			switch rr.Header().Name {
			case "pair.gslb.example.com.":
				pair = append(pair, strings.TrimPrefix(rr.String(), rr.Header().String()))
			case "tostatic.gslb.example.com.":
				t.Fatalf("an alias has an address: %v", rr)
			}
		}
		seen[strings.Join(pair, " ")] = true
	}
	if len(seen) != 2 || !seen["192.0.2.46 2001:db8::46"] || !seen["192.0.2.99 2001:db8::99"] {
		t.Errorf("pairs: %v", seen)
	}
}

// While first verdicts are awaited, only those clients get no reply whose answer depends on them.
func TestPendingViews(t *testing.T) {
	text := strings.Replace(steeredText, "quiet      =", `views = { views = { "192.0.2.0/24" = ["four"], "192.0.0.0/16" = ["out"], default = ["both"] } }
quiet      =`, 1)
	set := parse(t, text)
	snap := snapshot(set).With(noon, map[health.TargetID]health.State{"web@four": {Awaited: true}, "web@out": {Awaited: true}})
	out := steer.Step(set, steer.Input{Snapshot: snap, Now: noon}, steer.Memory{})
	table := Compile(set, out.Pools, out.Decisions)
	for _, tt := range []struct {
		client, ask string
		want        Kind
	}{
		{"192.0.2.1", "views A", Pending}, {"192.0.2.1", "views ANY", Pending},
		{"192.0.2.1", "views AAAA", Pending},   // a wider view may have one
		{"192.0.2.1", "onlyfour AAAA", NoData}, // there is none whatever the verdict
		{"192.0.1.1", "views A", Pending}, {"192.0.1.1", "views AAAA", Pending}, {"192.0.1.1", "views MX", Pending},
		{"10.0.0.1", "views A", Positive}, {"10.0.0.1", "views AAAA", Positive}, {"10.0.0.1", "views MX", NoData},
		{"2001:db8::1", "views A", Positive}, {"", "views A", Positive},
		{"10.0.0.1", "mixed A", Pending}, {"10.0.0.1", "mixed TXT", Pending}, {"10.0.0.1", "failover TXT", NoData},
	} {
		name, qtype, _ := strings.Cut(tt.ask, " ")
		addr, _ := netip.ParseAddr(tt.client)
		if r := table.LookupFor(Client{Addr: addr}, name+".gslb.example.com.", dns.StringToType[qtype]); r.Kind != tt.want {
			t.Errorf("%s for %q: kind %d, want %d: %v", tt.ask, tt.client, r.Kind, tt.want, r.Answer)
		}
	}
}
