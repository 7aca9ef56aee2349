package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"gslb/internal/wire"
	"gslb/server/dnstest"
	"gslb/server/meter"
	"gslb/server/respond"
	"gslb/server/udp"
)

// TestReplyComesFromTheAddressAsked asks a wildcard at several of the host's addresses
// through connected sockets, which take a reply from no other address.
func TestReplyComesFromTheAddressAsked(t *testing.T) {
	tests := []struct{ listen, ask []string }{
		{[]string{"0.0.0.0:0"}, []string{"127.0.0.1", "127.0.0.2", "127.1.2.3"}},
		{[]string{"[::]:0"}, []string{"::1", "127.0.0.1", "127.0.0.2"}},
		{[]string{"127.0.0.3:0"}, []string{"127.0.0.3"}},
		{[]string{"[::1]:0"}, []string{"::1"}},
		{[]string{"[::ffff:127.0.0.3]:0"}, []string{"127.0.0.3"}},
		{[]string{"127.0.0.4:0", "127.0.0.5:0"}, []string{"127.0.0.4", "127.0.0.5"}},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.listen, ","), func(t *testing.T) {
			s := newServer(t, func(o *Options) { o.Listen = addrPorts(test.listen...) })
			run(t, s)
			for i, ip := range test.ask {
				addr := netip.AddrPortFrom(netip.MustParseAddr(ip), s.Addrs()[i%len(s.Addrs())].Port())
				for _, network := range []string{"udp", "tcp"} {
					dnstest.Exchange(t, dnstest.Dial(t, network, addr), dnstest.Ask(1, "www.example.org.", dns.TypeA))
				}
			}
		})
	}
}

// TestDrain sends queries to sockets that nobody reads yet, and runs the server with a
// context that has ended already: all that was received is answered all the same.
func TestDrain(t *testing.T) {
	const queries, conns = 100, 5
	s := newServer(t, nil)
	addr := s.Addrs()[0]
	udp := dnstest.Dial(t, "udp", addr)
	for id := range uint16(queries) {
		if err := udp.WriteMsg(dnstest.Ask(id, "www.example.org.", dns.TypeA)); err != nil {
			t.Fatal(err)
		}
	}
	var tcp []*dns.Conn
	for range conns {
		conn := dnstest.Dial(t, "tcp", addr)
		for id := range uint16(queries) {
			if err := conn.WriteMsg(dnstest.Ask(id, "www.example.org.", dns.TypeA)); err != nil {
				t.Fatal(err)
			}
		}
		// The start of one more, which must not be waited for.
		if _, err := conn.Conn.Write([]byte{0, 50, 1}); err != nil {
			t.Fatal(err)
		}
		tcp = append(tcp, conn)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	dnstest.WantReplies(t, udp, queries)
	for _, conn := range tcp {
		dnstest.WantReplies(t, conn, queries)
	}
}

// TestBurst has more datagrams waiting than are read at once, from several clients, each
// with a question of its own: what each is sent must be its own.
func TestBurst(t *testing.T) {
	const clients, queries = 4, 50
	s := newServer(t, func(o *Options) { o.Limits.Workers = 1 })
	var conns []*dns.Conn
	for range clients {
		conns = append(conns, dnstest.Dial(t, "udp", s.Addrs()[0]))
	}
	name := func(client, id int) string {
		return fmt.Sprintf("c%d-%d%s.example.org.", client, id, dnstest.LongLabel[:id%40])
	}
	for id := range queries {
		for i, conn := range conns {
			if err := conn.WriteMsg(dnstest.Ask(uint16(id), name(i, id), dns.TypeA)); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(t, s)
	for i, conn := range conns {
		for id := range queries { // one worker answers in the order it is asked
			reply, err := conn.ReadMsg()
			if err != nil {
				t.Fatalf("after %d replies: %v", id, err)
			}
			if int(reply.Id) != id || reply.Question[0].Name != name(i, id) || reply.Rcode != dns.RcodeNameError {
				t.Fatalf("reply %d to client %d: %v", id, i, reply)
			}
		}
	}
}

// TestOddDatagrams has the smallest and the largest datagrams there are among others. What lies
// behind 4 KiB is not read.
func TestOddDatagrams(t *testing.T) {
	const largest = 65507
	registry := prometheus.NewRegistry()
	s := newServer(t, func(o *Options) { o.Registerer, o.Limits.Workers = registry, 1 })
	stop := run(t, s)
	conn := dnstest.Dial(t, "udp", s.Addrs()[0])
	if err := conn.Conn.(*net.UDPConn).SetWriteBuffer(1 << 20); err != nil {
		t.Fatal(err)
	}
	plain := dnstest.Message(0, [4]uint16{1}, dnstest.WWWA)
	for _, test := range []struct {
		name string
		in   []byte
		want string // empty: no reply
	}{
		{"empty", nil, ""},
		{"one byte", []byte{0}, ""},
		{"plain", plain, "NOERROR aa 1/2/0/0"},
		{"empty again", nil, ""},
		{"largest, of zeros", make([]byte, largest), "FORMERR 0/0/0/0"},
		{"largest, a question and bytes behind it", append(plain, make([]byte, largest-len(plain))...), "NOERROR aa 1/2/0/0"},
		{"largest, of one OPT", dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, dnstest.OptRecord(65535, "\xff\xff\xff\x74", strings.Repeat("x", 0xff74))), "FORMERR 1/0/0/0"},
		{"a response", dnstest.Message(0x8000, [4]uint16{1}, dnstest.WWWA), ""},
		{"plain again", plain, "NOERROR aa 1/2/0/0"},
	} {
		if _, err := conn.Conn.Write(test.in); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if test.want == "" {
			continue
		}
		reply, err := conn.ReadMsg()
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got := dnstest.Summary(reply); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	stop()
	if got := dnstest.SumOf(t, registry, "gslb_dns_dropped_total"); got != 4 {
		t.Errorf("%v messages are counted as dropped, want 4", got)
	}
}

// TestClientsThatAreGone has clients that do not wait for their replies.
func TestClientsThatAreGone(t *testing.T) {
	const gone = 50
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
		s := newServer(t, func(o *Options) { o.Listen = addrPorts(listen) })
		stop := run(t, s)
		conn := dnstest.Dial(t, "udp", s.Addrs()[0])
		for range gone {
			hasty := dnstest.Dial(t, "udp", s.Addrs()[0])
			if err := hasty.WriteMsg(dnstest.Ask(1, "www.example.org.", dns.TypeA)); err != nil {
				t.Fatal(err)
			}
			hasty.Close()
			dnstest.Exchange(t, conn, dnstest.Ask(2, "www.example.org.", dns.TypeA))
		}
		stop()
	}
}

// TestAddressTaken binds what is bound: several sockets may share an address, but not
// those of two servers, each of which would be asked only sometimes.
func TestAddressTaken(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "0.0.0.0", "::1", "::"} {
		for _, workers := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s by %d", ip, workers), func(t *testing.T) {
				s := newServer(t, func(o *Options) {
					o.Listen = []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(ip), 0)}
					o.Limits.Workers = workers
				})
				addr := s.Addrs()[0]
				again, err := udp.Bind(addr, "", workers, 1<<16)
				for _, socket := range again {
					socket.Close()
				}
				if !errors.Is(err, syscall.EADDRINUSE) {
					t.Fatalf("bound again: %v", err)
				}
				if hint := explain(addr, err).Error(); !strings.Contains(hint, "another program listens there") {
					t.Errorf("the error does not say what to do: %s", hint)
				}
			})
		}
	}
}

// TestPortZero takes a port that is free for both transports, several times over.
func TestPortZero(t *testing.T) {
	s := newServer(t, func(o *Options) { o.Listen = addrPorts("127.0.0.1:0", "127.0.0.1:0", "[::1]:0") })
	run(t, s)
	seen := make(map[netip.AddrPort]bool)
	for _, addr := range s.Addrs() {
		if addr.Port() == 0 || seen[addr] {
			t.Errorf("listening at %v", s.Addrs())
		}
		seen[addr] = true
		for _, network := range []string{"udp", "tcp"} {
			dnstest.Exchange(t, dnstest.Dial(t, network, addr), dnstest.Ask(1, "www.example.org.", dns.TypeA))
		}
	}
}

// TestLargestReplies fills a reply's room to the last byte that a client may be sent.
func TestLargestReplies(t *testing.T) {
	table := dnstest.World(t)
	s := newServer(t, func(o *Options) { o.Source = func() Resolver { return table } })
	run(t, s)
	conn, r := dnstest.Dial(t, "udp", s.Addrs()[0]), s.responder(dnstest.Loopback, respond.OverUDP, meter.New().Meter(dnstest.Loopback, "udp"))
	for size := uint16(512); size <= wire.UDPPayload; size += 16 {
		m := dnstest.Ask(size, "many.gslb.example.com.", dns.TypeMX)
		m.SetEdns0(size, false)
		want := r.Respond(dnstest.Pack(t, m), dnstest.Client)
		if _, err := conn.Conn.Write(dnstest.Pack(t, m)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, dns.MaxMsgSize)
		n, err := conn.Conn.Read(got)
		if err != nil {
			t.Fatal(err)
		}
		if string(got[:n]) != string(want) || n < wire.HeaderSize {
			t.Errorf("%d bytes offered: %x, want %x", size, got[:n], want)
		}
	}
}
