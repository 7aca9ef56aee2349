package dnstest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/answer"
	"gslb/health"
	"gslb/override"
	"gslb/steer"
	"gslb/zones/config"
)

// WorldText has a name for each thing that can become of a question.
const WorldText = `
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
[pools.down]
members = ["198.51.100.20"]
checks = ["web"]
[pools.cloud]
cname = "chain.gslb.example.com."

[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53", "2001:db8::53"], "ns.example.net." = [] }
ttl = "20s"
negative_ttl = "5s"
records = '''
@            TXT    "v=spf1 -all"
@            MX     10 mail
@            CAA    0 issue "ca.example.net"
mail         A      192.0.2.25
static       A      192.0.2.1
static       A      192.0.2.2
static  60   TXT    "one" "two"
static       TYPE4711 \# 3 010203
Mixed        A      192.0.2.3
deep.er.tree A      192.0.2.4
chain        CNAME  chain2
chain2       CNAME  app
togone       CNAME  gone.nowhere
toout        CNAME  www.example.org.
tocut        CNAME  www.cut
tonets       CNAME  nets
toeu         CNAME  eu
loop1        CNAME  loop2
loop2        CNAME  loop1
*.wild       A      192.0.2.5
*.wild       TXT    "wild"
host.wild    A      192.0.2.6
sub.ent.wild A      192.0.2.7
x.*.inner    A      192.0.2.14
*.cwild      CNAME  static
*.mwild      MX     1 mail
cut          NS     ns.cut
cut          NS     ns.other.example.
cut          DS     1 8 2 E2D3C916F6DEEAC73294E8268FB5885044A833FC5459588F4A9184CFC41A5766
ns.cut       A      192.0.2.60
ns.cut       AAAA   2001:db8::60
sib          NS     ns.cut
dn           DNAME  static2
dn           TXT    "at the dname"
rootdn       DNAME  .
again        DNAME  turn
y.turn       CNAME  z.again
z.turn       A      192.0.2.12
a.static2    A      192.0.2.8
svc          SRV    1 2 80 app
svc          SRV    1 2 81 mail
netsvc       SRV    1 2 80 nets
web          HTTPS  1 . alpn=h2
web          A      192.0.2.9
ptr          PTR    mail
soa-like     RP     mail txt.example.org.
a\.dot       A      192.0.2.16
BIG
'''
[zones."gslb.example.com".names]
app   = { pools = ["nyc", "ams"], order = "fixed" }
App2  = { pools = ["nyc", "ams"], ttl = "30s", order = "fixed" }
four  = { pools = ["ams", "nyc"] }
"*.steered" = { pools = ["ams"] }
quiet = { pools = ["down"], when_all_down = "servfail" }
hope  = { pools = ["down"], when_all_down = "assume_up" }
back  = { pools = ["down"], when_all_down = "fallback", fallback = "ams" }
spread  = { policy = "sticky", pools = ["nyc", "ams"], order = "fixed" }
every   = { policy = "all", pools = ["nyc", "ams"], order = "fixed" }
aliased = { pools = ["cloud"] }
[zones."gslb.example.com".names.nets]
order = "fixed"
[zones."gslb.example.com".names.nets.views]
"192.0.2.0/25"    = ["ams"]
"192.0.2.128/26"  = ["nyc"]
"10.0.0.0/8"      = ["ams"]
"10.1.2.0/24"     = ["nyc"]
"2001:db8:1::/48" = ["cloud"]
default           = ["nyc"]

[zones."eu.gslb.example.com"]
nameservers = { ns1 = ["192.0.2.54"] }
[zones."eu.gslb.example.com".names."@"]
pools = ["ams"]
`

// LongLabel makes names that are nearly as long as there can be.
var LongLabel = strings.Repeat("l", 63)

// World compiles WorldText with one pool down, and record sets that are too long for one
// kind of reply or another.
func World(t testing.TB) *answer.Table {
	t.Helper()
	return compile(t, worldText(), nil)
}

func worldText() string {
	var big strings.Builder
	txt := strings.Repeat("0123456789", 10)
	for i := range 5 {
		fmt.Fprintf(&big, "big TXT \"%d%s\"\n", i, txt)
	}
	for i := range 30 {
		fmt.Fprintf(&big, "huge TXT \"%02d%s\"\n", i, txt)
		fmt.Fprintf(&big, "many MX %d h%d.many\nh%d.many A 192.0.2.%d\nh%d.many AAAA 2001:db8::%x\n", i, i, i, i, i, i)
		fmt.Fprintf(&big, "wide NS ns%d.wide\nns%d.wide A 192.0.2.%d\n", i, i, i)
	}
	fmt.Fprintf(&big, "%s.%s.%s A 192.0.2.15\n", LongLabel, LongLabel, LongLabel)
	return strings.Replace(WorldText, "BIG\n", big.String(), 1)
}

// Pins says for names of the world, each of another kind, to which of their pools they are pinned in
// Pinned.
var Pins = map[string]string{
	"app.gslb.example.com.": "ams", "*.steered.gslb.example.com.": "ams", "spread.gslb.example.com.": "ams",
	"every.gslb.example.com.": "nyc", "nets.gslb.example.com.": "cloud", "back.gslb.example.com.": "down",
}

// Pinned is World with names that a person has pinned.
func Pinned(t testing.TB) *answer.Table {
	t.Helper()
	var words []override.Override
	for name, pool := range Pins {
		words = append(words, override.Override{Kind: override.Pin, Name: name, Pool: pool, Anyway: true, Reason: "a test"})
	}
	return compile(t, worldText(), override.NewWords(words))
}

// compile makes the table of a configuration with all targets up but those of one address.
func compile(t testing.TB, text string, words *override.Words) *answer.Table {
	t.Helper()
	set, err := config.Parse([]byte(text), "zones.toml", config.LoadOptions{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	states := make(map[health.TargetID]health.State)
	for _, target := range set.Targets {
		state := health.State{Status: health.Up, Cause: health.Result{Verdict: health.Pass, Reason: "ok"}}
		if strings.HasSuffix(string(target.ID), "@198.51.100.20") {
			state = health.State{Status: health.Down, Cause: health.Result{Verdict: health.Fail, Reason: "refused"}}
		}
		states[target.ID] = state
	}
	in := steer.Input{Snapshot: health.NewSnapshot(time.Now(), states), Words: words, Now: time.Now()}
	return answer.NewIndex(set).Compile(steer.Step(set, in, steer.Memory{}))
}

// DrawnText has names whose answers are drawn: a reply is one of several, at random.
const DrawnText = `
[server]
listen = ["127.0.0.1:0"]
[pools]
nyc   = { members = ["203.0.113.10", "203.0.113.11", "2001:db8::10"] }
ams   = { members = ["198.51.100.10"] }
cloud = { cname = "turns.gslb.example.com." }
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
records = "svc SRV 1 2 80 weighted"
[zones."gslb.example.com".names]
turns    = { pools = ["nyc"] }
weighted = { policy = "weighted", pools = ["nyc", "ams"] }
some     = { policy = "all", pools = ["nyc", "ams"], max_answers = 2 }
aliased  = { policy = "weighted", pools = ["ams", "cloud"] }
nets     = { policy = "weighted", views = { "192.0.2.0/25" = [["nyc", "ams"]], default = ["ams"] } }
`

// Drawn compiles DrawnText.
func Drawn(t testing.TB) *answer.Table {
	t.Helper()
	return compile(t, DrawnText, nil)
}

// DrawnNames are the names in DrawnText.
var DrawnNames = []string{
	"turns.gslb.example.com.", "weighted.gslb.example.com.", "some.gslb.example.com.", "aliased.gslb.example.com.",
	"nets.gslb.example.com.", "svc.gslb.example.com.",
}

// WorldNames are the names of interest: those in the world, beside them and below them.
func WorldNames() []string {
	const apex = "gslb.example.com."
	owners := []string{
		"mail", "static", "Mixed", "deep.er.tree", "er.tree", "tree", "chain", "togone", "toout", "tocut", "toeu", "loop1",
		"wild", "*.wild", "host.wild", "ent.wild", "*.inner", "x.*.inner", "cwild", "mwild", "cut", "ns.cut", "sib", "dn", "rootdn",
		"again", "y.again", "y.turn", "svc", "web", "ptr", "soa-like", `a\.dot`, "big", "huge", "many", "wide", "ns1", "nope",
		"app", "app2", "four", "steered", "*.steered", "quiet", "hope", "back", "spread", "every", "aliased", "nets", "tonets", "netsvc", "eu", "ns1.eu", "nope.eu",
		LongLabel + "." + LongLabel + "." + LongLabel,
	}
	names := []string{".", "com.", "example.com.", "xgslb.example.com.", "www.example.org.", apex, "GSLB.eXample.COM."}
	for _, owner := range owners {
		names = append(names, owner+"."+apex, "x."+owner+"."+apex, `a\.b.\000.`+strings.ToUpper(owner)+"."+apex)
	}
	return append(names,
		LongLabel+"."+LongLabel+".wild."+apex, LongLabel+"."+LongLabel+".cut."+apex, LongLabel+".nope."+apex,
		// One that a DNAME makes as long as can be, and one that it makes too long.
		strings.Repeat("a23456789.", 22)+"b2345678.dn."+apex,
		strings.Repeat("a23456789.", 23)+"dn."+apex)
}

// WorldTypes are the types of questions: those that the world has data of, and others.
var WorldTypes = []uint16{
	dns.TypeA, dns.TypeAAAA, dns.TypeNS, dns.TypeSOA, dns.TypeMX, dns.TypeTXT, dns.TypeCNAME, dns.TypeDNAME, dns.TypeDS,
	dns.TypeSRV, dns.TypeHTTPS, dns.TypePTR, dns.TypeRP, dns.TypeCAA, dns.TypeANY, dns.TypeDNSKEY, dns.TypeMAILB, dns.TypeOPT, 4711, 0,
}

// ManyZones compiles so many zones, zone0.example. and on.
func ManyZones(t testing.TB, n int) *answer.Table {
	t.Helper()
	var text strings.Builder
	text.WriteString("[server]\nlisten = [\"127.0.0.1:0\"]\n")
	for i := range n {
		fmt.Fprintf(&text, "[zones.\"zone%d.example\"]\nnameservers = { ns1 = [\"192.0.2.53\"] }\n", i)
	}
	set, err := config.Parse([]byte(text.String()), "zones.toml", config.LoadOptions{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Compile(set, nil, nil)
}

// Awaiting is the world at a start: what a pool decides is not decided yet.
func Awaiting(t testing.TB, pool string) *answer.Table {
	t.Helper()
	table := World(t)
	decisions := slices.Clone(table.Decisions())
	for i, d := range decisions {
		if d.Route.Steering.Pools[0].Name == pool {
			pending := *d
			pending.Mode, pending.Shares = steer.Pending, nil
			decisions[i] = &pending
		}
	}
	return answer.Compile(table.Set(), table.Pools(), decisions)
}
