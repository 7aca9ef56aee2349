package server

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"gslb/answer"
)

// zoneText is what the tests are answered from.
const zoneText = `
$ORIGIN example.org.
$TTL 60
@      SOA   ns1 hostmaster 1 3600 600 86400 5
@      NS    ns1
ns1    A     192.0.2.53
www    A     192.0.2.1
www    A     192.0.2.2
www    AAAA  2001:db8::1
big    TXT   "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big    TXT   "1123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big    TXT   "2123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big    TXT   "3123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big    TXT   "4123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
huge   TXT   "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
huge   TXT   "101234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
huge   TXT   "201234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
huge   TXT   "301234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
huge   TXT   "401234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
huge   TXT   "501234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
huge   TXT   "601234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
huge   TXT   "701234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
sub    NS    ns.sub
sub    NS    ns.elsewhere.net.
ns.sub A     192.0.2.99
`

// textZone is a Resolver over one zone of record text. It knows just enough to say
// something for every kind of reply; how names are really looked up is package answer's.
type textZone struct {
	apex    string
	records []dns.RR
}

func parseZone(t testing.TB, text string) *textZone {
	t.Helper()
	zone := &textZone{}
	parser := dns.NewZoneParser(strings.NewReader(text), "", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		if rr.Header().Rrtype == dns.TypeSOA {
			zone.apex = rr.Header().Name
		}
		zone.records = append(zone.records, rr)
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	return zone
}

// named is the records at a name, with the name in the case it was asked.
func (z *textZone) named(name string, qtype uint16) (found []dns.RR, exists bool) {
	for _, rr := range z.records {
		if !strings.EqualFold(rr.Header().Name, name) {
			continue
		}
		exists = true
		if rr.Header().Rrtype == qtype {
			rr = dns.Copy(rr)
			rr.Header().Name = name
			found = append(found, rr)
		}
	}
	return found, exists
}

func (z *textZone) Lookup(qname string, qtype uint16) answer.Reply {
	switch {
	case !dns.IsSubDomain(z.apex, qname):
		return answer.Reply{Rcode: dns.RcodeRefused}
	case strings.HasPrefix(qname, "panic."):
		panic("as the test asked for")
	case strings.HasPrefix(qname, "broken."):
		return answer.Reply{Zone: z.apex, Answer: []dns.RR{nil}}
	}
	for _, rr := range z.records {
		cut := rr.Header().Name
		if rr.Header().Rrtype == dns.TypeNS && cut != z.apex && dns.IsSubDomain(cut, qname) {
			ns, _ := z.named(cut, dns.TypeNS)
			glue, _ := z.named("ns."+cut, dns.TypeA)
			return answer.Reply{Zone: z.apex, Authority: ns, Additional: glue}
		}
	}
	reply := answer.Reply{Zone: z.apex, Authoritative: true}
	found, exists := z.named(qname, qtype)
	reply.Answer = found
	if len(found) == 0 {
		reply.Authority, _ = z.named(z.apex, dns.TypeSOA)
		if !exists {
			reply.Rcode = dns.RcodeNameError
		}
	}
	return reply
}

// newTestResponder answers from zoneText.
func newTestResponder(t testing.TB, via transport) *responder {
	t.Helper()
	return responderOver(t, via, parseZone(t, zoneText))
}

func responderOver(t testing.TB, via transport, resolver Resolver) *responder {
	t.Helper()
	opts := Options{
		Listen: []netip.AddrPort{loopback},
		Source: func() Resolver { return resolver },
	}
	if err := opts.complete(); err != nil {
		t.Fatal(err)
	}
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &responder{source: opts.Source, via: via, logger: opts.Logger, meter: m.at(loopback, via)}
}

// loopback has the port that no test can know before.
var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// newServer makes a server for zoneText that does not run yet.
func newServer(t *testing.T, change func(*Options)) *Server {
	t.Helper()
	zone := parseZone(t, zoneText)
	opts := Options{
		Listen:     []netip.AddrPort{loopback},
		Source:     func() Resolver { return zone },
		Registerer: prometheus.NewRegistry(),
	}
	if change != nil {
		change(&opts)
	}
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// startServer runs a server until the test ends.
func startServer(t *testing.T, change func(*Options)) *Server {
	t.Helper()
	s := newServer(t, change)
	run(t, s)
	return s
}

// run runs s until the test ends, or the function it returns is called.
func run(t *testing.T, s *Server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// dial connects to a server; nothing a test waits for may take longer than the deadline.
func dial(t *testing.T, network string, addr netip.AddrPort) *dns.Conn {
	t.Helper()
	conn, err := net.Dial(network, addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &dns.Conn{Conn: conn, UDPSize: dns.MaxMsgSize}
}

// exchange sends one query and returns the reply.
func exchange(t *testing.T, conn *dns.Conn, query *dns.Msg) *dns.Msg {
	t.Helper()
	if err := conn.WriteMsg(query); err != nil {
		t.Fatal(err)
	}
	reply, err := conn.ReadMsg()
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// ask is a plain query with a given id.
func ask(id uint16, name string, qtype uint16) *dns.Msg {
	m := new(dns.Msg).SetQuestion(name, qtype)
	m.Id, m.RecursionDesired = id, false
	return m
}

func mustPack(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

func mustUnpack(t testing.TB, wire []byte) *dns.Msg {
	t.Helper()
	var m dns.Msg
	if err := m.Unpack(wire); err != nil {
		t.Fatalf("the reply does not parse: %v\n%x", err, wire)
	}
	return &m
}

// summary writes a reply's header, and the sizes of its sections.
func summary(m *dns.Msg) string {
	var b strings.Builder
	b.WriteString(rcodeLabel(fullRcode(m)))
	if m.Opcode != dns.OpcodeQuery {
		fmt.Fprintf(&b, " opcode=%d", m.Opcode)
	}
	for _, flag := range []struct {
		name string
		set  bool
	}{
		{"aa", m.Authoritative}, {"tc", m.Truncated}, {"rd", m.RecursionDesired},
		{"ra", m.RecursionAvailable}, {"z", m.Zero}, {"ad", m.AuthenticatedData},
		{"cd", m.CheckingDisabled},
	} {
		if flag.set {
			b.WriteString(" " + flag.name)
		}
	}
	fmt.Fprintf(&b, " %d/%d/%d/%d", len(m.Question), len(m.Answer), len(m.Ns), len(m.Extra))
	if opt := m.IsEdns0(); opt != nil {
		fmt.Fprintf(&b, " edns%d/%d", opt.Version(), opt.UDPSize())
		if opt.Do() {
			b.WriteString(" do")
		}
	}
	return b.String()
}

// fullRcode is the response code with the upper bits that OPT carries.
func fullRcode(m *dns.Msg) int {
	if opt := m.IsEdns0(); opt != nil {
		return m.Rcode&0xf | opt.ExtendedRcode()&^0xf
	}
	return m.Rcode
}
