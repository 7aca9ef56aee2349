package respond

import (
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gslb/server/dnstest"
	"gslb/server/meter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTestResponder answers from dnstest.ZoneText.
func newTestResponder(t testing.TB, via Transport) *Responder {
	t.Helper()
	return responderOver(t, via, dnstest.Zone(t, dnstest.ZoneText))
}

func responderOver(t testing.TB, via Transport, resolver Resolver) *Responder {
	t.Helper()
	return responderWith(t, via, resolver, Settings{})
}

func responderWith(t testing.TB, via Transport, resolver Resolver, settings Settings) *Responder {
	t.Helper()
	var current atomic.Pointer[Settings]
	current.Store(&settings)
	return New(Options{
		Source:   func() Resolver { return resolver },
		Settings: &current,
		Via:      via,
		Idle:     10 * time.Second,
		Logger:   slog.New(slog.DiscardHandler),
		Meter:    meter.New().Meter(dnstest.Loopback, via.String()),
	})
}
