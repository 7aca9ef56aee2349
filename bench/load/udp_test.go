package load

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// query is a header, which is all that the generators know of a message.
func query() []byte { return make([]byte, headerLen) }

// processor is one that this program may run on.
func processor(t *testing.T) int {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	for p := range len(set) * 64 {
		if set.IsSet(p) {
			return p
		}
	}
	t.Fatal("this program may run nowhere")
	return -1
}

// serveUDP answers queries with what reply makes of them, nil: not at all, until the test ends.
func serveUDP(t *testing.T, reply func(number int, query []byte) []byte) netip.AddrPort {
	t.Helper()
	return serveUDPTo(t, func(number int, query []byte, _ netip.AddrPort) []byte { return reply(number, query) })
}

// serveUDPTo is serveUDP with the client of each query.
func serveUDPTo(t *testing.T, reply func(number int, query []byte, client netip.AddrPort) []byte) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		buffer := make([]byte, 512)
		for number := 0; ; number++ {
			n, client, err := conn.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			if message := reply(number, buffer[:n], client); message != nil {
				_, _ = conn.WriteToUDPAddrPort(message, client)
			}
		}
	})
	t.Cleanup(func() {
		conn.Close()
		serving.Wait()
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestUDP(t *testing.T) {
	const rate, dropped = 1000, 7 // so that all fit into the buffer of a socket, if the machine is busy
	server := serveUDP(t, func(number int, query []byte) []byte {
		switch number {
		case dropped:
			return nil
		case dropped + 1:
			query[3] |= 3
		}
		return query
	})
	report, err := UDP(t.Context(), UDPConfig{
		Server: server, Queries: [][]byte{query()}, Rate: rate, Time: 200 * time.Millisecond, Processor: processor(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := [16]int{0: 198, 3: 1}
	if report.Sent() != 200 || report.Lost() != 1 || report.Rcodes != want {
		t.Errorf("%d sent, %d lost, response codes %v; want 200, 1, %v", report.Sent(), report.Lost(), report.Rcodes, want)
	}
	if report.Latency(0) <= 0 || report.Latency(0.5) > report.Latency(1) {
		t.Errorf("latencies: least %v, median %v, most %v", report.Latency(0), report.Latency(0.5), report.Latency(1))
	}
}

// TestUDPPause has a server pause once. A generator that waited for replies would have one
// long latency; those of all queries that the schedule has meanwhile must show it.
func TestUDPPause(t *testing.T) {
	const rate, pause = 1000, 200 * time.Millisecond
	server := serveUDP(t, func(number int, query []byte) []byte {
		if number == 100 {
			timer := time.NewTimer(pause)
			defer timer.Stop()
			<-timer.C
		}
		return query
	})
	report, err := UDP(t.Context(), UDPConfig{
		Server: server, Queries: [][]byte{query()}, Rate: rate, Time: 500 * time.Millisecond, Processor: processor(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	slow := 0
	for _, latency := range report.latencies {
		if latency > pause/2 {
			slow++
		}
	}
	if report.Latency(1) < pause || slow < 50 {
		t.Errorf("longest latency %v, %d of more than %v; want at least %v, and 50", report.Latency(1), slow, pause/2, pause)
	}
}

// TestUDPSources has every query come from the source that it is to come from.
func TestUDPSources(t *testing.T) {
	const count = 100
	var wrong atomic.Int32
	server := serveUDPTo(t, func(_ int, query []byte, client netip.AddrPort) []byte {
		if want := netip.AddrFrom4([4]byte{127, 8, query[4], query[5]}); client.Addr().Unmap() != want {
			wrong.Add(1)
		}
		return query
	})
	config := UDPConfig{Server: server, Rate: 1000, Time: 200 * time.Millisecond, Processor: processor(t)}
	for i := range count {
		message := query()
		message[4], message[5] = byte(i>>4), byte(i)
		config.Queries = append(config.Queries, message)
		config.Sources = append(config.Sources, netip.AddrFrom4([4]byte{127, 8, byte(i >> 4), byte(i)}))
	}
	report, err := UDP(t.Context(), config)
	if err != nil || report.Sent() != 200 || report.Lost() != 0 || wrong.Load() != 0 {
		t.Errorf("%v, %d sent, %d lost, %d from another source; want 200, 0, 0", err, report.Sent(), report.Lost(), wrong.Load())
	}
}

// TestUDPOpen goes on until the time is over, though a query is lost.
func TestUDPOpen(t *testing.T) {
	// A busy machine may need more time for so many queries.
	for whole := 400 * time.Millisecond; !checkUDPOpen(t, whole); whole *= 4 {
		if whole > time.Minute {
			t.Fatalf("not enough was sent in %v", whole)
		}
	}
}

// checkUDPOpen reports whether the time sufficed.
func checkUDPOpen(t *testing.T, whole time.Duration) bool {
	const open, dropped = 10, 50
	var asked atomic.Int64
	server := serveUDP(t, func(number int, query []byte) []byte {
		asked.Add(1)
		if number == dropped {
			return nil
		}
		return query
	})
	report, err := UDP(t.Context(), UDPConfig{
		Server: server, Queries: [][]byte{query(), query()}, Open: open, Time: whole, Processor: processor(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	half := report.Begun.Add(whole / 2)
	before, after := report.Between(report.Begun, half), report.Between(half, report.Begun.Add(time.Hour))
	if report.Sent() < 2*dropped || before.Sent() == 0 || after.Sent() == 0 {
		return false
	}
	if report.Lost() != 1 || int64(report.Sent()) != asked.Load() {
		t.Errorf("%d sent, %d lost, %d received; want 1, and as many", report.Sent(), report.Lost(), asked.Load())
	}
	if report.Took < whole || report.ReplyBytes != int64(headerLen*(report.Sent()-1)) || report.Mean() <= 0 {
		t.Errorf("it took %v, with %d bytes of replies, and %v each", report.Took, report.ReplyBytes, report.Mean())
	}
	if before.Sent()+after.Sent() != report.Sent() {
		t.Errorf("%d sent before half of the time, %d after it, %d together", before.Sent(), after.Sent(), report.Sent())
	}
	return true
}

// TestUDPOpenGivesUp has a server that answers nothing: the next queries follow when those before
// count as lost.
func TestUDPOpenGivesUp(t *testing.T) {
	server := serveUDP(t, func(int, []byte) []byte { return nil })
	for tries := 1; ; tries++ {
		report, err := UDP(t.Context(), UDPConfig{
			Server: server, Queries: [][]byte{query()}, Open: 3, Time: udpWait + udpWait/2, Processor: processor(t),
		})
		if err == nil && report.Sent() == 6 && report.Lost() == 6 {
			return
		}
		if err != nil || report.Sent() != 3 || tries == 10 { // on a busy machine, the time can be over with the wait
			t.Fatalf("%v, %d sent, %d lost; want 3 at once and 3 after the wait", err, report.Sent(), report.Lost())
		}
	}
}

func TestUDPNobodyListens(t *testing.T) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	report, err := UDP(t.Context(), UDPConfig{
		Server:  conn.LocalAddr().(*net.UDPAddr).AddrPort(),
		Queries: [][]byte{query()}, Rate: 1000, Time: 20 * time.Millisecond, Processor: processor(t),
	})
	if err != nil || report.Sent() != 20 || report.Lost() != 20 || report.Latency(1) != 0 {
		t.Errorf("%v, %d sent, %d lost; want all 20 lost", err, report.Sent(), report.Lost())
	}
}

func TestUDPEndsWithContext(t *testing.T) {
	for tries := 1; ; tries++ {
		ctx, cancel := context.WithCancelCause(t.Context())
		server := serveUDP(t, func(number int, query []byte) []byte {
			if number == 10 {
				cancel(errors.New("enough"))
			}
			return query
		})
		report, err := UDP(ctx, UDPConfig{
			Server: server, Queries: [][]byte{query()}, Rate: 1000, Time: time.Minute, Processor: processor(t),
		})
		hasEnded := err == nil && report.Took < time.Minute/2
		if hasEnded && report.Sent() >= 10 && report.Lost() == 0 {
			return
		}
		// After a pause, a busy machine sends more at once than a socket holds.
		if !hasEnded || report.Sent() < 200 || tries == 10 {
			t.Fatalf("%v, %d sent in %s, %d lost; want more than 10 in less than half a minute, and none lost", err, report.Sent(), report.Took, report.Lost())
		}
	}
}

func TestUDPRefuses(t *testing.T) {
	good := UDPConfig{Server: netip.MustParseAddrPort("127.0.0.1:53"), Queries: [][]byte{query()}, Rate: 1, Time: time.Second}
	for name, spoil := range map[string]func(*UDPConfig){
		"no rate":              func(c *UDPConfig) { c.Rate = 0 },
		"a rate and as many":   func(c *UDPConfig) { c.Open = 1 },
		"a source too many":    func(c *UDPConfig) { c.Sources = make([]netip.Addr, 2) },
		"no time":              func(c *UDPConfig) { c.Time = 0 },
		"no queries":           func(c *UDPConfig) { c.Queries = nil },
		"no such processor":    func(c *UDPConfig) { c.Processor = 1000 },
		"a query with no id":   func(c *UDPConfig) { c.Queries = [][]byte{{1}} },
		"a server of no IPv4":  func(c *UDPConfig) { c.Server = netip.MustParseAddrPort("[::1]:53") },
		"a server of nothing":  func(c *UDPConfig) { c.Server = netip.AddrPort{} },
		"more than a schedule": func(c *UDPConfig) { c.Rate, c.Time = 1e9, 1e6*time.Hour },
	} {
		config := good
		spoil(&config)
		if _, err := UDP(t.Context(), config); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestUDPReportBetween(t *testing.T) {
	begun := time.Unix(1000, 0)
	report := &UDPReport{Begun: begun, interval: time.Second, latencies: []time.Duration{5, 0, 3, 1, 9}}
	for _, test := range []struct {
		name     string
		from, to time.Duration
		want     []time.Duration
	}{
		{"all", 0, 5 * time.Second, []time.Duration{5, 0, 3, 1, 9}},
		{"the moment that it ends at is not in it", time.Second, 3 * time.Second, []time.Duration{0, 3}},
		{"between two queries", 1500 * time.Millisecond, 3500 * time.Millisecond, []time.Duration{3, 1}},
		{"more than there is", -time.Hour, time.Hour, []time.Duration{5, 0, 3, 1, 9}},
		{"nothing", 3 * time.Second, time.Second, []time.Duration{}},
		{"after the end", time.Hour, 2 * time.Hour, []time.Duration{}},
	} {
		part := report.Between(begun.Add(test.from), begun.Add(test.to))
		if diff := cmp.Diff(test.want, part.latencies); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	part := report.Between(begun.Add(time.Second), begun.Add(4*time.Second))
	if part.Sent() != 3 || part.Lost() != 1 || part.Latency(0) != 1 || part.Latency(1) != 3 || !part.Begun.Equal(begun.Add(time.Second)) {
		t.Errorf("a part: %d sent, %d lost, latencies from %d to %d, begun %v", part.Sent(), part.Lost(), part.Latency(0), part.Latency(1), part.Begun)
	}
}

func TestUDPReportLatency(t *testing.T) {
	report := &UDPReport{latencies: make([]time.Duration, 2000)}
	for i := range 1000 { // and as many are lost
		report.latencies[2*i] = time.Duration(i + 1)
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 501, 0.999: 1000, 1: 1000} {
		if got := report.Latency(q); got != want {
			t.Errorf("Latency(%v) = %d, want %d", q, got, want)
		}
	}
}
