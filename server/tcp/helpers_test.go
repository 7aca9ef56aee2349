package tcp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"gslb/server/dnstest"
	"gslb/server/meter"
	"gslb/server/respond"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newResponder makes responders that answer from dnstest.ZoneText.
func newResponder(t testing.TB) func() *respond.Responder {
	return responderOver(dnstest.Zone(t, dnstest.ZoneText))
}

func responderOver(resolver respond.Resolver) func() *respond.Responder {
	metrics := meter.New()
	settings := new(atomic.Pointer[respond.Settings])
	settings.Store(&respond.Settings{})
	return func() *respond.Responder {
		return respond.New(respond.Options{
			Source:   func() respond.Resolver { return resolver },
			Settings: settings,
			Via:      respond.OverTCP,
			Idle:     10 * time.Second,
			Logger:   slog.New(slog.DiscardHandler),
			Meter:    metrics.Meter(dnstest.Loopback, "tcp"),
		})
	}
}

// newServer makes a server that does not run yet. Nothing is left of it when the test ends.
func newServer(t testing.TB, change func(*Limits)) *Server {
	t.Helper()
	return serverWith(t, newResponder(t), change)
}

func serverWith(t testing.TB, responder func() *respond.Responder, change func(*Limits)) *Server {
	t.Helper()
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(dnstest.Loopback))
	if err != nil {
		t.Fatal(err)
	}
	limits := Limits{
		Conns: 1024, PerClient: 64, Idle: 10 * time.Second, Read: 5 * time.Second,
		Write: 5 * time.Second, Total: 10 * time.Minute, Drain: time.Second,
	}
	if change != nil {
		change(&limits)
	}
	s, err := New(Options{
		Listeners: []*Listener{{
			TCPListener: listener, Addr: listener.Addr().(*net.TCPAddr).AddrPort(), NewResponder: responder,
		}},
		Loops: 2, Limits: limits, Logger: slog.New(slog.DiscardHandler), Metrics: meter.New(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // it has closed all if it ran
	return s
}

// startServer runs a server until the test ends.
func startServer(t testing.TB, change func(*Limits)) *Server {
	t.Helper()
	s := newServer(t, change)
	run(t, s)
	return s
}

// run runs s until the test ends, or the function it returns is called.
func run(t testing.TB, s *Server) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func (s *Server) addr() netip.AddrPort { return s.Listeners[0].Addr }

// open is how many connections are open.
func (s *Server) open(t testing.TB) int { return s.count(t, "gslb_dns_tcp_connections", "", "") }

// ended is how many connections have ended for a reason.
func (s *Server) ended(t testing.TB, why meter.End) int {
	return s.count(t, "gslb_dns_tcp_closed_total", "reason", why.String())
}

// evicted is how many have been closed for another, by the limit that was reached.
func (s *Server) evicted(t testing.TB, limit string) int {
	return s.count(t, "gslb_dns_tcp_evictions_total", "limit", limit)
}

// count is the value of a metric's series with a label.
func (s *Server) count(t testing.TB, metric, label, value string) int {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := s.Metrics.Register(registry); err != nil {
		t.Fatal(err)
	}
	for _, m := range dnstest.Series(t, registry, metric) {
		if dnstest.LabelOf(m, label) == value {
			return int(m.GetCounter().GetValue() + m.GetGauge().GetValue())
		}
	}
	return 0
}

// waitClosed waits until the other end closes the connection.
func waitClosed(t *testing.T, conn net.Conn) {
	t.Helper()
	if n, err := conn.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("read %d bytes, %v, want EOF", n, err)
	}
}
