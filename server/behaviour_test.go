package server

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"gslb/server/dnstest"
)

// TestBehaviour asks a running server over both transports and compares whole replies.
func TestBehaviour(t *testing.T) {
	const soa = "example.org.\t5\tIN\tSOA\tns1.example.org. hostmaster.example.org. 1 3600 600 86400 5"
	edns := func(size uint16, do bool) func(*dns.Msg) {
		return func(m *dns.Msg) { m.SetEdns0(size, do) }
	}
	class := func(class uint16) func(*dns.Msg) {
		return func(m *dns.Msg) { m.Question[0].Qclass = class }
	}
	tests := []struct {
		name   string
		qname  string
		qtype  uint16
		change func(*dns.Msg)

		udp        string
		tcp        string // empty: as over UDP
		answer     []string
		authority  []string
		additional []string
	}{{
		name: "answer", qname: "www.example.org.", qtype: dns.TypeA,
		udp:    "NOERROR aa 1/2/0/0",
		answer: []string{"www.example.org.\t60\tIN\tA\t192.0.2.1", "www.example.org.\t60\tIN\tA\t192.0.2.2"},
	}, {
		name: "the case comes back", qname: "wWw.ExAmPle.oRG.", qtype: dns.TypeAAAA,
		udp:    "NOERROR aa 1/1/0/0",
		answer: []string{"wWw.ExAmPle.oRG.\t60\tIN\tAAAA\t2001:db8::1"},
	}, {
		name: "no data", qname: "www.example.org.", qtype: dns.TypeMX,
		udp: "NOERROR aa 1/0/1/0", authority: []string{soa},
	}, {
		name: "no such name", qname: "nope.example.org.", qtype: dns.TypeA,
		udp: "NXDOMAIN aa 1/0/1/0", authority: []string{soa},
	}, {
		name: "outside", qname: "www.example.com.", qtype: dns.TypeA,
		udp: "REFUSED 1/0/0/0",
	}, {
		name: "the root", qname: ".", qtype: dns.TypeNS,
		udp: "REFUSED 1/0/0/0",
	}, {
		name: "referral", qname: "a.sub.example.org.", qtype: dns.TypeA,
		udp:        "NOERROR 1/0/2/1",
		authority:  []string{"sub.example.org.\t60\tIN\tNS\tns.sub.example.org.", "sub.example.org.\t60\tIN\tNS\tns.elsewhere.net."},
		additional: []string{"ns.sub.example.org.\t60\tIN\tA\t192.0.2.99"},
	}, {
		name: "flags of the query", qname: "example.org.", qtype: dns.TypeNS,
		change: func(m *dns.Msg) {
			m.RecursionDesired, m.CheckingDisabled, m.AuthenticatedData, m.Zero = true, true, true, true
		},
		udp:    "NOERROR aa rd 1/1/0/1",
		answer: []string{"example.org.\t60\tIN\tNS\tns1.example.org."},
	}, {
		name: "EDNS", qname: "nope.example.org.", qtype: dns.TypeA, change: edns(4096, false),
		udp: "NXDOMAIN aa 1/0/1/1 edns0/1232", authority: []string{soa},
	}, {
		name: "EDNS with DO, refused", qname: "example.com.", qtype: dns.TypeA, change: edns(512, true),
		udp: "REFUSED 1/0/0/1 edns0/1232 do",
	}, {
		name: "too large without EDNS", qname: "big.example.org.", qtype: dns.TypeTXT,
		udp: "NOERROR aa tc 1/0/0/0", tcp: "NOERROR aa 1/5/0/0",
	}, {
		name: "too large for the client", qname: "big.example.org.", qtype: dns.TypeTXT, change: edns(100, false),
		udp: "NOERROR aa tc 1/0/0/1 edns0/1232", tcp: "NOERROR aa 1/5/0/1 edns0/1232",
	}, {
		name: "large enough", qname: "big.example.org.", qtype: dns.TypeTXT, change: edns(1232, false),
		udp: "NOERROR aa 1/5/0/1 edns0/1232",
	}, {
		name: "too large for any datagram", qname: "huge.example.org.", qtype: dns.TypeTXT, change: edns(4096, false),
		udp: "NOERROR aa tc 1/0/0/1 edns0/1232", tcp: "NOERROR aa 1/8/0/1 edns0/1232",
	}, {
		name: "class ANY", qname: "www.example.org.", qtype: dns.TypeA, change: class(dns.ClassANY),
		udp:    "NOERROR 1/2/0/0",
		answer: []string{"www.example.org.\t60\tIN\tA\t192.0.2.1", "www.example.org.\t60\tIN\tA\t192.0.2.2"},
	}, {
		name: "class CH", qname: "version.bind.", qtype: dns.TypeTXT, change: class(dns.ClassCHAOS),
		udp: "REFUSED 1/0/0/0",
	}, {
		name: "class NONE", qname: "www.example.org.", qtype: dns.TypeA, change: class(dns.ClassNONE),
		udp: "REFUSED 1/0/0/0",
	}, {
		name: "AXFR", qname: "example.org.", qtype: dns.TypeAXFR,
		udp: "NOTIMP 1/0/0/0", tcp: "REFUSED 1/0/0/0",
	}, {
		name: "IXFR", qname: "example.org.", qtype: dns.TypeIXFR,
		change: func(m *dns.Msg) { m.SetIxfr("example.org.", 1, "ns1.example.org.", "hostmaster.example.org.") },
		udp:    "REFUSED 1/0/0/0",
	}, {
		name: "AXFR of what is no zone", qname: "www.example.org.", qtype: dns.TypeAXFR,
		udp: "NOTIMP 1/0/0/0", tcp: "NOTAUTH 1/0/0/0",
	}, {
		name: "IXFR outside", qname: "example.com.", qtype: dns.TypeIXFR,
		change: func(m *dns.Msg) { m.SetIxfr("example.com.", 1, "ns1.example.org.", "hostmaster.example.org.") },
		udp:    "NOTAUTH 1/0/0/0",
	}, {
		name: "a type that is no data", qname: "www.example.org.", qtype: dns.TypeMAILB,
		udp: "NOERROR aa 1/0/1/0", authority: []string{soa},
	}, {
		name: "a fault of the server", qname: "panic.example.org.", qtype: dns.TypeA,
		udp: "SERVFAIL 1/0/0/0",
	}}

	addr := startServer(t, nil).Addrs()[0]
	for _, network := range []string{"udp", "tcp"} {
		conn := dnstest.Dial(t, network, addr)
		for i, test := range tests {
			t.Run(network+"/"+test.name, func(t *testing.T) {
				query := dnstest.Ask(uint16(i), test.qname, test.qtype)
				if test.change != nil {
					test.change(query)
				}
				query.Id = uint16(4711 + i)
				reply := dnstest.Exchange(t, conn, query)

				want := test.udp
				if network == "tcp" && test.tcp != "" {
					want = test.tcp
				}
				if got := dnstest.Summary(reply); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				if reply.Id != query.Id {
					t.Errorf("id %d, want %d", reply.Id, query.Id)
				}
				if diff := cmp.Diff(query.Question, reply.Question); diff != "" {
					t.Errorf("question (-asked +returned):\n%s", diff)
				}
				compareSection(t, "answer", reply.Answer, test.answer)
				compareSection(t, "authority", reply.Ns, test.authority)
				compareSection(t, "additional", reply.Extra, test.additional)
			})
		}
	}
}

// compareSection compares records as text; what a test lists none of is not compared, as
// the counts have been.
func compareSection(t *testing.T, section string, got []dns.RR, want []string) {
	t.Helper()
	if want == nil {
		return
	}
	var text []string
	for _, rr := range got {
		text = append(text, rr.String())
	}
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("%s (-want +got):\n%s", section, diff)
	}
}
