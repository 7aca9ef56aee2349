package respond

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"gslb/server/dnstest"
)

// TestChaos asks for what tells servers apart (RFC 4892).
func TestChaos(t *testing.T) {
	identified := Settings{ID: `ns1.nyc "\1"`, Version: "gslb 1"}
	const (
		refused = "REFUSED 1/0/0/0"
		told    = "NOERROR 1/1/0/0"
	)
	tests := []struct {
		name     string
		settings Settings
		qname    string
		qtype    uint16
		want     string
		text     string
	}{
		{"id.server", identified, "id.server.", dns.TypeTXT, told, identified.ID},
		{"hostname.bind", identified, "hostname.bind.", dns.TypeTXT, told, identified.ID},
		{"version.server", identified, "version.server.", dns.TypeTXT, told, identified.Version},
		{"version.bind", identified, "version.bind.", dns.TypeTXT, told, identified.Version},
		{"in another case", identified, "VERSION.Bind.", dns.TypeTXT, told, identified.Version},
		{"type ANY", identified, "version.bind.", dns.TypeANY, told, identified.Version},
		{"as long as can be", Settings{ID: strings.Repeat("i", 255)}, "id.server.", dns.TypeTXT, told, strings.Repeat("i", 255)},

		{"another type", identified, "version.bind.", dns.TypeA, refused, ""},
		{"another name", identified, "authors.bind.", dns.TypeTXT, refused, ""},
		{"below", identified, "x.version.bind.", dns.TypeTXT, refused, ""},
		{"of a zone", identified, "www.example.org.", dns.TypeTXT, refused, ""},
		{"AXFR", identified, "version.bind.", dns.TypeAXFR, refused, ""},
		{"no identity", Settings{Version: "gslb"}, "id.server.", dns.TypeTXT, refused, ""},
		{"no version", Settings{ID: "ns1"}, "version.bind.", dns.TypeTXT, refused, ""},
		{"off by default", Settings{}, "version.bind.", dns.TypeTXT, refused, ""},
	}
	for _, test := range tests {
		for _, via := range []Transport{OverUDP, OverTCP} {
			t.Run(test.name+" over "+via.String(), func(t *testing.T) {
				m := dnstest.Ask(1, test.qname, test.qtype)
				m.Question[0].Qclass = dns.ClassCHAOS
				in := dnstest.Pack(t, m)
				out := responderWith(t, via, dnstest.Zone(t, dnstest.ZoneText), test.settings).Respond(in, dnstest.Client)
				checkEcho(t, in, out)
				reply := dnstest.Unpack(t, out)
				if got := dnstest.Summary(reply); got != test.want {
					t.Fatalf("got %q, want %q", got, test.want)
				}
				if test.text == "" {
					return
				}
				// The record's data is at the end of the message, behind its length.
				if want := string([]byte{byte(len(test.text))}) + test.text; !strings.HasSuffix(string(out), want) {
					t.Errorf("got %q, want %q at its end", out, want)
				}
				h := reply.Answer[0].Header()
				if h.Name != test.qname || h.Rrtype != dns.TypeTXT || h.Class != dns.ClassCHAOS || h.Ttl != 0 {
					t.Errorf("record %v", reply.Answer[0])
				}
			})
		}
	}
}
