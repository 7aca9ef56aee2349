package respond

import (
	"fmt"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/answer"
	"gslb/internal/cookie"
	"gslb/internal/rrl"
	"gslb/server/dnstest"
)

// TestRespondAllocatesNothing pins the whole way from a query to its reply: every kind of
// answer, in every form of asking, over both transports, with and without a rate limit.
func TestRespondAllocatesNothing(t *testing.T) {
	questions := []struct {
		kind  string
		qname string
		qtype uint16
	}{
		{"steered", "app.gslb.example.com.", dns.TypeA},
		{"steered, upper case", "APP.GSLB.EXAMPLE.COM.", dns.TypeAAAA},
		{"static", "static.gslb.example.com.", dns.TypeTXT},
		{"no such name", "nope.gslb.example.com.", dns.TypeA},
		{"no data", "app.gslb.example.com.", dns.TypeTXT},
		{"name servers", "gslb.example.com.", dns.TypeNS},
		{"SOA", "gslb.example.com.", dns.TypeSOA},
		{"mail", "gslb.example.com.", dns.TypeMX},
		{"referral", "x.cut.gslb.example.com.", dns.TypeA},
		{"CNAME chain", "chain.gslb.example.com.", dns.TypeA},
		{"alias to nothing", "togone.gslb.example.com.", dns.TypeA},
		{"DNAME", "a.dn.gslb.example.com.", dns.TypeA},
		{"DNAME, too long", dnstest.WorldNames()[len(dnstest.WorldNames())-1], dns.TypeA},
		{"wildcard", "x.wild.gslb.example.com.", dns.TypeTXT},
		{"wildcard alias", "x.cwild.gslb.example.com.", dns.TypeA},
		{"ANY", "static.gslb.example.com.", dns.TypeANY},
		{"SERVFAIL", "quiet.gslb.example.com.", dns.TypeA},
		{"REFUSED", "www.example.org.", dns.TypeA},
		{"by networks", "nets.gslb.example.com.", dns.TypeA},
		{"by networks, no data", "nets.gslb.example.com.", dns.TypeTXT},
		{"an alias of that", "tonets.gslb.example.com.", dns.TypeA},
		{"a host of that", "netsvc.gslb.example.com.", dns.TypeSRV},
		{"sticky", "spread.gslb.example.com.", dns.TypeA},
		{"all pools", "every.gslb.example.com.", dns.TypeA},
		{"a CNAME pool", "aliased.gslb.example.com.", dns.TypeMX},
		{"too long", "big.gslb.example.com.", dns.TypeTXT},
		{"too long a referral", "x.wide.gslb.example.com.", dns.TypeA},
		{"too much that is additional", "many.gslb.example.com.", dns.TypeMX},
	}
	keyring, err := cookie.NewKeyring(cookie.Secret{1}, cookie.Secret{2})
	if err != nil {
		t.Fatal(err)
	}
	slip := rrl.Defaults()
	slip.Rate, slip.Burst = 1, 1
	drop := slip
	drop.Slip = 0
	at := time.Now()
	for limit, o := range map[string]*rrl.Options{"no limit": nil, "within limits": new(rrl.Defaults()), "slipping": &slip, "dropping": &drop} {
		settings := Settings{ID: "ns1.nyc", Cookies: keyring}
		if o != nil {
			if settings.Limiter, err = rrl.New(*o); err != nil {
				t.Fatal(err)
			}
		}
		for _, via := range []Transport{OverUDP, OverTCP} {
			for what, table := range map[string]*answer.Table{"": dnstest.World(t), ", names are pinned": dnstest.Pinned(t)} {
				r := responderWith(t, via, table, settings)
				for _, q := range questions {
					for form, change := range ednsForms {
						m := dnstest.Ask(1, q.qname, q.qtype)
						change(m)
						in := dnstest.Pack(t, m)
						run := func() { r.RespondAt(in, dnstest.Client.Addr(), at, r.buf) }
						run() // the first of a network and class that is limited is logged
						run()
						if n := testing.AllocsPerRun(10, run); n != 0 {
							t.Errorf("%s%s: %s with %s over %v: %v allocations", limit, what, q.kind, form, via, n)
						}
					}
				}
			}
		}
	}
}

// What is drawn allocates nothing either.
func TestDrawAllocatesNothing(t *testing.T) {
	table, at := dnstest.Drawn(t), time.Now()
	r := responderWith(t, OverUDP, table, Settings{})
	for _, qname := range dnstest.DrawnNames {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeANY, dns.TypeSRV} {
			for form, change := range ednsForms {
				m := dnstest.Ask(1, qname, qtype)
				change(m)
				in := dnstest.Pack(t, m)
				run := func() {
					for range 20 { // to meet each reply
						r.RespondAt(in, dnstest.Client.Addr(), at, r.buf)
					}
				}
				run()
				if n := testing.AllocsPerRun(10, run); n != 0 {
					t.Errorf("%s %s with %s: %v allocations", qname, dns.Type(qtype), form, n)
				}
			}
		}
	}
}

// TestRespondAllocatesNothingAcrossZones has queries for one zone after another, each of
// which is counted for its own.
func TestRespondAllocatesNothingAcrossZones(t *testing.T) {
	r := responderOver(t, OverUDP, dnstest.ManyZones(t, 5))
	var queries [][]byte
	for i := range 5 {
		queries = append(queries, dnstest.Pack(t, dnstest.Ask(1, fmt.Sprintf("zone%d.example.", i), dns.TypeSOA)))
	}
	run := func() {
		for _, in := range queries {
			r.Respond(in, dnstest.Client)
		}
	}
	run()
	if n := testing.AllocsPerRun(10, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
