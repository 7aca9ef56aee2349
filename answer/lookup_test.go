package answer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/zones/config"
)

const worldText = `
[server]
listen = ["127.0.0.1:0"]

[checks.web]
type = "tcp"
address = "{address}:80"

[pools.nyc]
members = ["203.0.113.10", "203.0.113.11", "2001:db8::10"]
checks = ["web"]
[pools.ams]
members = ["198.51.100.10"]
checks = ["web"]

[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53", "2001:db8::53"], "ns.example.net." = [] }
nameserver_ttl = "1h"
ttl = "20s"
negative_ttl = "5s"
records = '''
@            TXT    "v=spf1 -all"
@            MX     10 mail
mail         A      192.0.2.25
static       A      192.0.2.1
static       A      192.0.2.2
static  60   TXT    "one"
Mixed        A      192.0.2.3
deep.er.tree A      192.0.2.4
toapp        CNAME  app
tostatic     CNAME  toapp2
toapp2       CNAME  static
toout        CNAME  www.example.org.
toout        NSEC   togone CNAME NSEC
togone       CNAME  gone.nowhere
tocut        CNAME  www.cut
todname      CNAME  x.tree.dn
loop1        CNAME  loop2
loop2        CNAME  loop1
self         CNAME  self
*.wild       A      192.0.2.5
*.wild       TXT    "wild"
host.wild    A      192.0.2.6
sub.ent.wild A      192.0.2.7
*.cwild      CNAME  static
cut          NS     ns.cut
cut          NS     ns.other.example.
cut          DS     1 8 2 E2D3C916F6DEEAC73294E8268FB5885044A833FC5459588F4A9184CFC41A5766
ns.cut       A      192.0.2.60
ns.cut       AAAA   2001:db8::60
dn           DNAME  static2.gslb.example.com.
rootdn       DNAME  .
again        DNAME  turn
grow         DNAME  x.Grow
y.turn       CNAME  z.again
z.turn       A      192.0.2.12
Zulu         A      192.0.2.13
dn           TXT    "at the dname"
a.static2    A      192.0.2.8
svc          SRV    1 2 80 app
web          HTTPS  1 . alpn=h2
web          A      192.0.2.9
web2         HTTPS  1 web alpn=h2
web3         HTTPS  0 web2
web4         HTTPS  1 web4 alpn=h2
web4         A      192.0.2.10
0p9mhaveqvm6t7vbl5lop2u3t2rp3tom NSEC3 1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A
'''
[zones."gslb.example.com".names]
app   = { pools = ["nyc", "ams"], order = "fixed" }
App2  = { pools = ["nyc", "ams"], ttl = "30s", order = "fixed" }
four  = { pools = ["ams", "nyc"] }
"*.steered" = { pools = ["ams"] }
quiet = { pools = ["ams"], when_all_down = "servfail" }

[zones."eu.gslb.example.com"]
nameservers = { ns1 = ["192.0.2.54"] }
nameserver_ttl = "1h"
[zones."eu.gslb.example.com".names."@"]
pools = ["ams"]
`

// withSOA reads SOA records of this serial number: what the load time makes it.
const (
	soa   = "gslb.example.com. 5 SOA ns.example.net. hostmaster.gslb.example.com. 1767355200 SOATIMERS 5"
	euSOA = "eu.gslb.example.com. 5 SOA ns1.eu.gslb.example.com. hostmaster.eu.gslb.example.com. 1767355200 SOATIMERS 5"
	nyc4  = "A 203.0.113.10\n A 203.0.113.11"
)

func TestLookup(t *testing.T) {
	table := compile(parse(t, worldText))
	for _, q := range []question{
		// Steered names.
		{ask: "app.gslb.example.com. A", answer: "app.gslb.example.com. " + nyc4},
		{ask: "app.gslb.example.com. AAAA", answer: "app.gslb.example.com. AAAA 2001:db8::10"},
		{ask: "app2.gslb.example.com. AAAA", answer: "app2.gslb.example.com. 30 AAAA 2001:db8::10"},
		{ask: "aPP.gslb.EXAMPLE.com. AAAA", answer: "aPP.gslb.EXAMPLE.com. AAAA 2001:db8::10"},
		{ask: `\097pp.gslb.example.com. TXT`, authority: soa},
		{ask: "app.gslb.example.com. TXT", authority: soa},
		{ask: "app.gslb.example.com. ANY", answer: "app.gslb.example.com. " + nyc4},
		{ask: "four.gslb.example.com. AAAA", authority: soa},
		{ask: "x.app.gslb.example.com. A", rcode: "NXDOMAIN", authority: soa},
		{ask: "any.steered.gslb.example.com. A", answer: "any.steered.gslb.example.com. A 198.51.100.10"},
		{ask: "any.more.steered.gslb.example.com. A", answer: "any.more.steered.gslb.example.com. A 198.51.100.10"},
		{ask: "any.steered.gslb.example.com. AAAA", authority: soa},
		{ask: "steered.gslb.example.com. A", authority: soa},
		{ask: "*.steered.gslb.example.com. A", answer: "*.steered.gslb.example.com. A 198.51.100.10"},
		{ask: "eu.gslb.example.com. A", answer: "eu.gslb.example.com. A 198.51.100.10"},
		{ask: "eu.gslb.example.com. AAAA", authority: euSOA},

		// The apex.
		{ask: "gslb.example.com. SOA", answer: soa},
		{ask: "gslb.example.com. NS",
			answer:     "gslb.example.com. 3600 NS ns1.gslb.example.com.\n 3600 NS ns.example.net.",
			additional: "ns1.gslb.example.com. 3600 A 192.0.2.53\n 3600 AAAA 2001:db8::53"},
		{ask: "gslb.example.com. TXT", answer: `gslb.example.com. TXT "v=spf1 -all"`},
		{ask: "gslb.example.com. A", authority: soa},
		{ask: "gslb.example.com. MX", answer: "gslb.example.com. MX 10 mail.gslb.example.com.", additional: "mail.gslb.example.com. A 192.0.2.25"},
		{ask: "ns1.gslb.example.com. A", answer: "ns1.gslb.example.com. 3600 A 192.0.2.53"},

		// Static data.
		{ask: "static.gslb.example.com. A", answer: "static.gslb.example.com. A 192.0.2.1\n A 192.0.2.2"},
		{ask: "static.gslb.example.com. TXT", answer: `static.gslb.example.com. 60 TXT "one"`},
		{ask: "STATIC.gslb.example.com. TXT", answer: `STATIC.gslb.example.com. 60 TXT "one"`},
		{ask: "static.gslb.example.com. AAAA", authority: soa},
		{ask: "mixed.gslb.example.com. A", answer: "mixed.gslb.example.com. A 192.0.2.3"},
		{ask: "ZULU.gslb.example.com. A", answer: "ZULU.gslb.example.com. A 192.0.2.13"},
		{ask: "zulu.gslb.example.com. A", answer: "zulu.gslb.example.com. A 192.0.2.13"},
		{ask: "static.gslb.example.com. ANY", answer: "static.gslb.example.com. A 192.0.2.1\n A 192.0.2.2"},
		{ask: "svc.gslb.example.com. SRV", answer: "svc.gslb.example.com. SRV 1 2 80 app.gslb.example.com.",
			additional: "app.gslb.example.com. " + nyc4 + "\n AAAA 2001:db8::10"},
		{ask: "web.gslb.example.com. HTTPS", answer: `web.gslb.example.com. HTTPS 1 . alpn="h2"`},
		{ask: "toout.gslb.example.com. NSEC", answer: "toout.gslb.example.com. NSEC togone.gslb.example.com. CNAME NSEC"},
		{ask: "toout.gslb.example.com. RRSIG", answer: "toout.gslb.example.com. CNAME www.example.org."},
		{ask: "web2.gslb.example.com. HTTPS", answer: `web2.gslb.example.com. HTTPS 1 web.gslb.example.com. alpn="h2"`,
			additional: "web.gslb.example.com. A 192.0.2.9\nweb.gslb.example.com. HTTPS 1 . alpn=\"h2\""},
		{ask: "web3.gslb.example.com. HTTPS", answer: `web3.gslb.example.com. HTTPS 0 web2.gslb.example.com.`,
			additional: `web2.gslb.example.com. HTTPS 1 web.gslb.example.com. alpn="h2"`},
		{ask: "web4.gslb.example.com. HTTPS", answer: `web4.gslb.example.com. HTTPS 1 web4.gslb.example.com. alpn="h2"`,
			additional: "web4.gslb.example.com. A 192.0.2.10"},
		{ask: "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.gslb.example.com. NSEC3", rcode: "NXDOMAIN", authority: soa},

		// What does not exist, and what exists without data.
		{ask: "gone.gslb.example.com. A", rcode: "NXDOMAIN", authority: soa},
		{ask: "gone.static.gslb.example.com. A", rcode: "NXDOMAIN", authority: soa},
		{ask: "tree.gslb.example.com. A", authority: soa},
		{ask: "er.tree.gslb.example.com. A", authority: soa},
		{ask: "er.tree.gslb.example.com. ANY", authority: soa},
		{ask: "x.er.tree.gslb.example.com. A", rcode: "NXDOMAIN", authority: soa},

		// Aliases.
		{ask: "toapp.gslb.example.com. A", answer: "toapp.gslb.example.com. CNAME app.gslb.example.com.\napp.gslb.example.com. " + nyc4},
		{ask: "toapp.gslb.example.com. CNAME", answer: "toapp.gslb.example.com. CNAME app.gslb.example.com."},
		{ask: "toapp.gslb.example.com. ANY", answer: "toapp.gslb.example.com. CNAME app.gslb.example.com."},
		{ask: "toapp.gslb.example.com. TXT", answer: "toapp.gslb.example.com. CNAME app.gslb.example.com.", authority: soa},
		{ask: "tostatic.gslb.example.com. A", answer: "tostatic.gslb.example.com. CNAME toapp2.gslb.example.com.\n" +
			"toapp2.gslb.example.com. CNAME static.gslb.example.com.\nstatic.gslb.example.com. A 192.0.2.1\n A 192.0.2.2"},
		{ask: "toout.gslb.example.com. A", answer: "toout.gslb.example.com. CNAME www.example.org."},
		{ask: "togone.gslb.example.com. A", rcode: "NXDOMAIN", answer: "togone.gslb.example.com. CNAME gone.nowhere.gslb.example.com.", authority: soa},
		{ask: "loop1.gslb.example.com. A", answer: "loop1.gslb.example.com. CNAME loop2.gslb.example.com.\nloop2.gslb.example.com. CNAME loop1.gslb.example.com."},
		{ask: "self.gslb.example.com. A", answer: "self.gslb.example.com. CNAME self.gslb.example.com."},
		{ask: "tocut.gslb.example.com. A", answer: "tocut.gslb.example.com. CNAME www.cut.gslb.example.com.",
			authority:  "cut.gslb.example.com. NS ns.cut.gslb.example.com.\n NS ns.other.example.",
			additional: "ns.cut.gslb.example.com. A 192.0.2.60\n AAAA 2001:db8::60"},

		// Wildcards (RFC 4592, section 2.2.1).
		{ask: "any.wild.gslb.example.com. A", answer: "any.wild.gslb.example.com. A 192.0.2.5"},
		{ask: "Any.Thing.wild.gslb.example.com. TXT", answer: `Any.Thing.wild.gslb.example.com. TXT "wild"`},
		{ask: "any.wild.gslb.example.com. MX", authority: soa},
		{ask: "host.wild.gslb.example.com. TXT", authority: soa},
		{ask: "x.host.wild.gslb.example.com. A", rcode: "NXDOMAIN", authority: soa},
		{ask: "ent.wild.gslb.example.com. A", authority: soa},
		{ask: "x.ent.wild.gslb.example.com. A", rcode: "NXDOMAIN", authority: soa},
		{ask: "x.*.wild.gslb.example.com. A", rcode: "NXDOMAIN", authority: soa},
		{ask: "wild.gslb.example.com. A", authority: soa},
		{ask: "any.cwild.gslb.example.com. A", answer: "any.cwild.gslb.example.com. CNAME static.gslb.example.com.\nstatic.gslb.example.com. A 192.0.2.1\n A 192.0.2.2"},

		// Delegations.
		{ask: "cut.gslb.example.com. A", notAuth: true,
			authority:  "cut.gslb.example.com. NS ns.cut.gslb.example.com.\n NS ns.other.example.",
			additional: "ns.cut.gslb.example.com. A 192.0.2.60\n AAAA 2001:db8::60"},
		{ask: "x.y.cut.gslb.example.com. ANY", notAuth: true,
			authority:  "cut.gslb.example.com. NS ns.cut.gslb.example.com.\n NS ns.other.example.",
			additional: "ns.cut.gslb.example.com. A 192.0.2.60\n AAAA 2001:db8::60"},
		{ask: "ns.cut.gslb.example.com. A", notAuth: true,
			authority:  "cut.gslb.example.com. NS ns.cut.gslb.example.com.\n NS ns.other.example.",
			additional: "ns.cut.gslb.example.com. A 192.0.2.60\n AAAA 2001:db8::60"},
		{ask: "cut.gslb.example.com. DS",
			answer: "cut.gslb.example.com. DS 1 8 2 E2D3C916F6DEEAC73294E8268FB5885044A833FC5459588F4A9184CFC41A5766"},
		// A zone whose parent is served too, but does not delegate it.
		{ask: "eu.gslb.example.com. DS", authority: euSOA},
		{ask: "gslb.example.com. DS", authority: soa},

		// DNAME (RFC 6672).
		{ask: "a.dn.gslb.example.com. A", answer: "dn.gslb.example.com. DNAME static2.gslb.example.com.\n" +
			"a.dn.gslb.example.com. CNAME a.static2.gslb.example.com.\na.static2.gslb.example.com. A 192.0.2.8"},
		{ask: "a.dn.gslb.example.com. ANY", answer: "dn.gslb.example.com. DNAME static2.gslb.example.com.\n" +
			"a.dn.gslb.example.com. CNAME a.static2.gslb.example.com.\na.static2.gslb.example.com. A 192.0.2.8"},
		{ask: "a.dn.gslb.example.com. CNAME", answer: "dn.gslb.example.com. DNAME static2.gslb.example.com.\n" +
			"a.dn.gslb.example.com. CNAME a.static2.gslb.example.com."},
		{ask: "dn.gslb.example.com. TXT", answer: `dn.gslb.example.com. TXT "at the dname"`},
		{ask: "dn.gslb.example.com. A", authority: soa},
		{ask: "no.dn.gslb.example.com. A", rcode: "NXDOMAIN", answer: "dn.gslb.example.com. DNAME static2.gslb.example.com.\n" +
			"no.dn.gslb.example.com. CNAME no.static2.gslb.example.com.", authority: soa},
		{ask: strings.Repeat("a23456789.", 23) + "dn.gslb.example.com. A", rcode: "YXDOMAIN",
			answer: "dn.gslb.example.com. DNAME static2.gslb.example.com."},

		{ask: "www.example.org.rootdn.gslb.example.com. A", answer: "rootdn.gslb.example.com. DNAME .\n" +
			"www.example.org.rootdn.gslb.example.com. CNAME www.example.org."},
		// A DNAME that leads below itself applies once, however one comes to it.
		{ask: "a.grow.gslb.example.com. A", answer: "grow.gslb.example.com. DNAME x.Grow.gslb.example.com.\n" +
			"a.grow.gslb.example.com. CNAME a.x.Grow.gslb.example.com."},
		{ask: "a.x.grow.gslb.example.com. A", answer: "grow.gslb.example.com. DNAME x.Grow.gslb.example.com.\n" +
			"a.x.grow.gslb.example.com. CNAME a.x.x.Grow.gslb.example.com."},
		// The same DNAME applies twice, and is there once.
		{ask: "y.again.gslb.example.com. A", answer: "again.gslb.example.com. DNAME turn.gslb.example.com.\n" +
			"y.again.gslb.example.com. CNAME y.turn.gslb.example.com.\ny.turn.gslb.example.com. CNAME z.again.gslb.example.com.\n" +
			"z.again.gslb.example.com. CNAME z.turn.gslb.example.com.\nz.turn.gslb.example.com. A 192.0.2.12"},
		// The longest target that there can be: 255 octets.
		{ask: strings.Repeat("a23456789.", 22) + "b2345678.dn.gslb.example.com. A", rcode: "NXDOMAIN", authority: soa,
			answer: "dn.gslb.example.com. DNAME static2.gslb.example.com.\n" +
				strings.Repeat("a23456789.", 22) + "b2345678.dn.gslb.example.com. CNAME " + strings.Repeat("a23456789.", 22) + "b2345678.static2.gslb.example.com."},

		// Outside.
		{ask: "example.com. A", rcode: "REFUSED", notAuth: true},
		{ask: ". NS", rcode: "REFUSED", notAuth: true},
		{ask: "xgslb.example.com. A", rcode: "REFUSED", notAuth: true},
	} {
		withTimers(t, table, &q)
		q.check(t, table)
	}
}

// withTimers fills in the SOA timers, which are of no interest here.
func withTimers(t *testing.T, table *Table, q *question) {
	t.Helper()
	r := table.Lookup("gslb.example.com.", dns.TypeSOA)
	fields := strings.Fields(r.Answer[0].String())
	timers := strings.Join(fields[7:10], " ")
	for _, section := range []*string{&q.answer, &q.authority, &q.additional} {
		*section = strings.ReplaceAll(*section, "SOATIMERS", timers)
	}
}

func TestLookupWhileRegionsAreDown(t *testing.T) {
	set := parse(t, worldText)
	for _, tt := range []struct {
		name  string
		table *Table
		rows  []question
	}{
		{"one member", compile(set, "web@203.0.113.10"), []question{
			{ask: "app.gslb.example.com. A", answer: "app.gslb.example.com. A 203.0.113.11"},
			{ask: "app.gslb.example.com. AAAA", answer: "app.gslb.example.com. AAAA 2001:db8::10"},
		}},
		{"all members of one family: no data, and no other region", compile(set, "web@203.0.113.10", "web@203.0.113.11"), []question{
			{ask: "app.gslb.example.com. A", authority: soa},
			{ask: "app.gslb.example.com. AAAA", answer: "app.gslb.example.com. AAAA 2001:db8::10"},
			{ask: "app.gslb.example.com. ANY", answer: "app.gslb.example.com. AAAA 2001:db8::10"},
		}},
		{"one region", compile(set, "web@203.0.113.10", "web@203.0.113.11", "web@2001:db8::10"), []question{
			{ask: "app.gslb.example.com. A", answer: "app.gslb.example.com. A 198.51.100.10"},
			{ask: "app.gslb.example.com. AAAA", authority: soa},
			{ask: "toapp.gslb.example.com. A", answer: "toapp.gslb.example.com. CNAME app.gslb.example.com.\napp.gslb.example.com. A 198.51.100.10"},
		}},
		{"servfail", compile(set, "web@198.51.100.10"), []question{
			{ask: "quiet.gslb.example.com. A", rcode: "SERVFAIL", notAuth: true},
			{ask: "quiet.gslb.example.com. ANY", rcode: "SERVFAIL", notAuth: true},
			{ask: "quiet.gslb.example.com. TXT", authority: soa},
			{ask: "eu.gslb.example.com. A", answer: "eu.gslb.example.com. 5 A 198.51.100.10"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, q := range tt.rows {
				withTimers(t, tt.table, &q)
				q.check(t, tt.table)
			}
		})
	}
}

// That a steered name has no address of a family must not outlive the addresses that it has.
func TestNoAddressOfAFamilyLivesAsLongAsTheOther(t *testing.T) {
	text := strings.Replace(strings.Replace(worldText, "negative_ttl = \"5s\"\n", "", 1), "records = '''\n",
		"records = '''\n@ 86400 SOA ns1 hostmaster 1 3600 600 86400 86400\n", 1)
	table := compile(parse(t, text))
	for ask, want := range map[string]uint32{"four AAAA": 20, "four TXT": 86400, "nope AAAA": 86400} {
		owner, rtype, _ := strings.Cut(ask, " ")
		q := newPackedQuestion(t, owner+".gslb.example.com.", dns.StringToType[rtype])
		for range 2 {
			var reply dns.Msg
			if err := reply.Unpack(q.run(t, table)); err != nil {
				t.Fatal(err)
			}
			if len(reply.Answer) > 0 || len(reply.Ns) != 1 || reply.Ns[0].Header().Ttl != want {
				t.Errorf("%s: %v, want an SOA with the TTL %d alone", ask, reply.Ns, want)
			}
			clear(q.msg[wire.OffANCount:wire.HeaderSize])
		}
	}
}

// A negative answer lives as long as the lesser of the SOA's TTL and its last field says.
func TestNegativeTTL(t *testing.T) {
	for soa, want := range map[string]uint32{
		"@ 300 SOA ns1 host 1 3600 600 86400 60": 60,
		"@ 60 SOA ns1 host 1 3600 600 86400 300": 60,
	} {
		text := strings.Replace(strings.Replace(worldText, "negative_ttl = \"5s\"\n", "", 1), "records = '''\n", "records = '''\n"+soa+"\n", 1)
		table := compile(parse(t, text))
		if got := table.Lookup("gone.gslb.example.com.", dns.TypeA).Authority[0].Header().Ttl; got != want {
			t.Errorf("%s: the negative answer has TTL %d, want %d", soa, got, want)
		}
	}
}

// Many hosts in one answer cost what they are, not their square.
func TestManyHosts(t *testing.T) {
	const hosts = 1500
	var b strings.Builder
	for i := range hosts {
		fmt.Fprintf(&b, "many SRV 0 0 80 h%d\nh%d A 192.0.2.1\nh%d AAAA 2001:db8::1\n", i, i, i)
	}
	table := compile(parse(t, strings.Replace(worldText, "records = '''", "records = '''\n"+b.String(), 1)))
	r := table.Lookup("many.gslb.example.com.", dns.TypeSRV)
	if len(r.Answer) != hosts || len(r.Additional) != 2*hosts {
		t.Errorf("%d records and %d addresses, want %d and %d", len(r.Answer), len(r.Additional), hosts, 2*hosts)
	}
}

// What a delegation hides is not answered, not even as a wildcard or an alias.
func TestHiddenData(t *testing.T) {
	dir := t.TempDir()
	db := "@ SOA ns1 hostmaster 1 3600 600 86400 5\nns1 A 192.0.2.53\n@ NS ns1\ncut NS ns.example.org.\nbelow.cut TXT hidden\n*.cut A 192.0.2.1\nalias.cut CNAME ns1\n"
	if err := os.WriteFile(filepath.Join(dir, "db"), []byte(db), 0o644); err != nil {
		t.Fatal(err)
	}
	set, err := config.Parse([]byte("[server]\nlisten = [\"127.0.0.1:0\"]\n[zones.\"example.com\"]\nfile = \"db\"\n"),
		filepath.Join(dir, "zones.toml"), config.LoadOptions{Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	table := compile(set)
	for _, ask := range []string{"below.cut.example.com. TXT", "any.cut.example.com. A", "alias.cut.example.com. A", "cut.example.com. NS"} {
		question{ask: ask, notAuth: true, authority: "cut.example.com. NS ns.example.org."}.check(t, table)
	}
}

// A chain that leads back to the DNAME that it passed has that once.
func TestDNAMEStandsOnce(t *testing.T) {
	text := strings.Replace(worldText, "records = '''", "records = '''\nback DNAME forth\nx.forth CNAME back\n", 1)
	question{ask: "x.back.gslb.example.com. DNAME", answer: "back.gslb.example.com. DNAME forth.gslb.example.com.\n" +
		"x.back.gslb.example.com. CNAME x.forth.gslb.example.com.\nx.forth.gslb.example.com. CNAME back.gslb.example.com."}.check(t, compile(parse(t, text)))
}

// A long chain is cut off, not followed for ever; a short one is followed to its end.
func TestChainIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 40 {
		b.WriteString("c" + string(rune('A'+i/26)) + string(rune('a'+i%26)) + " CNAME c" + string(rune('A'+(i+1)/26)) + string(rune('a'+(i+1)%26)) + "\n")
	}
	text := strings.Replace(worldText, "records = '''", "records = '''\n"+b.String(), 1)
	r := compile(parse(t, text)).Lookup("cAa.gslb.example.com.", dns.TypeA)
	if len(r.Answer) != maxChain+1 || r.Rcode != dns.RcodeSuccess {
		t.Errorf("%d records, rcode %d; want %d and NOERROR", len(r.Answer), r.Rcode, maxChain+1)
	}
	r = compile(parse(t, strings.Replace(text, "cAi CNAME cAj", "cAi A 192.0.2.1", 1))).Lookup("cAa.gslb.example.com.", dns.TypeA)
	if len(r.Answer) != 9 {
		t.Errorf("%d records of a chain of 8 and its end", len(r.Answer))
	}
}

func FuzzLookup(f *testing.F) {
	table := compile(parse(f, worldText))
	f.Add("app.gslb.example.com.", uint16(1))
	f.Add(`\000.dn.gslb.example.com.`, uint16(255))
	f.Add("*.wild.gslb.example.com.", uint16(43))
	f.Fuzz(func(t *testing.T, qname string, qtype uint16) {
		if _, ok := dns.IsDomainName(qname); !ok {
			return
		}
		r := table.Lookup(dns.Fqdn(qname), qtype)
		for _, section := range [][]dns.RR{r.Answer, r.Authority, r.Additional} {
			for _, rr := range section {
				if _, err := dns.PackRR(rr, make([]byte, 65535), 0, nil, false); err != nil {
					t.Errorf("%s %d: %v does not pack: %v", qname, qtype, rr, err)
				}
			}
		}
		if r.Rcode == dns.RcodeNameError && len(r.Authority) != 1 {
			t.Errorf("%s %d: NXDOMAIN without its SOA", qname, qtype)
		}
	})
}
