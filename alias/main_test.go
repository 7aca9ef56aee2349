package alias

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lb is the name that the tests ask for.
const lb = "lb.example.net."

func askFor(name string, qtype uint16) dns.Question {
	return dns.Question{Name: name, Qtype: qtype, Qclass: dns.ClassINET}
}

// reply is one of a resolver. Its records are lines of a master file, those of the authority
// section after a line of dashes.
func reply(t testing.TB, q dns.Question, rcode int, text string) *dns.Msg {
	t.Helper()
	m := &dns.Msg{MsgHdr: dns.MsgHdr{Response: true, RecursionAvailable: true, Rcode: rcode}, Question: []dns.Question{q}}
	answer, authority, _ := strings.Cut(text, "---")
	for _, section := range []struct {
		text string
		to   *[]dns.RR
	}{{answer, &m.Answer}, {authority, &m.Ns}} {
		for line := range strings.Lines(section.text) {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			record, err := dns.NewRR(line)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			*section.to = append(*section.to, record)
		}
	}
	return m
}
