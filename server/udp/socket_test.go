package udp

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"gslb/server/dnstest"
	"gslb/server/meter"
	"gslb/server/respond"
	"gslb/server/tap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newResponder answers from the world, and counts for itself. log may be nil.
func newResponder(t testing.TB, log *tap.Recorder) (*meter.Metrics, *respond.Responder) {
	metrics, table := meter.New(), dnstest.World(t)
	settings := new(atomic.Pointer[respond.Settings])
	settings.Store(&respond.Settings{})
	return metrics, respond.New(respond.Options{
		Source:   func() respond.Resolver { return table },
		Settings: settings,
		Via:      respond.OverUDP,
		Logger:   slog.New(slog.DiscardHandler),
		Meter:    metrics.Meter(dnstest.Loopback, "udp"),
		Tap:      log,
	})
}

// batchTester is a batch socket and a client, driven by one goroutine.
type batchTester struct {
	*Socket
	metrics   *meter.Metrics
	batch     *batch
	responder *respond.Responder
	client    *net.UDPConn
	query     []byte
	buf       []byte
}

// newBatchTester has the client ask at one address of those that the socket is bound to.
func newBatchTester(t testing.TB, bind, asked string) *batchTester {
	t.Helper()
	return newLoggedTester(t, bind, asked, nil)
}

// newLoggedTester is newBatchTester with a query log.
func newLoggedTester(t testing.TB, bind, asked string, log *tap.Recorder) *batchTester {
	t.Helper()
	addr := netip.AddrPortFrom(netip.MustParseAddr(bind), 0)
	sockets, err := Bind(addr, "", 1, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	metrics, responder := newResponder(t, log)
	b := &batchTester{
		Socket:    sockets[0],
		metrics:   metrics,
		batch:     newBatch(),
		responder: responder,
		query:     dnstest.Pack(t, dnstest.Ask(1, "app.gslb.example.com.", dns.TypeA)),
		buf:       make([]byte, respond.ReplyRoom),
	}
	t.Cleanup(func() { b.Close() }) // a test may have done so
	b.client = dialSocket(t, b.fd, asked)
	return b
}

// dialSocket connects a client to a bound socket.
func dialSocket(t testing.TB, fd int, asked string) *net.UDPConn {
	t.Helper()
	var port int
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		port = sa.Port
	case *unix.SockaddrInet6:
		port = sa.Port
	}
	client, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.ParseIP(asked), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if err := client.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return client
}

// ask sends a number of queries.
func (b *batchTester) ask(t testing.TB, n int) {
	for range n {
		if _, err := b.client.Write(b.query); err != nil {
			t.Fatal(err)
		}
	}
}

// serve receives and answers a number of queries.
func (b *batchTester) serve(t testing.TB, n int) {
	for n > 0 {
		got, err := b.receive(b.batch)
		if err != nil || got == 0 {
			t.Fatalf("%d queries: %v", got, err)
		}
		b.answer(b.batch, got, b.responder)
		n -= got
	}
}

// read reads a number of replies.
func (b *batchTester) read(t testing.TB, n int) {
	for range n {
		if _, err := b.client.Read(b.buf); err != nil {
			t.Fatal(err)
		}
	}
}

// unsent is how many replies are counted as not sent.
func (b *batchTester) unsent(t testing.TB) uint64 {
	for _, m := range dnstest.Series(t, b.metrics, "gslb_dns_dropped_total") {
		if dnstest.LabelOf(m, "reason") == "send" {
			return uint64(m.GetCounter().GetValue())
		}
	}
	return 0
}

// TestWorkers has clients whose queries the kernel spreads over several sockets. All are
// answered, each by one worker.
func TestWorkers(t *testing.T) {
	const workers, clients, queries = 3, 60, 3
	sockets, err := Bind(dnstest.Loopback, "4", 1, 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	first := sockets[0]
	sa, err := unix.Getsockname(first.fd)
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	addr := netip.AddrPortFrom(dnstest.Loopback.Addr(), uint16(sa.(*unix.SockaddrInet4).Port))
	if sockets, err = Bind(addr, "4", workers, 1<<16); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var serving sync.WaitGroup
	var all []*meter.Metrics
	for _, s := range sockets {
		metrics, r := newResponder(t, nil)
		all = append(all, metrics)
		serving.Go(func() { s.Serve(ctx, r, time.Second) })
	}
	for range clients {
		conn := dnstest.Dial(t, "udp", addr)
		for id := range uint16(queries) {
			if reply := dnstest.Exchange(t, conn, dnstest.Ask(id, "app.gslb.example.com.", dns.TypeA)); reply.Id != id {
				t.Errorf("reply %d to query %d", reply.Id, id)
			}
		}
		conn.Close()
	}
	stop()
	serving.Wait()
	sum := uint64(0)
	for i, metrics := range all {
		count := dnstest.Series(t, metrics, "gslb_dns_request_size_bytes")[0].GetHistogram().GetSampleCount()
		if count == 0 {
			t.Errorf("worker %d was asked nothing", i)
		}
		sum += count
	}
	if sum != clients*queries {
		t.Errorf("%d queries are counted, want %d", sum, clients*queries)
	}
}

// ended is a context that has ended, but has not told anybody yet: what waits for it is woken some
// time after Err says so.
type ended struct{ context.Context }

func (ended) Err() error { return context.Canceled }

// TestEndBeforeAnybodyIsWoken ends a socket whose context has ended, when nothing has shut down
// its reading yet: what it holds is answered, and nothing is waited for.
func TestEndBeforeAnybodyIsWoken(t *testing.T) {
	const queries = batchSize + 10
	b := newBatchTester(t, "127.0.0.1", "127.0.0.1")
	b.ask(t, queries)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Serve(ended{t.Context()}, b.responder, time.Minute)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		b.endWaiting()
		t.Fatal("the socket waits for more")
	}
	b.read(t, queries)
}

// TestBatchAllocatesNothing pins a whole batch, from the kernel and back to it, with and without a query
// log, of which nobody takes anything out.
func TestBatchAllocatesNothing(t *testing.T) {
	log := tap.New(tap.Options{})
	log.Use(tap.Settings{To: tap.Destination{Network: "unix", Address: "none"}, Share: 0.5, Queries: true, Responses: true})
	for _, test := range []struct {
		bind, asked string
		log         *tap.Recorder
	}{
		{"127.0.0.1", "127.0.0.1", nil}, {"0.0.0.0", "127.0.0.2", nil}, {"::1", "::1", nil}, {"::", "::1", nil}, {"::", "127.0.0.2", nil},
		{"127.0.0.1", "127.0.0.1", log.Recorder(dnstest.Loopback, false)}, {"::", "127.0.0.2", log.Recorder(dnstest.Loopback, false)},
	} {
		b := newLoggedTester(t, test.bind, test.asked, test.log)
		const queries = batchSize + 10
		run := func() {
			b.ask(t, queries)
			b.serve(t, queries)
			b.read(t, queries)
		}
		run()
		if n := testing.AllocsPerRun(10, run); n != 0 {
			t.Errorf("%s at %s: %v allocations for %d queries", test.asked, test.bind, n, queries)
		}
	}
}

// TestBatchSendsTheRest has replies in the middle of a batch that the kernel refuses to send.
func TestBatchSendsTheRest(t *testing.T) {
	const queries = 10
	b := newBatchTester(t, "127.0.0.1", "127.0.0.1")
	for _, refused := range [][]int{{0}, {4}, {9}, {3, 4, 5}, {0, 9}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}} {
		b.ask(t, queries)
		n, err := b.receive(b.batch)
		if err != nil || n != queries {
			t.Fatalf("%d queries, %v", n, err)
		}
		for _, i := range refused {
			b.batch.from[i].Port = 0 // of whom nobody can be
		}
		before := b.unsent(t)
		b.answer(b.batch, n, b.responder)
		b.read(t, queries-len(refused))
		if got := b.unsent(t) - before; got != uint64(len(refused)) {
			t.Errorf("refused %v: %d are counted", refused, got)
		}
	}
}

// TestPathMTUIsIgnored reads the option back, by which an address of either family replies.
func TestPathMTUIsIgnored(t *testing.T) {
	for bind, levels := range map[string][][2]int{
		"127.0.0.1": {{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER}},
		"::1":       {{unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER}},
		"::":        {{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER}, {unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER}},
	} {
		b := newBatchTester(t, bind, bind)
		for _, level := range levels {
			if got, err := unix.GetsockoptInt(b.fd, level[0], level[1]); err != nil || got != unix.IP_PMTUDISC_OMIT {
				t.Errorf("at %s: level %d: %d, %v", bind, level[0], got, err)
			}
		}
	}
}

// TestFromAsked covers what dnstest.Loopback cannot (TestFromWhere).
func TestFromAsked(t *testing.T) {
	six := func(ip string, ifIndex uint32) []byte {
		b := make([]byte, controlSize)
		header := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		header.Level, header.Type = unix.IPPROTO_IPV6, unix.IPV6_PKTINFO
		header.SetLen(unix.CmsgLen(unix.SizeofInet6Pktinfo))
		*infoIn(b) = unix.Inet6Pktinfo{Addr: netip.MustParseAddr(ip).As16(), Ifindex: ifIndex}
		return b
	}
	for _, test := range []struct {
		ip      string
		from    bool
		ifIndex uint32
	}{
		{"2001:db8::1", true, 0}, {"fe80::1", true, 3}, {"ff02::1", false, 0}, {"::ffff:192.0.2.1", true, 0},
	} {
		control := six(test.ip, 3)
		if got := fromAsked(control); got != test.from {
			t.Errorf("%s: a reply leaves from it: %t", test.ip, got)
		}
		if got := infoIn(control).Ifindex; test.from && got != test.ifIndex {
			t.Errorf("%s: by interface %d, want %d", test.ip, got, test.ifIndex)
		}
	}
	for size := range controlSize {
		if fromAsked(make([]byte, controlSize)[:size]) {
			t.Errorf("%d zero bytes are an address", size)
		}
	}
}

// infoIn is what a control message says of the destination in IPv6.
func infoIn(control []byte) *unix.Inet6Pktinfo {
	return (*unix.Inet6Pktinfo)(unsafe.Pointer(&control[unix.CmsgLen(0)]))
}

// BenchmarkUDP compares what a query costs the server in its socket's goroutine, in time
// (server-ns/query) and allocations, where full batches wait. The client's part, which is the
// same for all, is in the other time.
func BenchmarkUDP(b *testing.B) {
	b.Run("Socket", func(b *testing.B) {
		s := newBatchTester(b, "127.0.0.1", "127.0.0.1")
		s.bench(b, func() { s.serve(b, batchSize) })
	})
	b.Run("ipv4.PacketConn", func(b *testing.B) {
		s, conn := newConnTester(b)
		packets := ipv4.NewPacketConn(conn)
		in, out, replies := make([]ipv4.Message, batchSize), make([]ipv4.Message, batchSize), make([]byte, batchSize*respond.ReplyRoom)
		for i := range batchSize {
			in[i].Buffers, out[i].Buffers = [][]byte{make([]byte, longSize)}, make([][]byte, 1)
		}
		s.bench(b, func() {
			for served := 0; served < batchSize; {
				n, err := packets.ReadBatch(in, unix.MSG_WAITFORONE)
				if err != nil {
					b.Fatal(err)
				}
				began := time.Now()
				for i := range n {
					client := in[i].Addr.(*net.UDPAddr).AddrPort().Addr()
					out[i].Buffers[0] = s.responder.RespondAt(in[i].Buffers[0][:in[i].N], client, began, replies[i*respond.ReplyRoom:i*respond.ReplyRoom:(i+1)*respond.ReplyRoom])
					out[i].Addr = in[i].Addr
				}
				if _, err := packets.WriteBatch(out[:n], 0); err != nil {
					b.Fatal(err)
				}
				served += n
			}
		})
	})
}

// newConnTester has a socket of package net in place of a batch socket.
func newConnTester(b *testing.B) (*batchTester, *net.UDPConn) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	metrics, responder := newResponder(b, nil)
	s := &batchTester{
		metrics:   metrics,
		responder: responder,
		query:     dnstest.Pack(b, dnstest.Ask(1, "app.gslb.example.com.", dns.TypeA)),
		buf:       make([]byte, respond.ReplyRoom),
	}
	client, err := net.DialUDP("udp4", nil, conn.LocalAddr().(*net.UDPAddr))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { client.Close() })
	s.client = client
	return s, conn
}

// bench times how batches are served.
func (s *batchTester) bench(b *testing.B, serve func()) {
	var serving time.Duration
	batches := 0
	b.ReportAllocs()
	for b.Loop() {
		s.ask(b, batchSize)
		began := time.Now()
		serve()
		serving += time.Since(began)
		batches++
		s.read(b, batchSize)
	}
	b.ReportMetric(float64(serving.Nanoseconds())/float64(batches*batchSize), "server-ns/query")
}
