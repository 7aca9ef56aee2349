package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// testLimits are unlike each other, so that a test sees which one took effect.
var testLimits = Limits{
	TCPConns: 4, TCPPerClient: 2,
	TCPIdle: 10 * time.Second, TCPRead: 5 * time.Second, TCPWrite: 3 * time.Second,
	Drain: time.Second,
}

// pipeConn serves one end of a pipe as a connection, and returns the client's end. Pipes
// have deadlines but no buffer: who writes waits until it is read.
func pipeConn(t *testing.T) (client net.Conn, served *tcpConn) {
	t.Helper()
	client, server := net.Pipe()
	pool := &sync.Pool{New: func() any { return newTestResponder(t, overTCP) }}
	served = newTCPConn(server, testLimits, pool)
	go func() {
		defer served.Close()
		served.serve()
	}()
	t.Cleanup(func() { client.Close() })
	return client, served
}

func wwwQuery(t testing.TB, id uint16) []byte {
	return mustPack(t, ask(id, "www.example.org.", dns.TypeA))
}

// closedAfter waits until the other end closes the connection.
func closedAfter(t *testing.T, conn net.Conn) time.Duration {
	t.Helper()
	began := time.Now()
	if n, err := conn.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("read %d bytes, %v, want EOF", n, err)
	}
	return time.Since(began)
}

func TestTCPTimeouts(t *testing.T) {
	tests := []struct {
		name  string
		want  time.Duration
		abuse func(t *testing.T, conn net.Conn)
	}{
		{"never sends", testLimits.TCPIdle, func(*testing.T, net.Conn) {}},
		{"sends half a length", testLimits.TCPRead, func(t *testing.T, conn net.Conn) {
			conn.Write([]byte{0})
		}},
		{"sends half a message", testLimits.TCPRead, func(t *testing.T, conn net.Conn) {
			conn.Write(appendFrame(nil, wwwQuery(t, 1))[:20])
		}},
		{"idle after a query", testLimits.TCPIdle, func(t *testing.T, conn net.Conn) {
			exchange(t, &dns.Conn{Conn: conn}, ask(1, "www.example.org.", dns.TypeA))
		}},
		{"sends an empty frame", 0, func(t *testing.T, conn net.Conn) {
			conn.Write([]byte{0, 0})
		}},
		{"sends a response", 0, func(t *testing.T, conn net.Conn) {
			conn.Write(appendFrame(nil, message(0x8000, [4]uint16{1}, wwwA)))
		}},
		{"sends what is too short", 0, func(t *testing.T, conn net.Conn) {
			conn.Write(appendFrame(nil, []byte("HTTP")))
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, _ := pipeConn(t)
				test.abuse(t, conn)
				if got := closedAfter(t, conn); got != test.want {
					t.Errorf("closed after %v, want %v", got, test.want)
				}
			})
		})
	}
}

// TestTCPSlowSender sends a byte each second: it is cut off TCPRead after the first one,
// however alive it looks.
func TestTCPSlowSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := pipeConn(t)
		began := time.Now()
		for _, b := range appendFrame(nil, wwwQuery(t, 1)) {
			if _, err := conn.Write([]byte{b}); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		// The byte written at the very moment of the deadline may be taken or not.
		if got := time.Since(began); got < testLimits.TCPRead || got > testLimits.TCPRead+time.Second {
			t.Errorf("cut off after %v, want %v", got, testLimits.TCPRead)
		}
	})
}

// TestTCPReadIsPerQuery cuts two queries in halves, with more than TCPRead between them: the
// time that a query may take begins with its own first byte.
func TestTCPReadIsPerQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := pipeConn(t)
		for id := range uint16(2) {
			framed := appendFrame(nil, wwwQuery(t, id))
			for _, part := range [][]byte{framed[:9], framed[9:]} {
				if _, err := conn.Write(part); err != nil {
					t.Fatalf("query %d: %v", id, err)
				}
				time.Sleep(time.Second)
			}
			if _, err := (&dns.Conn{Conn: conn}).ReadMsg(); err != nil {
				t.Fatalf("query %d: %v", id, err)
			}
			time.Sleep(testLimits.TCPRead)
		}
	})
}

// TestTCPNeverReads sends queries and takes no reply.
func TestTCPNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := pipeConn(t)
		began := time.Now()
		if _, err := conn.Write(appendFrame(nil, wwwQuery(t, 1))); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(appendFrame(nil, wwwQuery(t, 2))); !errors.Is(err, io.ErrClosedPipe) {
			t.Fatalf("second query: %v, want a closed pipe", err)
		}
		if got := time.Since(began); got != testLimits.TCPWrite {
			t.Errorf("cut off after %v, want %v", got, testLimits.TCPWrite)
		}
	})
}

// TestTCPPipelining writes many queries before it reads a reply, cut at every place.
func TestTCPPipelining(t *testing.T) {
	const queries = 20
	var stream []byte
	var want []uint16
	for id := range uint16(queries) {
		stream = appendFrame(stream, wwwQuery(t, id))
		want = append(want, id)
	}
	for _, chunk := range []int{1, 2, 3, 33, 34, 35, 36, len(stream)} {
		synctest.Test(t, func(t *testing.T) {
			conn, _ := pipeConn(t)
			go func() {
				for rest := stream; len(rest) > 0; rest = rest[min(chunk, len(rest)):] {
					conn.Write(rest[:min(chunk, len(rest))])
				}
			}()
			var got []uint16
			for range queries {
				reply, err := (&dns.Conn{Conn: conn}).ReadMsg()
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, reply.Id)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("in chunks of %d: ids (-sent +answered):\n%s", chunk, diff)
			}
		})
	}
}

// TestTCPLargeQuery has more in a query than the usual buffer holds, then a small one.
func TestTCPLargeQuery(t *testing.T) {
	addr := startServer(t, nil).Addrs()[0]
	conn := dial(t, "tcp", addr)
	large := ask(1, "www.example.org.", dns.TypeA)
	for range 60 {
		large.Extra = append(large.Extra, &dns.NULL{
			Hdr:  dns.RR_Header{Name: ".", Rrtype: dns.TypeNULL, Class: dns.ClassINET},
			Data: string(make([]byte, 1000)),
		})
	}
	for _, m := range []*dns.Msg{large, ask(2, "www.example.org.", dns.TypeA), large} {
		if reply := exchange(t, conn, m); reply.Id != m.Id || len(reply.Answer) != 2 {
			t.Errorf("reply to query %d: %s", m.Id, summary(reply))
		}
	}
}

// TestTCPDrainWakesIdle ends a connection that waits, without waiting for its timeout.
func TestTCPDrainWakesIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, served := pipeConn(t)
		exchange(t, &dns.Conn{Conn: conn}, ask(1, "www.example.org.", dns.TypeA))
		synctest.Wait()
		served.drain(time.Now().Add(testLimits.Drain))
		if got := closedAfter(t, conn); got != 0 {
			t.Errorf("closed after %v, want at once", got)
		}
	})
}

// TestTCPDrainBoundsWrite ends a connection whose client takes no reply.
func TestTCPDrainBoundsWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, served := pipeConn(t)
		conn.Write(appendFrame(nil, wwwQuery(t, 1)))
		synctest.Wait()
		began := time.Now()
		served.drain(time.Now().Add(testLimits.Drain))
		if _, err := conn.Write([]byte{0}); !errors.Is(err, io.ErrClosedPipe) {
			t.Fatalf("write: %v, want a closed pipe", err)
		}
		if got := time.Since(began); got != testLimits.Drain {
			t.Errorf("closed after %v, want %v", got, testLimits.Drain)
		}
	})
}

func TestClientKey(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1":         "192.0.2.1/32",
		"2001:db8:1:2:3::4": "2001:db8:1:2::/64",
		"fe80::1%eth0":      "fe80::/64",
	} {
		if got := clientKey(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s counts as %s, want %s", addr, got, want)
		}
	}
}

// TestConnTable follows a table through its limits: 4 in all, 2 for each client.
func TestConnTable(t *testing.T) {
	table := newConnTable(4, 2)
	byName := make(map[string]*tcpConn)
	names := make(map[*tcpConn]string)
	add := func(name, client string, active int64) string {
		c := &tcpConn{client: clientKey(netip.MustParseAddr(client))}
		c.active.Store(active)
		byName[name], names[c] = c, name
		evicted, limit := table.add(c)
		return names[evicted] + " " + limit
	}
	steps := []struct{ name, client, want string }{
		{"a1", "192.0.2.1", " "},
		{"a2", "192.0.2.1", " "},
		{"b1", "2001:db8::1", " "},
		{"a3", "192.0.2.1", "a2 client"}, // a1 has sent a query since
		{"b2", "2001:db8::2", " "},
		{"c1", "192.0.2.3", "b1 total"},
		{"b3", "2001:db8::3", " "}, // b2 was closed by its client
	}
	for i, step := range steps {
		switch step.name {
		case "a3":
			byName["a1"].active.Store(100)
		case "b3":
			table.remove(byName["b2"])
			table.remove(byName["b1"]) // evicted before; its goroutine ends only now
		}
		if got := add(step.name, step.client, int64(i)); got != step.want {
			t.Errorf("%s evicted %q, want %q", step.name, got, step.want)
		}
	}
	for _, c := range byName {
		table.remove(c)
	}
	if len(table.conns) != 0 || len(table.perClient) != 0 {
		t.Errorf("%d connections and %d clients are left in an empty table", len(table.conns), len(table.perClient))
	}
}

// TestTCPEviction opens one connection more than one client may have: the idlest is
// closed, the others are served.
func TestTCPEviction(t *testing.T) {
	addr := startServer(t, func(o *Options) { o.Limits.TCPPerClient = 3 }).Addrs()[0]
	var conns []*dns.Conn
	for range 4 {
		conn := dial(t, "tcp", addr)
		if len(conns) < 3 {
			exchange(t, conn, ask(1, "www.example.org.", dns.TypeA))
		}
		conns = append(conns, conn)
		if len(conns) == 3 {
			exchange(t, conns[0], ask(2, "www.example.org.", dns.TypeA))
		}
	}
	if n, err := conns[1].Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the idlest connection: read %d bytes, %v, want it closed", n, err)
	}
	for _, i := range []int{0, 2, 3} {
		exchange(t, conns[i], ask(3, "www.example.org.", dns.TypeA))
	}
}

// failingListener fails to accept a number of times before it has a connection.
type failingListener struct {
	net.Listener
	failures int
	conn     net.Conn
	closed   chan struct{}
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.failures > 0 {
		l.failures--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	if conn := l.conn; conn != nil {
		l.conn = nil
		return conn, nil
	}
	<-l.closed
	return nil, os.ErrDeadlineExceeded
}

func (l *failingListener) SetDeadline(at time.Time) error {
	if at.Before(time.Now()) {
		close(l.closed)
	}
	return nil
}

func (l *failingListener) Close() error { return nil }

// TestAcceptSurvives accepts on once file descriptors are to be had again, and has waited
// in between rather than tried all the time.
func TestAcceptSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		m, err := newMetrics(nil)
		if err != nil {
			t.Fatal(err)
		}
		s := newTCPServer(testLimits, newTestResponder(t, overTCP).logger, m)
		s.listeners = []*tcpListener{{
			Listener:   &failingListener{failures: 10, conn: server, closed: make(chan struct{})},
			responders: &sync.Pool{New: func() any { return newTestResponder(t, overTCP) }},
		}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.run(ctx)
		}()
		began := time.Now()
		exchange(t, &dns.Conn{Conn: client}, ask(1, "www.example.org.", dns.TypeA))
		// 5 ms doubled seven times, then a second each.
		want := 1275*time.Millisecond + 2*time.Second
		if got := time.Since(began); got != want {
			t.Errorf("answered after %v, want %v", got, want)
		}
		cancel()
		<-done
	})
}
