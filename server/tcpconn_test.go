package server

import (
	"context"
	"errors"
	"io"
	"net"
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
	Workers: 1, TCPConns: 4, TCPPerClient: 2,
	TCPIdle: 10 * time.Second, TCPRead: 5 * time.Second, TCPWrite: 3 * time.Second, TCPTotal: time.Minute,
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

// waitClosed waits until the other end closes the connection.
func waitClosed(t *testing.T, conn net.Conn) {
	t.Helper()
	if n, err := conn.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("read %d bytes, %v, want EOF", n, err)
	}
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
		{"keeps asking", testLimits.TCPTotal, func(t *testing.T, conn net.Conn) {
			for ended := time.Now().Add(testLimits.TCPTotal); time.Now().Before(ended); time.Sleep(time.Second) {
				exchange(t, &dns.Conn{Conn: conn}, ask(1, "www.example.org.", dns.TypeA))
			}
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
				began := time.Now()
				test.abuse(t, conn)
				waitClosed(t, conn)
				if got := time.Since(began); got != test.want {
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

// TestTCPDrainWakesIdle ends a connection that waits, without waiting for its timeout.
func TestTCPDrainWakesIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, served := pipeConn(t)
		exchange(t, &dns.Conn{Conn: conn}, ask(1, "www.example.org.", dns.TypeA))
		synctest.Wait()
		began := time.Now()
		served.drain(began.Add(testLimits.Drain))
		waitClosed(t, conn)
		if got := time.Since(began); got != 0 {
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
