package server

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/server/dnstest"
)

// follow starts a server that has the sockets of another one, has that one end, and takes its connections.
func follow(t *testing.T, old *Server, stopOld func()) (next *Server, stop func()) {
	t.Helper()
	open, err := old.Share()
	if err != nil {
		t.Fatal(err)
	}
	next = newServer(t, func(o *Options) { o.Listen, o.Open = old.opts.Listen, open })
	stop = run(t, next)
	<-next.Working()
	next.Adopt(old.Leave())
	stopOld() // it has ended
	return next, stop
}

// TestHandover has one server follow the other again and again, while clients ask over UDP, over connections
// that stay, and over connections of a single query. All of them get every reply.
func TestHandover(t *testing.T) {
	const handovers = 8
	s := newServer(t, func(o *Options) { o.Listen = addrPorts("127.0.0.1:0", "[::1]:0") })
	stop := run(t, s)
	addrs := s.Addrs()

	var over atomic.Bool
	var asked atomic.Int64
	var clients sync.WaitGroup
	for i := range 12 {
		addr, kind := addrs[i%2], i/2%3
		network := []string{"udp", "tcp", "tcp"}[kind]
		conn := dialSoon(t, network, addr)
		clients.Go(func() {
			for id := uint16(0); !over.Load(); id++ {
				if kind == 2 {
					conn.Close()
					conn = dialSoon(t, network, addr)
				}
				if !exchange(t, conn, id) {
					return
				}
				asked.Add(1)
			}
			conn.Close()
		})
	}
	for range handovers {
		before := asked.Load()
		s, stop = follow(t, s, stop)
		for asked.Load() < before+100 && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
	}
	over.Store(true)
	clients.Wait()
	t.Logf("%d queries", asked.Load())
}

// dialSoon is dnstest.Dial with the time limit of a single query.
func dialSoon(t *testing.T, network string, addr netip.AddrPort) *dns.Conn {
	conn, err := net.Dial(network, addr.String())
	if err != nil {
		t.Error(err)
		return nil
	}
	return &dns.Conn{Conn: conn}
}

func exchange(t *testing.T, conn *dns.Conn, id uint16) bool {
	if conn == nil {
		return false
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	err := conn.WriteMsg(dnstest.Ask(id, "www.example.org.", dns.TypeA))
	var reply *dns.Msg
	if err == nil {
		reply, err = conn.ReadMsg()
	}
	if err != nil || reply.Id != id {
		t.Errorf("%s query %d is lost: %v", conn.LocalAddr().Network(), id, err)
		return false
	}
	return true
}

// TestHandoverOfHalves hands over connections in the middle: one has sent a half of a query, and one does not
// read its replies until two other servers have had it.
func TestHandoverOfHalves(t *testing.T) {
	const queries = 20_000 // whose replies are more than the buffers of the kernel
	s := newServer(t, nil)
	stop := run(t, s)
	half, lazy := dnstest.Dial(t, "tcp", s.Addrs()[0]), dnstest.Dial(t, "tcp", s.Addrs()[0])
	dnstest.Exchange(t, half, dnstest.Ask(1, "www.example.org.", dns.TypeA)) // it is accepted
	var query []byte
	packed := dnstest.Pack(t, dnstest.Ask(7, "www.example.org.", dns.TypeA))
	query = append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)
	if _, err := half.Conn.Write(query[:20]); err != nil {
		t.Fatal(err)
	}
	var writing sync.WaitGroup
	writing.Go(func() {
		for id := range queries {
			if err := lazy.WriteMsg(dnstest.Ask(uint16(id), "big.example.org.", dns.TypeTXT)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 2 {
		s, stop = follow(t, s, stop)
	}
	if _, err := half.Conn.Write(query[20:]); err != nil {
		t.Fatal(err)
	}
	if reply, err := half.ReadMsg(); err != nil || reply.Id != 7 {
		t.Errorf("the half query is answered %v, %v", reply, err)
	}
	for id := range queries {
		reply, err := lazy.ReadMsg()
		if err != nil || reply.Id != uint16(id) {
			t.Fatalf("reply %d: %v", id, err)
		}
	}
	writing.Wait()
	half.Close()
	lazy.Close()
	stop()
}

// TestHandoverKeepsWhatWaits hands over sockets that hold queries and connections that nobody has read or
// accepted, since the first server never ran.
func TestHandoverKeepsWhatWaits(t *testing.T) {
	s := newServer(t, nil)
	overUDP, overTCP := dnstest.Dial(t, "udp", s.Addrs()[0]), dnstest.Dial(t, "tcp", s.Addrs()[0])
	for _, conn := range []*dns.Conn{overUDP, overTCP} {
		if err := conn.WriteMsg(dnstest.Ask(5, "www.example.org.", dns.TypeA)); err != nil {
			t.Fatal(err)
		}
	}
	open, err := s.Share()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	startServer(t, func(o *Options) { o.Listen, o.Open = s.opts.Listen, open })
	for _, conn := range []*dns.Conn{overUDP, overTCP} {
		if reply, err := conn.ReadMsg(); err != nil || reply.Id != 5 {
			t.Errorf("%s: %v, %v", conn.LocalAddr().Network(), reply, err)
		}
	}
}

// TestOpenSockets takes over sockets that somebody else has bound, as a service manager does: one for each
// transport, or of one only.
func TestOpenSockets(t *testing.T) {
	for _, networks := range [][]string{{"udp", "tcp"}, {"udp"}, {"tcp"}} {
		for _, host := range []string{"127.0.0.1", "0.0.0.0", "::1", "::"} {
			binder := newServer(t, func(o *Options) {
				o.Listen, o.Limits.Workers = []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(host), 0)}, 1
			})
			bound, err := binder.Share()
			if err != nil {
				t.Fatal(err)
			}
			listen := binder.Addrs()[0]
			binder.Close()
			var open, unused []Socket
			for _, socket := range bound {
				socket.Listen = listen
				if slices.Contains(networks, socket.Network) {
					open = append(open, socket)
				} else {
					unused = append(unused, socket)
				}
			}
			CloseSockets(unused)
			s := newServer(t, func(o *Options) {
				o.Listen, o.Open, o.Limits.Workers = []netip.AddrPort{listen}, open, 3
			})
			stop := run(t, s)
			asked := netip.AddrPortFrom(map[string]netip.Addr{"0.0.0.0": netip.MustParseAddr("127.0.0.3"), "::": netip.IPv6Loopback()}[host], listen.Port())
			if !asked.Addr().IsValid() {
				asked = listen
			}
			for id := range uint16(6) {
				dnstest.Exchange(t, dnstest.Dial(t, "udp", asked), dnstest.Ask(id, "www.example.org.", dns.TypeA))
				dnstest.Exchange(t, dnstest.Dial(t, "tcp", asked), dnstest.Ask(id, "www.example.org.", dns.TypeA))
			}
			stop()
		}
	}
}

// TestOpenSocketsNobodyNeeds closes sockets of addresses that are listed no more.
func TestOpenSocketsNobodyNeeds(t *testing.T) {
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(dnstest.Loopback))
	if err != nil {
		t.Fatal(err)
	}
	fd, err := DuplicateFD(listener)
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().(*net.TCPAddr).AddrPort()
	listener.Close()
	newServer(t, func(o *Options) { o.Open = []Socket{{fd, "tcp", addr}} })
	if conn, err := net.Dial("tcp", addr.String()); err == nil {
		conn.Close()
		t.Error("somebody still listens")
	}
}

// TestLeaveAtTheEnd has a server leave while its context ends: Leave returns.
func TestLeaveAtTheEnd(t *testing.T) {
	s := newServer(t, nil)
	stop := run(t, s)
	<-s.Working()
	conn := dnstest.Dial(t, "tcp", s.Addrs()[0])
	dnstest.Exchange(t, conn, dnstest.Ask(1, "www.example.org.", dns.TypeA))
	stop()
	if left := s.Leave(); len(left) > 0 {
		t.Errorf("%d connections are left of a server that has ended", len(left))
	}
	if _, err := io.Copy(io.Discard, conn.Conn); err != nil {
		t.Error(err)
	}
}
