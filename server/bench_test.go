package server

import (
	"testing"

	"github.com/miekg/dns"

	"gslb/answer"
)

// BenchmarkRespond is the cost of a query without the sockets, and with a look-up that
// costs nothing: parse, pack, count.
func BenchmarkRespond(b *testing.B) {
	zone := parseZone(b, zoneText)
	edns := ask(1, "www.example.org.", dns.TypeA)
	edns.SetEdns0(1232, false)
	for _, bench := range []struct {
		name  string
		query *dns.Msg
	}{
		{"answer", ask(1, "www.example.org.", dns.TypeA)},
		{"edns", edns},
		{"nxdomain", ask(1, "nope.example.org.", dns.TypeA)},
		{"truncated", ask(1, "big.example.org.", dns.TypeTXT)},
		{"formerr", new(dns.Msg)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var fixed fixedReply
			in := mustPack(b, bench.query)
			if len(bench.query.Question) > 0 {
				q := bench.query.Question[0]
				fixed.Reply = zone.Lookup(q.Name, q.Qtype)
			}
			r := responderOver(b, overUDP, &fixed)
			b.ReportAllocs()
			for b.Loop() {
				if r.respond(in, testClient) == nil {
					b.Fatal("no reply")
				}
			}
		})
	}
}

// fixedReply answers every question with the same reply.
type fixedReply struct{ answer.Reply }

func (f *fixedReply) Lookup(string, uint16) answer.Reply { return f.Reply }
