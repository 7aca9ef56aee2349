package server

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"gslb/answer"
	"gslb/internal/wire"
	"gslb/zones/config"
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

// testTable answers from a zone of record text, but for the names panic and broken.
type testTable struct{ *answer.Table }

// parseZone compiles a zone.
func parseZone(t testing.TB, text string) *testTable {
	t.Helper()
	toml := "[server]\nlisten = [\"127.0.0.1:0\"]\n[zones.\"example.org\"]\nrecords = '''" + text + "'''\n"
	set, err := config.Parse([]byte(toml), "zones.toml", config.LoadOptions{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return &testTable{answer.Compile(set, nil, nil)}
}

// Find panics for a certain name.
func (z *testTable) Find(l *answer.Lookup, asked []byte, name *wire.Name, qtype uint16) {
	if bytes.HasPrefix(name.Bytes(), []byte("\x05panic\x07example\x03org")) {
		panic("as the test asked for")
	}
	z.Table.Find(l, asked, name, qtype)
}

// Lookup panics for a certain name, and has for another a reply that cannot be packed.
func (z *testTable) Lookup(qname string, qtype uint16) answer.Reply {
	switch qname {
	case "panic.example.org.":
		panic("as the test asked for")
	case "broken.example.org.":
		return answer.Reply{Zone: "example.org.", Answer: []dns.RR{nil}}
	}
	return z.Table.Lookup(qname, qtype)
}

// newTestResponder answers from zoneText.
func newTestResponder(t testing.TB, via transport) *responder {
	t.Helper()
	return responderOver(t, via, parseZone(t, zoneText))
}

func responderOver(t testing.TB, via transport, resolver Resolver) *responder {
	t.Helper()
	return responderWith(t, via, resolver, Settings{})
}

func responderWith(t testing.TB, via transport, resolver Resolver, settings Settings) *responder {
	t.Helper()
	opts := Options{
		Listen:   []netip.AddrPort{loopback},
		Source:   func() Resolver { return resolver },
		Settings: settings,
	}
	if err := opts.complete(); err != nil {
		t.Fatal(err)
	}
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	var current atomic.Pointer[Settings]
	current.Store(&opts.Settings)
	return newResponder(&opts, &current, via, m.newMeter(loopback, via))
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
