package tcp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"gslb/server/dnstest"
	"gslb/server/meter"
)

// patience is how long a test waits for what is to come: the machine may be busy.
const patience = 2 * time.Minute

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("it never came true that %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// dialFrom connects from an address of the loopback network.
func dialFrom(t testing.TB, from string, addr netip.AddrPort) *net.TCPConn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// queries is n framed queries for a name, with the ids 0 to n-1.
func queries(t testing.TB, n int, name string, qtype uint16) []byte {
	var stream []byte
	for id := range n {
		stream = appendFrame(stream, dnstest.Pack(t, dnstest.Ask(uint16(id), name, qtype)))
	}
	return stream
}

// TestTCPLimits lets one limit after the other pass; the others are far longer.
func TestTCPLimits(t *testing.T) {
	const short = 100 * time.Millisecond
	long := func(l *Limits) {
		l.Idle, l.Read, l.Write, l.Total = time.Hour, time.Hour, time.Hour, time.Hour
	}
	www := queries(t, 1, "www.example.org.", dns.TypeA)
	write := func(data []byte) func(*testing.T, net.Conn) {
		return func(t *testing.T, conn net.Conn) {
			if _, err := conn.Write(data); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name   string
		change func(*Limits)
		abuse  func(*testing.T, net.Conn)
		want   meter.End
	}{
		{"never sends", func(l *Limits) { l.Idle = short }, write(nil), meter.EndIdle},
		{"idle after a query", func(l *Limits) { l.Idle = short }, write(www), meter.EndIdle},
		{"half a length", func(l *Limits) { l.Read = short }, write(www[:1]), meter.EndRead},
		{"half a message", func(l *Limits) { l.Read = short }, write(www[:20]), meter.EndRead},
		{"a message and a half", func(l *Limits) { l.Read = short }, write(append(www, www[:20]...)), meter.EndRead},
		{"announces more than it sends", func(l *Limits) { l.Read = short }, write([]byte("\xff\xff........")), meter.EndRead},
		{"trickles", func(l *Limits) { l.Read = short }, trickle, meter.EndRead},
		{"never reads", func(l *Limits) { l.Write = short }, neverRead, meter.EndWrite},
		{"is busy for too long", func(l *Limits) { l.Total = short }, keepAsking, meter.EndTotal},
		{"is idle for too long", func(l *Limits) { l.Total = short }, write(www), meter.EndTotal},
		{"an empty message", nil, write([]byte{0, 0}), meter.EndMalformed},
		{"a query, then an empty message", nil, write(append(www, 0, 0)), meter.EndMalformed},
		{"a response", nil, write(appendFrame(nil, dnstest.Message(0x8000, [4]uint16{1}, dnstest.WWWA))), meter.EndMalformed},
		{"no DNS", nil, write(appendFrame(nil, []byte("HTTP"))), meter.EndMalformed},
		{"ends at once", nil, func(_ *testing.T, conn net.Conn) { conn.Close() }, meter.EndClient},
		{"resets at once", nil, reset, meter.EndClient},
		{"resets within a message", nil, func(t *testing.T, conn net.Conn) {
			write(www[:5])(t, conn)
			reset(t, conn)
		}, meter.EndClient},
		{"ends within a message", nil, func(t *testing.T, conn net.Conn) {
			write(www[:5])(t, conn)
			conn.(*net.TCPConn).CloseWrite()
		}, meter.EndClient},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := startServer(t, func(l *Limits) {
				long(l)
				if test.change != nil {
					test.change(l)
				}
			})
			began := time.Now()
			conn := dialFrom(t, "127.0.0.1", s.addr())
			test.abuse(t, conn)
			eventually(t, "the connection ended for the reason "+test.want.String(), func() bool {
				return s.ended(t, test.want) == 1 && s.open(t) == 0
			})
			if took := time.Since(began); test.change != nil && took < short {
				t.Errorf("it ended after %v, before the limit of %v", took, short)
			}
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the client was not told")
			}
			// It costs nobody else anything. Who takes longer than the limit to ask, on a busy machine, asks again.
			eventually(t, "another client is answered", func() bool {
				conn := &dns.Conn{Conn: dialFrom(t, "127.0.0.1", s.addr())}
				defer conn.Close()
				if conn.WriteMsg(dnstest.Ask(1, "www.example.org.", dns.TypeA)) != nil {
					return false
				}
				_, err := conn.ReadMsg()
				return err == nil
			})
		})
	}
}

// trickle sends a query byte by byte, faster than any limit, for as long as it may.
func trickle(t *testing.T, conn net.Conn) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for _, b := range queries(t, 1, strings.Repeat("a.", 100)+"example.org.", dns.TypeA) {
		if _, err := conn.Write([]byte{b}); err != nil {
			return
		}
		<-tick.C
	}
	t.Error("a whole query was taken in")
}

// neverRead sends queries until it can send no more, and reads nothing. Its receive buffer is
// left as it is: the kernel would drop what no longer fits into a smaller one, acknowledgements
// included, and the flood would end before the server has more to send than it can.
func neverRead(t *testing.T, conn net.Conn) {
	flood := queries(t, 1000, "big.example.org.", dns.TypeTXT)
	for {
		if _, err := conn.Write(flood); err != nil {
			return
		}
	}
}

// keepAsking exchanges one query after the other until the connection ends.
func keepAsking(t *testing.T, conn net.Conn) {
	c := &dns.Conn{Conn: conn}
	for {
		if err := c.WriteMsg(dnstest.Ask(1, "www.example.org.", dns.TypeA)); err != nil {
			return
		}
		if _, err := c.ReadMsg(); err != nil {
			return
		}
	}
}

// reset closes a connection with RST.
func reset(t *testing.T, conn net.Conn) {
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Error(err)
	}
	conn.Close()
}

// TestTCPStream cuts a stream of queries at every odd place.
func TestTCPStream(t *testing.T) {
	const n = 20
	var want []uint16
	for id := range uint16(n) {
		want = append(want, id)
	}
	stream := queries(t, n, "www.example.org.", dns.TypeA)
	addr := startServer(t, nil).addr()
	for _, chunk := range []int{1, 2, 3, 33, 34, 35, 36, len(stream)} {
		conn := dnstest.Dial(t, "tcp", addr)
		for rest := stream; len(rest) > 0; rest = rest[min(chunk, len(rest)):] {
			if _, err := conn.Conn.Write(rest[:min(chunk, len(rest))]); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, readIDs(t, conn, n)); diff != "" {
			t.Errorf("in chunks of %d: ids (-sent +answered):\n%s", chunk, diff)
		}
	}
}

func readIDs(t *testing.T, conn *dns.Conn, n int) (ids []uint16) {
	t.Helper()
	for range n {
		reply, err := conn.ReadMsg()
		if err != nil {
			t.Fatalf("after %d replies of %d: %v", len(ids), n, err)
		}
		ids = append(ids, reply.Id)
	}
	return ids
}

// TestTCPHalfClose ends the client's direction behind its queries: all are answered, in order,
// before the connection ends. The most of them have more replies than the sockets' buffers
// hold.
func TestTCPHalfClose(t *testing.T) {
	for _, n := range []int{1, 100, 20000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := startServer(t, nil)
			conn := dialFrom(t, "127.0.0.1", s.addr())
			var writing sync.WaitGroup
			defer writing.Wait()
			writing.Go(func() {
				if _, err := conn.Write(queries(t, n, "big.example.org.", dns.TypeTXT)); err != nil {
					t.Error(err)
				}
				if err := conn.CloseWrite(); err != nil {
					t.Error(err)
				}
			})
			for i, id := range readIDs(t, &dns.Conn{Conn: conn}, n) {
				if id != uint16(i) {
					t.Fatalf("reply %d has id %d", i, id)
				}
			}
			if k, err := conn.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("behind the last reply: %d bytes, %v, want EOF", k, err)
			}
			eventually(t, "the connection is gone", func() bool { return s.open(t) == 0 })
		})
	}
}

// TestTCPJoinsReplies has the replies to queries that came together leave together.
func TestTCPJoinsReplies(t *testing.T) {
	conn := dialFrom(t, "127.0.0.1", startServer(t, nil).addr())
	if _, err := conn.Write(queries(t, 50, "www.example.org.", dns.TypeA)[:17*33]); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<16)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	replies := 0
	for f, data := new(frames), buf[:n]; ; replies++ {
		msg, rest, err := f.next(data)
		if msg == nil || err != nil {
			break
		}
		data = rest
	}
	if replies < 16 {
		t.Errorf("%d replies came with the first, want them all", replies)
	}
}

// TestTCPLargeQuery has more in a query than the usual buffer holds, then a small one.
func TestTCPLargeQuery(t *testing.T) {
	large := dnstest.Ask(1, "www.example.org.", dns.TypeA)
	for range 60 {
		large.Extra = append(large.Extra, &dns.NULL{
			Hdr:  dns.RR_Header{Name: ".", Rrtype: dns.TypeNULL, Class: dns.ClassINET},
			Data: string(make([]byte, 1000)),
		})
	}
	conn := dnstest.Dial(t, "tcp", startServer(t, nil).addr())
	for _, m := range []*dns.Msg{large, dnstest.Ask(2, "www.example.org.", dns.TypeA), large} {
		if reply := dnstest.Exchange(t, conn, m); reply.Id != m.Id || len(reply.Answer) != 2 {
			t.Errorf("reply to query %d: %s", m.Id, dnstest.Summary(reply))
		}
	}
}

// TestTCPEviction opens one connection more than one client, or all, may have: the idlest is
// closed, the others are served.
func TestTCPEviction(t *testing.T) {
	tests := []struct {
		limit  string
		change func(*Limits)
		from   [4]string
	}{
		{"client", func(l *Limits) { l.PerClient = 3 }, [4]string{"127.0.0.5", "127.0.0.5", "127.0.0.5", "127.0.0.5"}},
		{"total", func(l *Limits) { l.Conns = 3 }, [4]string{"127.0.0.5", "127.0.0.6", "127.0.0.7", "127.0.0.8"}},
	}
	for _, test := range tests {
		t.Run(test.limit, func(t *testing.T) {
			s := startServer(t, test.change)
			var conns []*dns.Conn
			for i, from := range test.from {
				conn := &dns.Conn{Conn: dialFrom(t, from, s.addr())}
				dnstest.Exchange(t, conn, dnstest.Ask(1, "www.example.org.", dns.TypeA))
				conns = append(conns, conn)
				if i == 2 {
					dnstest.Exchange(t, conns[0], dnstest.Ask(2, "www.example.org.", dns.TypeA))
				}
			}
			waitClosed(t, conns[1].Conn)
			for _, i := range []int{0, 2, 3} {
				dnstest.Exchange(t, conns[i], dnstest.Ask(3, "www.example.org.", dns.TypeA))
			}
			if got := s.evicted(t, test.limit); got != 1 {
				t.Errorf("%v evictions are counted, want 1", got)
			}
			eventually(t, "the evicted one is counted as such", func() bool { return s.ended(t, meter.EndEvicted) == 1 && s.open(t) == 3 })
		})
	}
}

// TestTCPDrain stops a server of which every client is at another point. Queries that have
// arrived are answered; nobody holds the end up for longer than Drain.
func TestTCPDrain(t *testing.T) {
	s := newServer(t, func(l *Limits) {
		l.Drain = time.Second // in which a busy machine answers what has arrived
		l.Idle, l.Read, l.Write = time.Hour, time.Hour, time.Hour
	})
	stop := run(t, s)
	addr := s.addr()
	idle, partial, asking := dnstest.Dial(t, "tcp", addr), dnstest.Dial(t, "tcp", addr), dnstest.Dial(t, "tcp", addr)
	stuck := dialFrom(t, "127.0.0.1", addr)
	for _, conn := range []*dns.Conn{idle, partial, asking} {
		dnstest.Exchange(t, conn, dnstest.Ask(1, "www.example.org.", dns.TypeA))
	}
	if _, err := partial.Conn.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	var flooding sync.WaitGroup
	flooding.Go(func() { neverRead(t, stuck) })
	eventually(t, "all are connected", func() bool { return s.open(t) == 4 })
	const n = 500
	if _, err := asking.Conn.Write(queries(t, n, "www.example.org.", dns.TypeA)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	stop()
	if took := time.Since(began); took > patience {
		t.Errorf("the end took %v", took)
	}
	dnstest.WantReplies(t, asking, n)
	waitClosed(t, asking.Conn)
	waitClosed(t, idle.Conn)
	flooding.Wait()
	if s.open(t) != 0 {
		t.Errorf("%d connections are open after the end", s.open(t))
	}
}

// TestTCPBadClients serves every kind of legitimate client while 300 bad ones of every kind do
// their worst. Those that never end are more than there may be connections, and time would end them
// after an hour only.
func TestTCPBadClients(t *testing.T) {
	const bad = 300
	s := startServer(t, func(l *Limits) {
		l.Conns, l.PerClient = 128, 32
		l.Idle, l.Read, l.Write, l.Total = time.Hour, time.Hour, time.Hour, time.Hour
	})
	addr := s.addr()
	ctx, cancel := context.WithCancel(t.Context())
	var attack sync.WaitGroup
	defer attack.Wait()
	defer cancel()
	var attacks, served atomic.Int64
	for i := range bad {
		attack.Go(func() {
			from := fmt.Sprintf("127.0.%d.1", 1+i%30)
			for ctx.Err() == nil {
				attacks.Add(1)
				misbehave(ctx, from, addr, i/30)
				// They share this process, and must not win by using it up, however slow the machine is.
				for before := served.Load(); served.Load() == before && ctx.Err() == nil; {
					pause(ctx)
				}
			}
		})
	}
	eventually(t, "the attack is under way", func() bool { return attacks.Load() >= bad })

	var clients sync.WaitGroup
	for i, client := range []func(*testing.T, *dns.Conn) error{plain, pipelining, halfClosing} {
		clients.Go(func() {
			for range 20 {
				eventually(t, fmt.Sprintf("legitimate client %d is served", i), func() bool {
					conn := dialFrom(t, fmt.Sprintf("127.0.200.%d", i+1), addr)
					defer conn.Close()
					return client(t, &dns.Conn{Conn: conn}) == nil // otherwise it was too slow to ask, and is the idlest
				})
				served.Add(1)
			}
		})
	}
	clients.Wait()
}

// misbehave is one connection of a bad client.
func misbehave(ctx context.Context, from string, addr netip.AddrPort, kind int) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	nc, err := dialer.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return
	}
	conn := nc.(*net.TCPConn)
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	query, _ := dnstest.Ask(1, "big.example.org.", dns.TypeTXT).Pack()
	framed := appendFrame(nil, query)
	wait := func() { _, _ = io.Copy(io.Discard, conn) }
	switch kind {
	case 0: // connects, and no more
		wait()
	case 1: // sends half a query
		_, _ = conn.Write(framed[:10])
		wait()
	case 2: // announces more than it sends
		_, _ = conn.Write([]byte{0xff, 0xff, 1, 2, 3})
		wait()
	case 3: // trickles
		for _, b := range framed {
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
			pause(ctx)
		}
	case 4: // never reads
		flood := bytes.Repeat(framed, 1000)
		for err == nil {
			_, err = conn.Write(flood)
		}
	case 5: // resets
		_, _ = conn.Write(framed)
		_ = conn.SetLinger(0)
	case 6: // sends an empty message
		_, _ = conn.Write([]byte{0, 0})
		wait()
	case 7: // is no DNS client
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n")
		wait()
	case 8: // closes its direction within a query
		_, _ = conn.Write(framed[:10])
		_ = conn.CloseWrite()
		wait()
	default: // connects and closes
	}
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(100 * time.Millisecond):
	}
}

// plain asks one query.
func plain(_ *testing.T, conn *dns.Conn) error {
	return errors.Join(conn.WriteMsg(dnstest.Ask(0, "www.example.org.", dns.TypeA)), readAll(conn, 1))
}

// pipelining asks many at once.
func pipelining(t *testing.T, conn *dns.Conn) error {
	_, err := conn.Conn.Write(queries(t, 100, "www.example.org.", dns.TypeA))
	return errors.Join(err, readAll(conn, 100))
}

// halfClosing closes its direction before it reads.
func halfClosing(t *testing.T, conn *dns.Conn) error {
	_, err := conn.Conn.Write(queries(t, 10, "big.example.org.", dns.TypeTXT))
	return errors.Join(err, conn.Conn.(*net.TCPConn).CloseWrite(), readAll(conn, 10))
}

// readAll reads the replies to the queries 0 to n-1.
func readAll(conn *dns.Conn, n int) error {
	for id := range n {
		switch reply, err := conn.ReadMsg(); {
		case err != nil:
			return err
		case reply.Id != uint16(id):
			return fmt.Errorf("reply %d has id %d", id, reply.Id)
		}
	}
	return nil
}

// TestTCPOneWrite reads a reply's length and message from one segment.
func TestTCPOneWrite(t *testing.T) {
	conn := dnstest.Dial(t, "tcp", startServer(t, nil).addr())
	if err := conn.WriteMsg(dnstest.Ask(1, "www.example.org.", dns.TypeA)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1024)
	n, err := conn.Conn.Read(buf)
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if n < 2 || n != 2+int(binary.BigEndian.Uint16(buf)) {
		t.Errorf("the first read has %d bytes of a frame of %d", n, 2+int(binary.BigEndian.Uint16(buf)))
	}
}

// TestTCPNoReply has a query that gets no reply between two that do: the connection stays open.
func TestTCPNoReply(t *testing.T) {
	s := serverWith(t, responderOver(dnstest.Awaiting(t, "nyc")), nil)
	run(t, s)
	conn := dnstest.Dial(t, "tcp", s.addr())
	for id, name := range []string{"static.", "app.", "static."} {
		if err := conn.WriteMsg(dnstest.Ask(uint16(id), name+"gslb.example.com.", dns.TypeA)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]uint16{0, 2}, readIDs(t, conn, 2)); diff != "" {
		t.Errorf("ids (-want +answered):\n%s", diff)
	}
}
