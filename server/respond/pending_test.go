package respond

import (
	"testing"

	"github.com/miekg/dns"

	"gslb/server/dnstest"
)

// TestPending asks while first verdicts are awaited: what depends on them gets no reply, is
// counted as dropped and limits nobody's rate; everything else is answered as ever.
func TestPending(t *testing.T) {
	const silence = ""
	tests := []struct {
		qname string
		qtype uint16
		want  string
	}{
		{"app.gslb.example.com.", dns.TypeA, silence},
		{"app.gslb.example.com.", dns.TypeAAAA, silence},
		{"app.gslb.example.com.", dns.TypeANY, silence},
		{"chain.gslb.example.com.", dns.TypeA, silence},
		{"app.gslb.example.com.", dns.TypeTXT, "NOERROR aa 1/0/1/0"},
		{"chain.gslb.example.com.", dns.TypeCNAME, "NOERROR aa 1/1/0/0"},
		{"four.gslb.example.com.", dns.TypeA, "NOERROR aa 1/1/0/0"}, // another pool's
		{"static.gslb.example.com.", dns.TypeA, "NOERROR aa 1/2/0/0"},
		{"svc.gslb.example.com.", dns.TypeSRV, "NOERROR aa 1/2/0/1"}, // without what is awaited
		{"nope.gslb.example.com.", dns.TypeA, "NXDOMAIN aa 1/0/1/0"},
		{"www.example.org.", dns.TypeA, "REFUSED 1/0/0/0"},
	}
	for _, via := range []Transport{OverUDP, OverTCP} {
		for _, class := range []uint16{dns.ClassINET, dns.ClassANY} {
			r := responderOver(t, via, dnstest.Awaiting(t, "nyc"))
			silent := 0
			for _, test := range tests {
				m := dnstest.Ask(1, test.qname, test.qtype)
				m.Question[0].Qclass = class
				got := silence
				if out := r.Respond(dnstest.Pack(t, m), dnstest.Client); out != nil {
					reply := dnstest.Unpack(t, out)
					reply.Authoritative = reply.Authoritative || class == dns.ClassANY && reply.Rcode != dns.RcodeRefused
					got = dnstest.Summary(reply)
				} else {
					silent++
				}
				if got != test.want {
					t.Errorf("%s %s over %v, class %d: got %q, want %q", test.qname, dns.Type(test.qtype), via, class, got, test.want)
				}
			}
			for _, m := range dnstest.Series(t, r.meter.Metrics, "gslb_dns_dropped_total") {
				if dnstest.LabelOf(m, "reason") == "pending" && m.GetCounter().GetValue() != float64(silent) {
					t.Errorf("%v are counted as dropped, want %d", m.GetCounter().GetValue(), silent)
				}
			}
		}
	}
}

// TestPendingFamily asks, while first verdicts are awaited, for addresses of IPv6: where no pool has
// one, there is none whatever the verdicts will be, and a resolver need not wait to be told.
func TestPendingFamily(t *testing.T) {
	tests := []struct {
		awaited, qname string
		want           string // nothing: no reply
	}{
		{"ams", "x.steered.gslb.example.com.", "NOERROR aa 1/0/1/0"},
		{"ams", "toeu.gslb.example.com.", "NOERROR aa 1/1/1/0"},
		{"ams", "four.gslb.example.com.", ""},   // the second pool has one
		{"down", "quiet.gslb.example.com.", ""}, // it may become SERVFAIL
		{"down", "hope.gslb.example.com.", "NOERROR aa 1/0/1/0"},
		{"down", "back.gslb.example.com.", "NOERROR aa 1/0/1/0"},
	}
	for _, via := range []Transport{OverUDP, OverTCP} {
		for _, test := range tests {
			r := responderOver(t, via, dnstest.Awaiting(t, test.awaited))
			got := ""
			if out := r.Respond(dnstest.Pack(t, dnstest.Ask(1, test.qname, dns.TypeAAAA)), dnstest.Client); out != nil {
				reply := dnstest.Unpack(t, out)
				got = dnstest.Summary(reply)
				if ttl := reply.Ns[0].Header().Ttl; ttl == 0 {
					t.Errorf("%s over %v: the denial may not be kept at all", test.qname, via)
				}
			}
			if got != test.want {
				t.Errorf("%s over %v: got %q, want %q", test.qname, via, got, test.want)
			}
			if out := r.Respond(dnstest.Pack(t, dnstest.Ask(1, test.qname, dns.TypeA)), dnstest.Client); out != nil {
				t.Errorf("%s over %v: there is a reply about IPv4", test.qname, via)
			}
		}
	}
}
