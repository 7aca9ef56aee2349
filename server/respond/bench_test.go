package respond

import (
	"testing"

	"github.com/miekg/dns"

	"gslb/server/dnstest"
)

// BenchmarkRespond is the cost of a query without the sockets.
func BenchmarkRespond(b *testing.B) {
	edns := dnstest.Ask(1, "www.example.org.", dns.TypeA)
	edns.SetEdns0(1232, false)
	odd := dnstest.Ask(1, "www.example.org.", dns.TypeA)
	odd.Question[0].Qclass = dns.ClassANY
	for _, bench := range []struct {
		name  string
		query *dns.Msg
	}{
		{"answer", dnstest.Ask(1, "www.example.org.", dns.TypeA)},
		{"edns", edns},
		{"nxdomain", dnstest.Ask(1, "nope.example.org.", dns.TypeA)},
		{"nameservers", dnstest.Ask(1, "example.org.", dns.TypeNS)},
		{"odd", odd},
		{"truncated", dnstest.Ask(1, "big.example.org.", dns.TypeTXT)},
		{"formerr", new(dns.Msg)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			in := dnstest.Pack(b, bench.query)
			r := newTestResponder(b, OverUDP)
			b.ReportAllocs()
			for b.Loop() {
				if r.Respond(in, dnstest.Client) == nil {
					b.Fatal("no reply")
				}
			}
		})
	}
}

// BenchmarkRespondInBatch is the cost of a query in a batch: what a batch does once, such as
// reading the clock, is left out.
func BenchmarkRespondInBatch(b *testing.B) {
	for _, bench := range []struct {
		name, qname string
		qtype       uint16
	}{
		{"answer", "www.example.org.", dns.TypeA},
		{"nxdomain", "nope.example.org.", dns.TypeA},
		{"nameservers", "example.org.", dns.TypeNS},
	} {
		b.Run(bench.name, func(b *testing.B) {
			in := dnstest.Pack(b, dnstest.Ask(1, bench.qname, bench.qtype))
			r := newTestResponder(b, OverUDP)
			began := r.clock.now()
			b.ReportAllocs()
			for b.Loop() {
				if r.RespondAt(in, dnstest.Client.Addr(), began, r.buf) == nil {
					b.Fatal("no reply")
				}
			}
		})
	}
}

// BenchmarkSteered is the cost of a query for an address by each way to steer. What comes with a
// subnet is compared with a name that is the same for all, asked with a subnet too.
func BenchmarkSteered(b *testing.B) {
	world, drawn := dnstest.World(b), dnstest.Drawn(b)
	subnet := subnetOption("192.0.2.0/25")
	for _, bench := range []struct {
		name, qname string
		table       Resolver
		option      *string
	}{
		{"failover", "four", world, nil},
		{"weighted", "weighted", drawn, nil},
		{"rotated", "turns", drawn, nil},
		{"sticky", "spread", world, nil},
		{"all", "every", world, nil},
		{"views", "nets", world, nil},
		{"failover_subnet", "four", world, &subnet},
		{"sticky_subnet", "spread", world, &subnet},
		{"views_subnet", "nets", world, &subnet},
	} {
		b.Run(bench.name, func(b *testing.B) {
			in := asked(b, bench.qname+".gslb.example.com.", dns.TypeA, bench.option)
			r := responderOver(b, OverUDP, bench.table)
			began := r.clock.now()
			b.ReportAllocs()
			for b.Loop() {
				if r.RespondAt(in, dnstest.Client.Addr(), began, r.buf) == nil {
					b.Fatal("no reply")
				}
			}
		})
	}
}
