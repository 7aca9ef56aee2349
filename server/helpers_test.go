package server

import (
	"context"
	"net/netip"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"gslb/server/dnstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newServer makes a server for dnstest.ZoneText that does not run yet.
func newServer(t *testing.T, change func(*Options)) *Server {
	t.Helper()
	zone := dnstest.Zone(t, dnstest.ZoneText)
	opts := Options{
		Listen:     []netip.AddrPort{dnstest.Loopback},
		Source:     func() Resolver { return zone },
		Registerer: prometheus.NewRegistry(),
	}
	if change != nil {
		change(&opts)
	}
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// startServer runs a server until the test ends.
func startServer(t *testing.T, change func(*Options)) *Server {
	t.Helper()
	s := newServer(t, change)
	run(t, s)
	return s
}

// run runs s until the test ends, or the function it returns is called.
func run(t *testing.T, s *Server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}
