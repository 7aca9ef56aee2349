package alias

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// server is a name server on one port of UDP and TCP. Each of its handlers gets a query and writes
// whatever it wants.
type server struct {
	udp, tcp func(query *dns.Msg, write func([]byte))
}

func (s server) start(t *testing.T) netip.AddrPort {
	t.Helper()
	stream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenPacket("udp", stream.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{}, 2)
	go func() {
		defer func() { ended <- struct{}{} }()
		buffer := make([]byte, 512)
		for {
			n, from, err := socket.ReadFrom(buffer)
			if err != nil {
				return
			}
			query := new(dns.Msg)
			if err := query.Unpack(buffer[:n]); err != nil {
				t.Errorf("a query that can't be read: %v", err)
				return
			}
			s.udp(query, func(data []byte) { socket.WriteTo(data, from) })
		}
	}()
	go func() {
		defer func() { ended <- struct{}{} }()
		for {
			plain, err := stream.Accept()
			if err != nil {
				return
			}
			conn := &dns.Conn{Conn: plain}
			if query, err := conn.ReadMsg(); err == nil && s.tcp != nil {
				s.tcp(query, func(data []byte) { conn.Write(data) })
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { stream.Close(); socket.Close(); <-ended; <-ended })
	return stream.Addr().(*net.TCPAddr).AddrPort()
}

func packed(t *testing.T, m *dns.Msg) []byte {
	data, err := m.Pack()
	if err != nil {
		t.Errorf("pack: %v", err)
	}
	return data
}

const oneAddress = "lb.example.net. 60 IN A 192.0.2.1"

// to is the good reply to a query.
func to(t *testing.T, query *dns.Msg) *dns.Msg {
	m := reply(t, query.Question[0], dns.RcodeSuccess, oneAddress)
	m.Id = query.Id
	return m
}

func TestExchange(t *testing.T) {
	good := func(query *dns.Msg, write func([]byte)) { write(packed(t, to(t, query))) }
	cut := func(query *dns.Msg, write func([]byte)) {
		m := to(t, query)
		m.Truncated, m.Answer = true, nil
		write(packed(t, m))
	}
	changed := func(change func(*dns.Msg)) func(*dns.Msg, func([]byte)) {
		return func(query *dns.Msg, write func([]byte)) {
			m := to(t, query)
			change(m)
			write(packed(t, m))
		}
	}
	first := func(junk func(query *dns.Msg) []byte) func(*dns.Msg, func([]byte)) {
		return func(query *dns.Msg, write func([]byte)) {
			write(junk(query))
			good(query, write)
		}
	}
	for _, test := range []struct {
		name string
		server
		want string // the reason
	}{
		{"a reply", server{udp: good}, "addresses"},
		{"in another case", server{udp: changed(func(m *dns.Msg) { m.Question[0].Name = "LB.Example.net." })}, "addresses"},
		{"too long for UDP", server{udp: cut, tcp: good}, "addresses"},
		{"cut off in a record", server{udp: func(query *dns.Msg, write func([]byte)) {
			m := to(t, query)
			m.Truncated = true
			data := packed(t, m)
			write(data[:len(data)-2])
		}, tcp: good}, "addresses"},
		{"too long, and no TCP", server{udp: cut}, "network"},
		{"too long even over TCP", server{udp: cut, tcp: cut}, "truncated"},
		{"over TCP another's", server{udp: cut, tcp: changed(func(m *dns.Msg) { m.Id++ })}, "malformed"},
		{"a server without EDNS", server{udp: func(query *dns.Msg, write func([]byte)) {
			if query.IsEdns0() != nil {
				write(packed(t, new(dns.Msg).SetRcodeFormatError(query)))
				return
			}
			good(query, write)
		}}, "addresses"},
		{"after a reply to another query", server{udp: first(func(query *dns.Msg) []byte {
			m := to(t, query)
			m.Id++
			return packed(t, m)
		})}, "addresses"},
		{"after a reply to another question", server{udp: first(func(query *dns.Msg) []byte {
			m := to(t, query)
			m.Question[0].Name = "other.example."
			return packed(t, m)
		})}, "addresses"},
		{"after a reply without a question", server{udp: first(func(query *dns.Msg) []byte {
			m := to(t, query)
			m.Question = nil
			return packed(t, m)
		})}, "addresses"},
		{"after the query itself", server{udp: first(func(query *dns.Msg) []byte { return packed(t, query) })}, "addresses"},
		{"after a few octets", server{udp: first(func(*dns.Msg) []byte { return []byte("junk") })}, "addresses"},
		{"an error without a question", server{udp: changed(func(m *dns.Msg) { m.Question, m.Answer, m.Rcode = nil, nil, dns.RcodeRefused })}, "refused"},
		{"malformed", server{udp: func(query *dns.Msg, write func([]byte)) {
			data := packed(t, to(t, query))
			binary.BigEndian.PutUint16(data[6:], 5) // more answers than there are
			write(data[:len(data)-3])
		}}, "malformed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newResolvers([]netip.AddrPort{test.server.start(t)})
			s := r.lookUp(t.Context(), lb, dns.TypeA)
			if s.reason != test.want {
				t.Errorf("%s: %s, want %s", s.reason, s.detail, test.want)
			}
		})
	}
}

// A look-up says what is wrong in words that are the same each time.
func TestExplain(t *testing.T) {
	stream, err := net.Listen("tcp", "127.0.0.1:0") // and nothing at the same port of UDP
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	r := newResolvers([]netip.AddrPort{stream.Addr().(*net.TCPAddr).AddrPort()})
	first, second := r.lookUp(t.Context(), lb, dns.TypeA), r.lookUp(t.Context(), lb, dns.TypeA)
	if first.reason != "network" || first.detail != second.detail || !strings.Contains(first.detail, "connection refused") {
		t.Errorf("%s: %s, and then %s", first.reason, first.detail, second.detail)
	}
	if s := explain(context.DeadlineExceeded); s.reason != "timeout" {
		t.Errorf("%s: %s", s.reason, s.detail)
	}
}

// Every query has a port and an ID of its own, and asks for recursion.
func TestQueriesDiffer(t *testing.T) {
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	type sent struct {
		from string
		id   uint16
	}
	queries := make(chan sent, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buffer := make([]byte, 512)
		for {
			n, from, err := socket.ReadFrom(buffer)
			if err != nil {
				return
			}
			query := new(dns.Msg)
			if err := query.Unpack(buffer[:n]); err != nil || !query.RecursionDesired || query.IsEdns0() == nil {
				t.Errorf("%v: %v", query, err)
			}
			queries <- sent{from.String(), query.Id}
			socket.WriteTo(packed(t, to(t, query)), from)
		}
	}()
	t.Cleanup(func() { socket.Close(); <-ended })
	ports, ids := map[string]bool{}, map[uint16]bool{}
	r := newResolvers([]netip.AddrPort{socket.LocalAddr().(*net.UDPAddr).AddrPort()})
	for range 20 {
		r.lookUp(t.Context(), lb, dns.TypeA)
		q := <-queries
		ports[q.from], ids[q.id] = true, true
	}
	if len(ports) < 10 || len(ids) < 19 { // a few may meet by chance
		t.Errorf("20 queries had %d ports and %d IDs", len(ports), len(ids))
	}
}

func TestLookUpWithoutResolvers(t *testing.T) {
	r := newResolvers(nil)
	r.host = func() ([]netip.AddrPort, error) { return nil, errors.New("permission denied") }
	if s := r.lookUp(t.Context(), lb, dns.TypeA); s.kind != failed || s.reason != "resolvers" || !strings.Contains(s.detail, "permission denied") {
		t.Errorf("%+v", s)
	}
}
