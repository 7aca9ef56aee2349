package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"gslb/internal/wire"
)

// udpWays are the ways in which UDP is served: this system's own, and the portable one.
var udpWays = map[string]func(addr netip.AddrPort, family string, limits Limits) ([]udpSocket, error){
	"own": bindUDP,
	"portable": func(addr netip.AddrPort, family string, limits Limits) ([]udpSocket, error) {
		socket, err := bindPlain(addr, family, limits)
		if err != nil {
			return nil, err
		}
		return []udpSocket{socket}, nil
	},
}

// eachUDPWay runs a test with servers of each way. They do not run yet.
func eachUDPWay(t *testing.T, test func(t *testing.T, newServer func(change func(*Options)) *Server)) {
	for way, bind := range udpWays {
		t.Run(way, func(t *testing.T) {
			test(t, func(change func(*Options)) *Server {
				s := newServer(t, change)
				if way != "own" {
					rebind(t, s, bind)
				}
				return s
			})
		})
	}
}

// rebind replaces the UDP sockets of a server that does not run yet.
func rebind(t *testing.T, s *Server, bind func(netip.AddrPort, string, Limits) ([]udpSocket, error)) {
	t.Helper()
	for i, u := range s.udp {
		for _, socket := range u.sockets {
			if err := socket.Close(); err != nil {
				t.Fatal(err)
			}
		}
		sockets, err := bind(s.addrs[i], family(s.addrs[i], s.addrs), u.limits)
		if err != nil {
			t.Fatal(err)
		}
		u.sockets = sockets
	}
}

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
	eachUDPWay(t, func(t *testing.T, newServer func(func(*Options)) *Server) {
		for _, test := range tests {
			t.Run(strings.Join(test.listen, ","), func(t *testing.T) {
				s := newServer(func(o *Options) { o.Listen = addrPorts(test.listen...) })
				run(t, s)
				for i, ip := range test.ask {
					addr := netip.AddrPortFrom(netip.MustParseAddr(ip), s.Addrs()[i%len(s.Addrs())].Port())
					for _, network := range []string{"udp", "tcp"} {
						exchange(t, dial(t, network, addr), ask(1, "www.example.org.", dns.TypeA))
					}
				}
			})
		}
	})
}

// TestDrain sends queries to sockets that nobody reads yet, and runs the server with a
// context that has ended already: all that was received is answered all the same.
func TestDrain(t *testing.T) {
	const queries, conns = 100, 5
	eachUDPWay(t, func(t *testing.T, newServer func(func(*Options)) *Server) {
		s := newServer(nil)
		addr := s.Addrs()[0]
		udp := dial(t, "udp", addr)
		for id := range uint16(queries) {
			if err := udp.WriteMsg(ask(id, "www.example.org.", dns.TypeA)); err != nil {
				t.Fatal(err)
			}
		}
		var tcp []*dns.Conn
		for range conns {
			conn := dial(t, "tcp", addr)
			for id := range uint16(queries) {
				if err := conn.WriteMsg(ask(id, "www.example.org.", dns.TypeA)); err != nil {
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
		wantReplies(t, udp, queries)
		for _, conn := range tcp {
			wantReplies(t, conn, queries)
		}
	})
}

// TestBurst has more datagrams waiting than are read at once, from several clients, each
// with a question of its own: what each is sent must be its own.
func TestBurst(t *testing.T) {
	const clients, queries = 4, 50
	eachUDPWay(t, func(t *testing.T, newServer func(func(*Options)) *Server) {
		s := newServer(func(o *Options) { o.Limits.Workers = 1 })
		var conns []*dns.Conn
		for range clients {
			conns = append(conns, dial(t, "udp", s.Addrs()[0]))
		}
		name := func(client, id int) string {
			return fmt.Sprintf("c%d-%d%s.example.org.", client, id, longLabel[:id%40])
		}
		for id := range queries {
			for i, conn := range conns {
				if err := conn.WriteMsg(ask(uint16(id), name(i, id), dns.TypeA)); err != nil {
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
	})
}

// TestOddDatagrams has the smallest and the largest datagrams there are among others.
func TestOddDatagrams(t *testing.T) {
	const largest = 65507
	eachUDPWay(t, func(t *testing.T, newServer func(func(*Options)) *Server) {
		registry := prometheus.NewRegistry()
		s := newServer(func(o *Options) { o.Registerer, o.Limits.Workers = registry, 1 })
		stop := run(t, s)
		conn := dial(t, "udp", s.Addrs()[0])
		if err := conn.Conn.(*net.UDPConn).SetWriteBuffer(1 << 20); err != nil {
			t.Fatal(err)
		}
		plain := message(0, [4]uint16{1}, wwwA)
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
			{"largest, of one OPT", message(0, [4]uint16{1, 0, 0, 1}, wwwA, optRecord(65535, "\xff\xff\xff\x74", strings.Repeat("x", 0xff74))), "NOERROR aa 1/2/0/1 edns0/1232"},
			{"a response", message(0x8000, [4]uint16{1}, wwwA), ""},
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
			if got := summary(reply); got != test.want {
				t.Errorf("%s: got %q, want %q", test.name, got, test.want)
			}
		}
		stop()
		if got := sumOf(t, registry, "gslb_dns_dropped_total"); got != 4 {
			t.Errorf("%v messages are counted as dropped, want 4", got)
		}
	})
}

// TestClientsThatAreGone has clients that do not wait for their replies.
func TestClientsThatAreGone(t *testing.T) {
	const gone = 50
	eachUDPWay(t, func(t *testing.T, newServer func(func(*Options)) *Server) {
		for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
			s := newServer(func(o *Options) { o.Listen = addrPorts(listen) })
			stop := run(t, s)
			conn := dial(t, "udp", s.Addrs()[0])
			for range gone {
				hasty := dial(t, "udp", s.Addrs()[0])
				if err := hasty.WriteMsg(ask(1, "www.example.org.", dns.TypeA)); err != nil {
					t.Fatal(err)
				}
				hasty.Close()
				exchange(t, conn, ask(2, "www.example.org.", dns.TypeA))
			}
			stop()
		}
	})
}

// TestAddressTaken binds what is bound: several sockets may share an address, but not
// those of two servers, each of which would be asked only sometimes.
func TestAddressTaken(t *testing.T) {
	for first, bindFirst := range udpWays {
		for second, bindSecond := range udpWays {
			for _, ip := range []string{"127.0.0.1", "0.0.0.0", "::1", "::"} {
				for _, readers := range []int{1, 3} {
					t.Run(fmt.Sprintf("%s, then %s, at %s by %d", first, second, ip, readers), func(t *testing.T) {
						// A server has the TCP socket first, which gives it a free port.
						s := newServer(t, func(o *Options) { o.Listen = []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(ip), 0)} })
						addr, limits := s.Addrs()[0], Limits{Workers: readers, UDPBuffer: 1 << 16}
						for _, socket := range s.udp[0].sockets {
							socket.Close()
						}
						sockets, err := bindFirst(addr, "", limits)
						if err != nil {
							t.Fatal(err)
						}
						s.udp[0].sockets = sockets
						again, err := bindSecond(addr, "", limits)
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
	}
}

// TestWorkers has clients whose queries the kernel spreads over several sockets. All are
// answered, each by one worker.
func TestWorkers(t *testing.T) {
	const workers, clients, queries = 3, 60, 3
	eachUDPWay(t, func(t *testing.T, newServer func(func(*Options)) *Server) {
		s := newServer(func(o *Options) { o.Limits.Workers = workers })
		var mu sync.Mutex
		var responders []*responder
		newResponder := s.udp[0].newResponder
		s.udp[0].newResponder = func() *responder {
			r := newResponder()
			mu.Lock()
			defer mu.Unlock()
			responders = append(responders, r)
			return r
		}
		stop := run(t, s)
		for range clients {
			conn := dial(t, "udp", s.Addrs()[0])
			for id := range uint16(queries) {
				if reply := exchange(t, conn, ask(id, "www.example.org.", dns.TypeA)); reply.Id != id {
					t.Errorf("reply %d to query %d", reply.Id, id)
				}
			}
			conn.Close()
		}
		stop()
		sum, idle := uint64(0), 0
		for _, r := range responders {
			var counted histogramTotals
			r.meter.requestSize.totals(&counted, 1)
			sum += counted.count
			if counted.count == 0 {
				idle++
			}
		}
		if sum != clients*queries {
			t.Errorf("%d queries are counted, want %d", sum, clients*queries)
		}
		if len(s.udp[0].sockets) == workers && idle > 0 {
			t.Errorf("%d workers of %d were asked nothing", idle, workers)
		}
	})
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
			exchange(t, dial(t, network, addr), ask(1, "www.example.org.", dns.TypeA))
		}
	}
}

// TestLargestReplies fills a reply's room to the last byte that a client may be sent.
func TestLargestReplies(t *testing.T) {
	eachUDPWay(t, func(t *testing.T, newServer func(func(*Options)) *Server) {
		table := world(t)
		s := newServer(func(o *Options) { o.Source = func() Resolver { return table } })
		run(t, s)
		conn, r := dial(t, "udp", s.Addrs()[0]), responderOver(t, overUDP, table)
		for size := uint16(512); size <= udpPayload; size += 16 {
			m := ask(size, "many.gslb.example.com.", dns.TypeMX)
			m.SetEdns0(size, false)
			want := r.respond(mustPack(t, m), testClient)
			if _, err := conn.Conn.Write(mustPack(t, m)); err != nil {
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
	})
}
