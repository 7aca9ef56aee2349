package respond

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"gslb/answer"
	"gslb/internal/wire"
	"gslb/server/dnstest"
)

func mustRR(t testing.TB, text string) dns.RR {
	t.Helper()
	rr, err := dns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	return rr
}

// delegation is a referral with count name servers in the child zone, each with glue of
// both families, and one outside with an address that nobody needs.
func delegation(t testing.TB, count int) answer.Reply {
	reply := answer.Reply{Zone: "example.org."}
	for i := range count {
		ns := fmt.Sprintf("nameserver%02d.sub.example.org.", i)
		reply.Authority = append(reply.Authority, mustRR(t, "sub.example.org. 60 NS "+ns))
		reply.Additional = append(reply.Additional,
			mustRR(t, ns+" 60 A 192.0.2.1"), mustRR(t, ns+" 60 AAAA 2001:db8::1"))
	}
	reply.Authority = append(reply.Authority, mustRR(t, "sub.example.org. 60 NS ns.other.example.org."))
	reply.Additional = append(reply.Additional, mustRR(t, "ns.other.example.org. 60 A 192.0.2.2"))
	return reply
}

// TestShorten has replies that are just too large, each in its own way.
func TestShorten(t *testing.T) {
	var txt, mx, addresses []dns.RR
	for i := range 30 {
		txt = append(txt, mustRR(t, fmt.Sprintf("www.example.org. 60 TXT %s%02d", strings.Repeat("x", 40), i)))
		mx = append(mx, mustRR(t, fmt.Sprintf("www.example.org. 60 MX 10 mail%02d.example.org.", i%10)))
		addresses = append(addresses, mustRR(t, fmt.Sprintf("mail%02d.example.org. 60 A 192.0.2.%d", i/10, i)))
	}
	soa := mustRR(t, "example.org. 60 SOA ns1 hostmaster 1 2 3 4 5")
	tests := []struct {
		name  string
		reply answer.Reply
		limit int
		want  string
	}{
		{"fits", answer.Reply{Answer: txt[:8]}, 512, "NOERROR 1/8/0/0"},
		{"answer does not fit", answer.Reply{Answer: txt[:9]}, 512, "NOERROR tc 1/0/0/0"},
		{"authority does not fit", answer.Reply{Answer: txt[:8], Authority: []dns.RR{soa}}, 512, "NOERROR tc 1/0/0/0"},
		{"AA and the code stay", answer.Reply{Authoritative: true, Rcode: dns.RcodeNameError, Answer: txt}, 512, "NXDOMAIN aa tc 1/0/0/0"},
		{"nothing additional fits", answer.Reply{Answer: txt[:8], Additional: addresses}, 512, "NOERROR 1/8/0/0"},

		{"one whole RRset of three fits", answer.Reply{Answer: mx[:10], Additional: addresses}, 512, "NOERROR 1/10/0/10"},
		{"glue does not fit", delegation(t, 9), 512, "NOERROR tc 1/0/10/9"},
		{"glue but for what is not needed fits", delegation(t, 6), 500, "NOERROR 1/0/7/12"},
		{"no referral, and so no glue", answer.Reply{
			Zone: "example.org.", Answer: txt[:7],
			Authority:  []dns.RR{mustRR(t, "example.org. 60 NS mail00.example.org.")},
			Additional: addresses[:9],
		}, 512, "NOERROR 1/7/1/0"},
		{"an answer beyond TCP", answer.Reply{Answer: slices.Repeat(txt, 60)}, dns.MaxMsgSize, "NOERROR tc 1/0/0/0"},
	}
	q := parsed(t, dnstest.Ask(1, "www.example.org.", dns.TypeA))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, err := pack(nil, q, test.reply, nil, test.limit)
			if err != nil {
				t.Fatal(err)
			}
			if got := dnstest.Summary(dnstest.Unpack(t, out)); got != test.want {
				t.Errorf("got %q (%d bytes), want %q", got, len(out), test.want)
			}
			if len(out) > test.limit {
				t.Errorf("%d bytes, above the limit of %d", len(out), test.limit)
			}
		})
	}
}

func parsed(t testing.TB, m *dns.Msg) *query {
	var q query
	q.parse(dnstest.Pack(t, m))
	if q.rcode != dns.RcodeSuccess {
		t.Fatalf("the query does not parse: %v", m)
	}
	return &q
}

// TestPackProperty packs random replies at random limits: never too large, whole RRsets
// only, all of answer and authority or none, TC when something the client needs is gone.
func TestPackProperty(t *testing.T) {
	section := rapid.Custom(func(t *rapid.T) []dns.RR {
		var rrs []dns.RR
		for range rapid.IntRange(0, 5).Draw(t, "rrsets") {
			owner := rapid.StringMatching(`[a-c]{1,3}\.(sub\.)?example\.org\.`).Draw(t, "owner")
			for i := range rapid.IntRange(1, 4).Draw(t, "records") {
				rrs = append(rrs, &dns.TXT{
					Hdr: dns.RR_Header{Name: owner, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60},
					Txt: []string{strings.Repeat("x", rapid.IntRange(0, 200).Draw(t, "size")), fmt.Sprint(i)},
				})
			}
		}
		return rrs
	})
	rapid.Check(t, func(rt *rapid.T) {
		reply := answer.Reply{
			Zone:       "example.org.",
			Answer:     section.Draw(rt, "answer"),
			Authority:  section.Draw(rt, "authority"),
			Additional: section.Draw(rt, "additional"),
		}
		asked := dnstest.Ask(1, "A.example.org.", dns.TypeTXT)
		if rapid.Bool().Draw(rt, "edns") {
			asked.SetEdns0(1232, true)
		}
		q := parsed(t, asked)
		limit := rapid.IntRange(512, 2000).Draw(rt, "limit")
		var opt []byte
		if q.edns.Present {
			opt = new(optBuilder).make(&q.edns, reply.Rcode, wire.UDPPayload)
		}
		out, err := pack(nil, q, reply, opt, limit)
		if err != nil {
			rt.Fatal(err)
		}
		if len(out) > limit {
			rt.Fatalf("%d bytes, above the limit of %d", len(out), limit)
		}
		got := dnstest.Unpack(t, out)
		if q.edns.Present {
			if got.IsEdns0() == nil {
				rt.Fatal("no OPT in the reply")
			}
			got.Extra = got.Extra[:len(got.Extra)-1]
		}
		whole, err := pack(nil, q, reply, opt, dns.MaxMsgSize)
		if err != nil {
			rt.Fatal(err)
		}
		all := len(got.Answer) == len(reply.Answer) && len(got.Ns) == len(reply.Authority)
		none := len(got.Answer)+len(got.Ns)+len(got.Extra) == 0
		switch {
		case len(whole) <= limit && (!all || len(got.Extra) != len(reply.Additional) || got.Truncated):
			rt.Fatalf("it would fit, but is cut: %s", dnstest.Summary(got))
		case got.Truncated && !none, !got.Truncated && !all:
			rt.Fatalf("answer and authority are neither whole nor cut: %s", dnstest.Summary(got))
		}
		// What is additional is a prefix of what was to be sent, and does not split an RRset.
		kept := len(got.Extra)
		if diff := cmp.Diff(texts(reply.Additional[:kept]), texts(got.Extra)); diff != "" {
			rt.Fatalf("additional (-reply +packed):\n%s", diff)
		}
		if kept > 0 && kept < len(reply.Additional) && sameRRset(reply.Additional[kept-1], reply.Additional[kept]) {
			rt.Fatalf("an RRset is split after %d additional records", kept)
		}
	})
}

func texts(rrs []dns.RR) []string {
	var out []string
	for _, rr := range rrs {
		out = append(out, rr.String())
	}
	return out
}
