package admin

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestVictim lets clients in at random. Whatever they do, the bounds hold, the newcomer is
// in, a client within its fair share loses nothing to one above it, and of the connections
// of the client that loses one it is the one that has been still for the longest.
func TestVictim(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLimitedListener(nil, connections)
		clients := rapid.IntRange(1, 80).Draw(t, "clients")
		for i := range rapid.IntRange(1, 300).Draw(t, "connections") {
			number := rapid.IntRange(0, clients-1).Draw(t, "client")
			c := &limitedConn{client: client{network: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(number)}), 32)}, listener: l}
			c.moved.Store(int64(i))
			before := make(map[client]int)
			for open := range l.open {
				before[open.client]++
			}
			victim := l.add(c)
			if _, in := l.open[c]; !in || len(l.open) > connections || before[c.client] > l.mostPerClient {
				t.Fatalf("%d connections, %d of the newcomer's client; the newcomer is in: %t", len(l.open), before[c.client], in)
			}
			if victim == nil {
				continue
			}
			for client, share := range before {
				if client != c.client && share > before[victim.client] && before[c.client] < l.mostPerClient && share > before[c.client]+1 {
					t.Fatalf("a client with %d connections lost one while another had %d", before[victim.client], share)
				}
			}
			for open := range l.open {
				if open != c && open.client == victim.client && open.moved.Load() < victim.moved.Load() {
					t.Fatal("the connection that was closed had moved later than another of its client")
				}
			}
		}
	})
}

func TestClientOf(t *testing.T) {
	tests := map[string]string{
		"192.0.2.1:5":             "192.0.2.1/32",
		"[::ffff:192.0.2.1]:5":    "192.0.2.1/32",
		"[2001:db8:1:2:3::4]:5":   "2001:db8:1:2::/64",
		"[fe80::1%eth0]:5":        "fe80::/64",
		"[2001:db8:1:2:ffff::]:5": "2001:db8:1:2::/64",
	}
	for address, want := range tests {
		if got := clientOf(netip.MustParseAddrPort(address).Addr()).String(); got != want {
			t.Errorf("the client of %s is %s, want %s", address, got, want)
		}
	}
}

// TestHealthWhileConnectionsAreHeld has a client take hold of connections in every way that
// there is, many more than there may be. Health checks of the same address are answered all
// the while, and the memory is bounded.
func TestHealthWhileConnectionsAreHeld(t *testing.T) {
	w := newWorld(time.Now())
	w.addNames(30_000, nyc)
	w.publish(time.Now())
	s, _ := w.server()
	l := listen(t)
	s.tcp = newLimitedListener(l, connections)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}()
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)

	ways := []string{
		"",                      // says nothing
		"GET /healthz HTTP/1.1", // does not end its request
		"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", // keeps the connection
		"GET /api/status?limit=100000 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET /api/status?limit=100000&q=n HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", // TLS
	}
	for i := range 300 {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.(*net.TCPConn).SetReadBuffer(1024)
		if _, err := conn.Write([]byte(ways[i%len(ways)])); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			if body, err := fetch(fmt.Sprintf("http://%s/healthz", l.Addr())); err != nil || body != "ok\n" {
				t.Fatalf("a health check beside %d connections got %q, error %v", i+1, body, err)
			}
		}
	}
	if open := s.tcp.count(); open > s.tcp.mostPerClient {
		t.Errorf("%d connections of one client are open, want at most %d", open, s.tcp.mostPerClient)
	}
	// Turns are taken in order: when these are answered, the others have come as far as they can.
	for range 10 {
		if body, err := fetch(fmt.Sprintf("http://%s/api/status?limit=1000", l.Addr())); err != nil || !strings.HasSuffix(body, "\n}\n") {
			t.Fatalf("a reader beside them got %d bytes, error %v", len(body), err)
		}
	}
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	if grown := int64(after.Sys) - int64(before.Sys); grown > 100<<20 {
		t.Errorf("300 requests that nobody reads took %d MB", grown>>20)
	}
}

// TestSlowReaderIsCutOff: a reader that holds the oldest rendering while further ones are
// made loses its connection.
func TestSlowReaderIsCutOff(t *testing.T) {
	w := newWorld(time.Now())
	w.addNames(20_000, nyc)
	w.publish(time.Now())
	s, _ := w.server()
	l := listen(t)
	s.tcp = newLimitedListener(l, connections)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx) }()
	defer func() { cancel(); <-stopped }()

	slow, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprint(slow, "GET /api/status?limit=100000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	reader := bufio.NewReader(slow)
	if line, err := reader.ReadString('\n'); err != nil || line != "HTTP/1.1 200 OK\r\n" {
		t.Fatalf("the slow reader got %q, error %v", line, err)
	}
	for i := range renderingsAlive {
		_, _, release, err := s.moments.take(t.Context(), momentKey{events: uint64(i + 1)}, s.observe)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
	}
	// It is over as soon as the slow one has read what was under way.
	slow.SetReadDeadline(time.Now().Add(time.Minute))
	body, err := io.Copy(io.Discard, reader)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Errorf("the connection of the slow reader still is open, after %d bytes", body)
	}
	if body > 5<<20 {
		t.Errorf("the slow reader got %d bytes, as many as the whole", body)
	}
}
