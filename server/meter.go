package server

import (
	"encoding/binary"
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/miekg/dns"

	"gslb/internal/rrl"
	"gslb/internal/wire"
)

// meter counts for one responder, or for several: it is safe for concurrent use, but fastest
// with one writer, whose counters no other processor touches until they are scraped.
type meter struct {
	*metrics
	server, proto string

	drops        [drops]atomic.Uint64
	truncated    atomic.Uint64
	rations      [classes][actions]atomic.Uint64
	requestSize  histogram
	responseSize histogram

	mu    sync.Mutex                            // held to add a zone
	zones atomic.Pointer[map[string]*zoneMeter] // by label; replaced, never changed
}

// zoneMeter counts the queries that one zone answered.
type zoneMeter struct {
	label     string
	requests  [families][queryTypes]atomic.Uint64
	responses [rcodes]atomic.Uint64
	duration  histogram
}

const (
	families = 2 // IPv4, IPv6
	classes  = int(rrl.Error) + 1
	actions  = int(rrl.Drop) + 1
)

// drop says why a message got no reply.
type drop uint8

const (
	dropShort    drop = iota // no whole header
	dropResponse             // not a query
	dropSend                 // the reply could not be sent
	drops        = iota
	answerable   = drop(drops)
)

func (d drop) String() string {
	switch d {
	case dropShort:
		return "short"
	case dropResponse:
		return "response"
	}
	return "send"
}

// answered counts a query and its reply; without one, its rate was limited.
func (m *meter) answered(z *zoneMeter, qtype uint16, client netip.Addr, rcode, size int, out []byte) {
	family := 0
	if !client.Is4() {
		family = 1
	}
	z.requests[family][typeIndex(qtype)].Add(1)
	m.requestSize.add(size, 1)
	if out == nil {
		return
	}
	z.responses[min(rcode, rcodes-1)].Add(1)
	m.responseSize.add(len(out), 1)
	if len(out) >= wire.HeaderSize && binary.BigEndian.Uint16(out[wire.OffFlags:])&wire.FlagTC != 0 {
		m.truncated.Add(1)
	}
}

// zone returns the counters of a zone; empty: of none.
func (m *meter) zone(name string) *zoneMeter {
	label := m.label(name)
	if z := (*m.zones.Load())[label]; z != nil {
		return z
	}
	return m.addZone(label)
}

// addZone makes the counters of a label.
func (m *meter) addZone(label string) *zoneMeter {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := *m.zones.Load()
	if z := old[label]; z != nil {
		return z
	}
	z := &zoneMeter{label: label}
	z.duration.bounds = durationBounds[:]
	zones := maps.Clone(old)
	zones[label] = z
	m.zones.Store(&zones)
	return z
}

// drop counts a message that got no reply.
func (m *meter) drop(why drop) { m.drops[why].Add(1) }

// rationed counts a response that was kept back, and reports networks for which that begins
// or ends.
func (m *meter) rationed(logger *slog.Logger, network netip.Prefix, class rrl.Class, d rrl.Decision) {
	m.rations[class][d.Action].Add(1)
	switch d.Change {
	case rrl.Entered:
		m.limited.Do(func() {
			logger.Warn("the rate of responses to a network is limited; addresses in it may be forged, or it asks too much",
				"network", network, "class", class)
		})
	case rrl.Left:
		m.unlimited.Do(func() {
			logger.Info("the rate of responses to a network is no longer limited", "network", network, "class", class)
		})
	}
}

// panicked counts and reports a query whose handling panicked.
func (m *meter) panicked(logger *slog.Logger, q *query, cause any, stack []byte) {
	m.panics.Inc()
	m.complaints.Do(func() {
		logger.Error("handling a query panicked; it was answered SERVFAIL", "name", q.name,
			"type", dns.Type(q.qtype), "panic", cause, "stack", string(stack))
	})
}

// unpackable counts and reports a reply that could not be packed.
func (m *meter) unpackable(logger *slog.Logger, err error) {
	m.packErrors.Inc()
	m.complaints.Do(func() {
		logger.Error("a reply could not be packed; the query was answered SERVFAIL", "error", err)
	})
}

// complain reports a fault of a socket.
func (m *metrics) complain(logger *slog.Logger, what string, err error) {
	m.complaints.Do(func() { logger.Warn(what, "error", err) })
}
