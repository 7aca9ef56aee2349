package respond

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gslb/internal/cookie"
	"gslb/internal/rrl"
	"gslb/server/dnstest"
)

// limited asks one responder whose clients may have burst replies of a kind, and no more
// before time has passed, of which there passes none.
type limited struct {
	*Responder
	log *bytes.Buffer
	now time.Time
}

const burst = 3

func newLimited(t testing.TB, via Transport, change func(*rrl.Options)) *limited {
	t.Helper()
	o := rrl.Options{Rate: 1, Burst: burst, Slip: 1, IPv4Prefix: 24, IPv6Prefix: 56, Buckets: 1024}
	if change != nil {
		change(&o)
	}
	limiter, err := rrl.New(o)
	if err != nil {
		t.Fatal(err)
	}
	keyring, err := cookie.NewKeyring(cookie.Secret{1})
	if err != nil {
		t.Fatal(err)
	}
	l := &limited{
		Responder: responderWith(t, via, dnstest.World(t), Settings{Limiter: limiter, Cookies: keyring, ID: "ns1"}),
		log:       new(bytes.Buffer),
		now:       time.Unix(1_800_000_000, 0),
	}
	l.logger = slog.New(slog.NewTextHandler(l.log, nil))
	return l
}

// ask returns the dnstest.Summary of a reply; empty: there is none.
func (l *limited) ask(t testing.TB, client netip.Addr, in []byte) string {
	t.Helper()
	out := l.RespondAt(in, client, l.now, l.buf)
	if out == nil {
		return ""
	}
	checkEcho(t, in, out)
	return dnstest.Summary(dnstest.Unpack(t, out))
}

// spend asks until a limit is reached, and a little more.
func (l *limited) spend(t testing.TB, client netip.Addr, question func(i int) []byte, whole, kept string) {
	t.Helper()
	for i := range 2 * burst {
		want := whole
		if i >= burst {
			want = kept
		}
		if got := l.ask(t, client, question(i)); got != want {
			t.Errorf("reply %d is %q, want %q", i+1, got, want)
		}
	}
}

// worldQuestion asks for one name below the world's apex, again and again.
func worldQuestion(t testing.TB, qtype uint16, format string) func(int) []byte {
	return func(i int) []byte {
		name := format + ".gslb.example.com."
		if strings.Contains(format, "%") {
			name = fmt.Sprintf(name, i)
		}
		return dnstest.Pack(t, dnstest.Ask(1, name, qtype))
	}
}

// kept is how many replies of a class are counted as kept back.
func (l *limited) kept(t testing.TB, class rrl.Class, action rrl.Action) uint64 {
	t.Helper()
	for _, m := range dnstest.Series(t, l.meter.Metrics, "gslb_dns_rate_limited_total") {
		if dnstest.LabelOf(m, "class") == class.String() && dnstest.LabelOf(m, "action") == action.String() {
			return uint64(m.GetCounter().GetValue())
		}
	}
	return 0
}

// TestRateLimitClasses reaches the limit with each kind of reply: with one name, or with as
// many as an attacker makes up where those share a bucket.
func TestRateLimitClasses(t *testing.T) {
	class := func(in func(int) []byte, class byte) func(int) []byte {
		return func(i int) []byte {
			msg := in(i)
			msg[len(msg)-1] = class
			return msg
		}
	}
	tests := []struct {
		name        string
		class       rrl.Class
		question    func(int) []byte
		whole, kept string
	}{
		{"positive", rrl.Positive, worldQuestion(t, dns.TypeA, "app"), "NOERROR aa 1/2/0/0", "NOERROR aa tc 1/0/0/0"},
		{"alias", rrl.Positive, worldQuestion(t, dns.TypeA, "chain"), "NOERROR aa 1/4/0/0", "NOERROR aa tc 1/0/0/0"},
		{"no data", rrl.NoData, worldQuestion(t, dns.TypeTXT, "app"), "NOERROR aa 1/0/1/0", "NOERROR aa tc 1/0/0/0"},
		{"random names", rrl.NXDomain, worldQuestion(t, dns.TypeA, "r%d"), "NXDOMAIN aa 1/0/1/0", "NXDOMAIN aa tc 1/0/0/0"},
		{"random names of a wildcard", rrl.Wildcard, worldQuestion(t, dns.TypeA, "r%d.wild"), "NOERROR aa 1/1/0/0", "NOERROR aa tc 1/0/0/0"},
		{"random names of a wildcard without data", rrl.Wildcard, worldQuestion(t, dns.TypeMX, "r%d.wild"), "NOERROR aa 1/0/1/0", "NOERROR aa tc 1/0/0/0"},
		{"random names below a DNAME", rrl.Wildcard, worldQuestion(t, dns.TypeCNAME, "r%d.dn"), "NOERROR aa 1/2/0/0", "NOERROR aa tc 1/0/0/0"},
		{"random names of a delegation", rrl.Referral, worldQuestion(t, dns.TypeA, "r%d.cut"), "NOERROR 1/0/2/2", "NOERROR tc 1/0/0/0"},
		{"ANY", rrl.Any, worldQuestion(t, dns.TypeANY, "static"), "NOERROR aa 1/2/0/0", "NOERROR aa tc 1/0/0/0"},
		{"errors slip as they are", rrl.Error, func(i int) []byte {
			return dnstest.Pack(t, dnstest.Ask(1, fmt.Sprintf("r%d.example.org.", i), dns.TypeA))
		}, "REFUSED 1/0/0/0", "REFUSED 1/0/0/0"},
		{"SERVFAIL", rrl.Error, worldQuestion(t, dns.TypeA, "quiet"), "SERVFAIL 1/0/0/0", "SERVFAIL 1/0/0/0"},

		// Such as go through package dns.
		{"class ANY", rrl.Positive, class(worldQuestion(t, dns.TypeA, "app"), 255), "NOERROR 1/2/0/0", "NOERROR tc 1/0/0/0"},
		{"class ANY, random names", rrl.NXDomain, class(worldQuestion(t, dns.TypeA, "r%d"), 255), "NXDOMAIN 1/0/1/0", "NXDOMAIN tc 1/0/0/0"},
		{"class CH", rrl.Positive, func(int) []byte {
			m := dnstest.Ask(1, "id.server.", dns.TypeTXT)
			m.Question[0].Qclass = dns.ClassCHAOS
			return dnstest.Pack(t, m)
		}, "NOERROR 1/1/0/0", "NOERROR tc 1/0/0/0"},
		{"malformed", rrl.Error, func(int) []byte { return dnstest.Message(0, [4]uint16{}) }, "FORMERR 0/0/0/0", "FORMERR 0/0/0/0"},
		{"signed", rrl.Error, func(int) []byte { return dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, dnstest.TSIG) }, "NOTAUTH 1/0/0/1", "NOTAUTH 1/0/0/1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLimited(t, OverUDP, nil)
			l.spend(t, dnstest.Client.Addr(), test.question, test.whole, test.kept)
			if got := l.kept(t, test.class, rrl.Slip); got != burst {
				t.Errorf("%d of class %v are counted, want %d", got, test.class, burst)
			}
			// Only the network and the bucket are out of breath.
			if got := l.ask(t, netip.MustParseAddr("198.51.100.1"), test.question(99)); got != test.whole {
				t.Errorf("another network is sent %q, want %q", got, test.whole)
			}
			if got, want := l.ask(t, dnstest.Client.Addr(), worldQuestion(t, dns.TypeA, "mail")(0)), "NOERROR aa 1/1/0/0"; got != want {
				t.Errorf("another question is answered %q, want %q", got, want)
			}
			// And nothing is for ever.
			l.now = l.now.Add(burst * time.Second)
			if got := l.ask(t, dnstest.Client.Addr(), test.question(100)); got != test.whole {
				t.Errorf("after a rest the reply is %q, want %q", got, test.whole)
			}

			dropping := newLimited(t, OverUDP, func(o *rrl.Options) { o.Slip = 0 })
			dropping.spend(t, dnstest.Client.Addr(), test.question, test.whole, "")
			if got := dropping.kept(t, test.class, rrl.Drop); got != burst {
				t.Errorf("%d drops of class %v are counted, want %d", got, test.class, burst)
			}
		})
	}
}

// TestSlipKeepsOPT has EDNS, with all that was asked for, in what slips.
func TestSlipKeepsOPT(t *testing.T) {
	for _, qclass := range []uint16{dns.ClassINET, dns.ClassANY} {
		l := newLimited(t, OverUDP, nil)
		m := dnstest.Ask(1, "app.gslb.example.com.", dns.TypeA)
		m.Question[0].Qclass = qclass
		m.SetEdns0(4096, true)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_NSID{Code: dns.EDNS0NSID}, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"}}
		in := dnstest.Pack(t, m)
		for range burst {
			l.ask(t, dnstest.Client.Addr(), in)
		}
		out := l.RespondAt(in, dnstest.Client.Addr(), l.now, l.buf)
		reply := dnstest.Unpack(t, out)
		if !reply.Truncated || len(reply.Answer)+len(reply.Ns) > 0 || len(reply.Extra) != 1 || !reply.IsEdns0().Do() {
			t.Errorf("class %d: %s", qclass, dnstest.Summary(reply))
		}
		if options := optionsOf(t, out); len(options) != 2 || options[1] != `3 "ns1"` {
			t.Errorf("class %d: options %q", qclass, options)
		}
	}
}

// TestSlippingErrorIsNotExplained has errors beyond the limit: they are no larger than without
// EDNS's extended errors, whose text a forger would have the server send.
func TestSlippingErrorIsNotExplained(t *testing.T) {
	for name, change := range map[string]func(*dns.Msg){
		"REFUSED, the usual way": func(m *dns.Msg) { m.Question[0].Name = "www.example.org." },
		"SERVFAIL":               func(*dns.Msg) {},
		"REFUSED, the odd way":   func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassHESIOD },
		"NOTIMP":                 func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAXFR },
	} {
		l := newLimited(t, OverUDP, nil)
		m := dnstest.Ask(1, "quiet.gslb.example.com.", dns.TypeA)
		change(m)
		m.SetEdns0(4096, false)
		in := dnstest.Pack(t, m)
		first := dnstest.Summary(dnstest.Unpack(t, l.RespondAt(in, dnstest.Client.Addr(), l.now, l.buf)))
		for range burst - 1 {
			l.ask(t, dnstest.Client.Addr(), in)
		}
		out := l.RespondAt(in, dnstest.Client.Addr(), l.now, l.buf)
		if options := optionsOf(t, out); len(out) > len(in) || len(options) > 0 || dnstest.Summary(dnstest.Unpack(t, out)) != first {
			t.Errorf("%s: %d bytes for %d, %s, options %q; the first was %s",
				name, len(out), len(in), dnstest.Summary(dnstest.Unpack(t, out)), options, first)
		}
	}
}

// TestNotLimited has clients whose address is beyond doubt, and networks that are trusted.
func TestNotLimited(t *testing.T) {
	const whole = "NOERROR aa 1/2/0/0"
	question := worldQuestion(t, dns.TypeA, "app")
	t.Run("TCP", func(t *testing.T) {
		newLimited(t, OverTCP, nil).spend(t, dnstest.Client.Addr(), question, whole, whole)
	})
	t.Run("whitelist", func(t *testing.T) {
		l := newLimited(t, OverUDP, func(o *rrl.Options) { o.Exempt = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/29")} })
		l.spend(t, dnstest.Client.Addr(), question, whole, whole)
		l.spend(t, netip.MustParseAddr("192.0.2.8"), question, whole, "NOERROR aa tc 1/0/0/0")
	})
	t.Run("no limiter", func(t *testing.T) {
		l := newLimited(t, OverUDP, nil)
		l.settings.Store(&Settings{})
		l.spend(t, dnstest.Client.Addr(), question, whole, whole)
	})
	t.Run("rate 0", func(t *testing.T) {
		newLimited(t, OverUDP, func(o *rrl.Options) { o.Rate = 0 }).spend(t, dnstest.Client.Addr(), question, whole, whole)
	})
}

// TestCookieBypassesLimit spends the limit with forged cookies, and asks with a good one.
func TestCookieBypassesLimit(t *testing.T) {
	for _, qclass := range []uint16{dns.ClassINET, dns.ClassANY} {
		l := newLimited(t, OverUDP, func(o *rrl.Options) { o.Slip = 0 })
		with := func(cookies string) []byte {
			m := dnstest.Ask(1, "app.gslb.example.com.", dns.TypeA)
			m.Question[0].Qclass = qclass
			m.SetEdns0(1232, false)
			m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: dns.EDNS0COOKIE, Data: []byte(cookies)}}
			return dnstest.Pack(t, m)
		}
		first := dnstest.Unpack(t, l.RespondAt(with(clientCookie), dnstest.Client.Addr(), l.now, l.buf))
		valid := first.IsEdns0().Option[0].(*dns.EDNS0_COOKIE)
		for range burst {
			l.ask(t, dnstest.Client.Addr(), with(clientCookie+"serverserver"))
		}
		if got := l.ask(t, dnstest.Client.Addr(), with(clientCookie+"serverserver")); got != "" {
			t.Errorf("class %d: a forged cookie is answered %q", qclass, got)
		}
		if got := l.ask(t, dnstest.Client.Addr(), with(clientCookie)); got != "" {
			t.Errorf("class %d: a client cookie alone is answered %q", qclass, got)
		}
		cookies, err := hex.DecodeString(valid.Cookie)
		if err != nil {
			t.Fatal(err)
		}
		proven := with(string(cookies))
		for range 2 * burst {
			if got := l.ask(t, dnstest.Client.Addr(), proven); !strings.HasPrefix(got, "NOERROR") || strings.Contains(got, "tc") {
				t.Errorf("class %d: a valid cookie is answered %q", qclass, got)
			}
		}
		if got := l.ask(t, netip.MustParseAddr("192.0.2.9"), proven); got != "" {
			t.Errorf("class %d: a stolen cookie is answered %q", qclass, got)
		}
	}
}

// TestRateLimitMetrics counts what is kept back, by class and what became of it; and what was
// not sent is not counted as a response.
func TestRateLimitMetrics(t *testing.T) {
	l := newLimited(t, OverUDP, func(o *rrl.Options) { o.Slip = 0 })
	l.spend(t, dnstest.Client.Addr(), worldQuestion(t, dns.TypeA, "app"), "NOERROR aa 1/2/0/0", "")
	want := `
# HELP gslb_dns_rate_limited_total Replies over UDP kept back because too many of their class went to one network: drop (not sent), slip (sent without content, TC set).
# TYPE gslb_dns_rate_limited_total counter
`
	for class := rrl.Positive; class <= rrl.Error; class++ {
		for _, action := range []rrl.Action{rrl.Drop, rrl.Slip} {
			n := 0
			if class == rrl.Positive && action == rrl.Drop {
				n = burst
			}
			want += fmt.Sprintf("gslb_dns_rate_limited_total{action=%q,class=%q} %d\n", action, class, n)
		}
	}
	want += `
# HELP gslb_dns_responses_total Replies, by the zone that answered (as in requests) and response code.
# TYPE gslb_dns_responses_total counter
gslb_dns_responses_total{rcode="NOERROR",server="127.0.0.1:0",zone="gslb.example.com."} 3
`
	if err := testutil.CollectAndCompare(l.meter.Metrics, strings.NewReader(want), "gslb_dns_rate_limited_total", "gslb_dns_responses_total"); err != nil {
		t.Error(err)
	}
}

// TestRateLimitLog has an attack in the name of a hundred networks, which come to rest: one
// line a second at most for each.
func TestRateLimitLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock of the log stands still
		l := newLimited(t, OverUDP, nil)
		question := worldQuestion(t, dns.TypeA, "app")(0)
		attack := func() {
			for network := range byte(100) {
				for range 2 * burst {
					l.ask(t, netip.AddrFrom4([4]byte{10, 0, network, 1}), question)
				}
			}
		}
		attack()
		l.now = l.now.Add(burst * time.Second)
		attack()
		lines := strings.Split(strings.TrimSpace(l.log.String()), "\n")
		if len(lines) != 2 {
			t.Fatalf("%d lines, want 2:\n%s", len(lines), l.log)
		}
		for i, want := range []string{"is limited", "back below the limit"} {
			if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], "network=10.0.0.0/24 class=positive") {
				t.Errorf("line %d does not say %q: %s", i, want, lines[i])
			}
		}
		if diff := cmp.Diff(uint64(2*100*burst), l.kept(t, rrl.Positive, rrl.Slip)); diff != "" {
			t.Errorf("counted (-want +got):\n%s", diff)
		}
	})
}
