// Package dnstest has what the tests of a DNS server need: zones to answer from, queries,
// messages that no library would make, and replies in short.
package dnstest

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/answer"
	"gslb/internal/wire"
	"gslb/zones/config"
)

// ZoneText is what the tests are answered from.
const ZoneText = `
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

// Table answers from a zone of record text, but for the name panic.
type Table struct{ *answer.Table }

// Zone compiles a zone.
func Zone(t testing.TB, text string) *Table {
	t.Helper()
	toml := "[server]\nlisten = [\"127.0.0.1:0\"]\n[zones.\"example.org\"]\nrecords = '''" + text + "'''\n"
	set, err := config.Parse([]byte(toml), "zones.toml", config.LoadOptions{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return &Table{answer.Compile(set, nil, nil)}
}

// Find panics for a certain name.
func (z *Table) Find(l *answer.Lookup, client answer.Client, asked []byte, name *wire.Name, qtype uint16) {
	if bytes.HasPrefix(name.Bytes(), []byte("\x05panic\x07example\x03org")) {
		panic("as the test asked for")
	}
	z.Table.Find(l, client, asked, name, qtype)
}

// Loopback has the port that no test can know before.
var Loopback = netip.MustParseAddrPort("127.0.0.1:0")

// Dial connects to a server; nothing a test waits for may take longer than the deadline.
func Dial(t *testing.T, network string, addr netip.AddrPort) *dns.Conn {
	t.Helper()
	conn, err := net.Dial(network, addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &dns.Conn{Conn: conn, UDPSize: dns.MaxMsgSize}
}

// Exchange sends one query and returns the reply.
func Exchange(t *testing.T, conn *dns.Conn, query *dns.Msg) *dns.Msg {
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

// Ask is a plain query with a given id.
func Ask(id uint16, name string, qtype uint16) *dns.Msg {
	m := new(dns.Msg).SetQuestion(name, qtype)
	m.Id, m.RecursionDesired = id, false
	return m
}

func Pack(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

func Unpack(t testing.TB, wire []byte) *dns.Msg {
	t.Helper()
	var m dns.Msg
	if err := m.Unpack(wire); err != nil {
		t.Fatalf("the reply does not parse: %v\n%x", err, wire)
	}
	return &m
}

// Summary writes a reply's header, and the sizes of its sections.
func Summary(m *dns.Msg) string {
	var b strings.Builder
	b.WriteString(Rcode(FullRcode(m)))
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

// FullRcode is the response code with the upper bits that OPT carries.
func FullRcode(m *dns.Msg) int {
	if opt := m.IsEdns0(); opt != nil {
		return m.Rcode&0xf | opt.ExtendedRcode()&^0xf
	}
	return m.Rcode
}

// Rcode is the response code as the IANA registry names it.
func Rcode(rcode int) string {
	if rcode == dns.RcodeBadVers { // shares its number with TSIG's BADSIG
		return "BADVERS"
	}
	return dns.RcodeToString[rcode]
}

// WantReplies reads the replies to the queries 0 to n-1, in any order.
func WantReplies(t *testing.T, conn *dns.Conn, n int) {
	t.Helper()
	seen := make(map[uint16]bool)
	for range n {
		reply, err := conn.ReadMsg()
		if err != nil {
			t.Fatalf("after %d replies of %d: %v", len(seen), n, err)
		}
		seen[reply.Id] = true
	}
	if len(seen) != n {
		t.Errorf("%d different replies, want %d", len(seen), n)
	}
}

// WantAll is WantReplies for a goroutine other than the test's.
func WantAll(t *testing.T, conn *dns.Conn, n int) {
	for i := range n {
		if _, err := conn.ReadMsg(); err != nil {
			t.Errorf("after %d replies of %d: %v", i, n, err)
			return
		}
	}
}

// Lookup is what a table has to say to one question of class IN, as a reply without rcode and flags.
func Lookup(t testing.TB, table *answer.Table, qname string, qtype uint16) *dns.Msg {
	t.Helper()
	query, l := find(t, table, qname, qtype)
	msg, _ := l.Append(append(make([]byte, 0, wire.MaxMessage+answer.Slack), query...), wire.MaxMessage)
	return Unpack(t, msg)
}

// Kind is what a question's name comes to.
func Kind(t testing.TB, table *answer.Table, qname string, qtype uint16) answer.Kind {
	t.Helper()
	_, l := find(t, table, qname, qtype)
	return l.Kind()
}

// find looks a question up, which stands in the query that is returned.
func find(t testing.TB, table *answer.Table, qname string, qtype uint16) ([]byte, *answer.Lookup) {
	t.Helper()
	query, l := Pack(t, Ask(0, qname, qtype)), new(answer.Lookup)
	name := new(wire.Name)
	end, ok := name.Read(query, wire.HeaderSize)
	if !ok {
		t.Fatalf("%s is no name", qname)
	}
	l.Run(table, answer.Client{}, query[wire.HeaderSize:end], name, qtype)
	return query, l
}
