// Package meter counts what the server does, and logs its faults: those that may happen for every
// query, or under attack, at most once a second.
//
// A [Meter] counts the queries of one responder, whose goroutine alone writes to it: no counter
// is shared between processors until it is read. [Metrics] adds the meters up when they are
// scraped, and has the counters of the whole server. Names and labels have the shape of
// CoreDNS's. A [Tally] counts by steered name. Nothing that a client sends becomes a label as it is: types come from a fixed list,
// zones from the configuration, and only so many of them.
package meter

import (
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"gslb/answer"
)

// Metrics is what the whole server counts. It is safe for concurrent use.
type Metrics struct {
	panics      prometheus.Counter
	tcpOpen     prometheus.Gauge
	tcpAccepted prometheus.Counter
	tcpClosed   *prometheus.CounterVec
	tcpEnded    [ends]prometheus.Counter // those of tcpClosed
	tcpEvicted  *prometheus.CounterVec

	mu     sync.Mutex
	meters []*Meter
	labels atomic.Pointer[map[string]bool] // of zones that have one of their own; replaced, never changed

	tallies tallies

	// These keep a fault that every query has, or an attack, from filling the log.
	complaints, limited, unlimited *rate.Sometimes
}

// New makes the metrics; they are registered by Register.
func New() *Metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "gslb", Subsystem: "dns", Name: name, Help: help}
	}
	m := &Metrics{
		panics: prometheus.NewCounter(prometheus.CounterOpts(opts("panics_total",
			"Queries whose handling panicked; they were answered SERVFAIL."))),
		tcpOpen: prometheus.NewGauge(prometheus.GaugeOpts(opts("tcp_connections",
			"Open TCP connections."))),
		tcpAccepted: prometheus.NewCounter(prometheus.CounterOpts(opts("tcp_accepted_total",
			"TCP connections accepted."))),
		tcpClosed: prometheus.NewCounterVec(prometheus.CounterOpts(opts("tcp_closed_total",
			"TCP connections that ended, by the reason: client (closed it, or was lost), idle, read, write, total (the limits),"+
				" evicted (room was needed), malformed (what came was not a query), shutdown.")),
			[]string{"reason"}),
		tcpEvicted: prometheus.NewCounterVec(prometheus.CounterOpts(opts("tcp_evictions_total",
			"TCP connections closed to make room for a new one, by the limit that was reached: total or client.")),
			[]string{"limit"}),
		complaints: sometimes(),
		limited:    sometimes(),
		unlimited:  sometimes(),
	}
	m.labels.Store(&map[string]bool{})
	m.tallies.past = make(map[answer.Counter]uint64)
	// They exist from the start, so that their rate can be computed.
	for why := range ends {
		m.tcpEnded[why] = m.tcpClosed.WithLabelValues(End(why).String())
	}
	for _, limit := range []string{"total", "client"} {
		m.tcpEvicted.WithLabelValues(limit)
	}
	return m
}

// logInterval is how often at most a fault or an attack that goes on is logged.
const logInterval = time.Second

func sometimes() *rate.Sometimes { return &rate.Sometimes{Interval: logInterval} }

// Register registers all metrics, or none of them.
func (m *Metrics) Register(registerer prometheus.Registerer) error {
	all := []prometheus.Collector{m, m.panics, m.tcpOpen, m.tcpAccepted, m.tcpClosed, m.tcpEvicted}
	for i, collector := range all {
		if err := registerer.Register(collector); err != nil {
			for _, registered := range all[:i] {
				registerer.Unregister(registered)
			}
			return fmt.Errorf("server: register metrics: %w", err)
		}
	}
	return nil
}

// Complain reports a fault of a socket.
func (m *Metrics) Complain(logger *slog.Logger, what string, err error) {
	m.complaints.Do(func() { logger.Warn(what, "error", err) })
}

// End is why a TCP connection ended.
type End uint8

const (
	EndClient    End = iota // the client closed it, or it broke
	EndIdle                 // the limit on waiting for a query
	EndRead                 // that on receiving one
	EndWrite                // that on sending the reply
	EndTotal                // that on a connection as a whole
	EndEvicted              // room was needed for another
	EndMalformed            // what came was not a query
	EndShutdown             // the server stopped
	EndHandover             // another process goes on with it
	ends         = iota
)

// String is the label of the reason.
func (e End) String() string {
	return [ends]string{"client", "idle", "read", "write", "total", "evicted", "malformed", "shutdown", "handover"}[e]
}

// Opened counts an accepted TCP connection. limit is the limit for which another one was closed:
// "total", "client", or empty.
func (m *Metrics) Opened(limit string) {
	if limit != "" {
		m.tcpEvicted.WithLabelValues(limit).Inc()
	}
	m.tcpOpen.Inc()
	m.tcpAccepted.Inc()
}

// Closed counts the end of a TCP connection.
func (m *Metrics) Closed(why End) {
	m.tcpOpen.Dec()
	m.tcpEnded[why].Inc()
}

// Meter makes the meter of a responder at one listening address.
func (m *Metrics) Meter(server netip.AddrPort, proto string) *Meter {
	counts := &Meter{Metrics: m, server: server.String(), proto: proto}
	counts.requestSize.bounds, counts.responseSize.bounds = sizeBounds[:], sizeBounds[:]
	counts.zones.Store(&map[string]*Zone{})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.meters = append(m.meters, counts)
	return counts
}

// maxZoneLabels is how many zones have a label of their own: the first that are asked for. With
// thousands of zones there would otherwise be too many series.
const maxZoneLabels = 100

const (
	noZone     = "none"  // no zone that is served here
	otherZones = "other" // beyond maxZoneLabels
)

// label is the label of a zone. It takes no lock once the zone has a label, or all labels are used.
func (m *Metrics) label(zone string) string {
	labels := *m.labels.Load()
	switch {
	case zone == "":
		return noZone
	case labels[zone]:
		return zone
	case len(labels) >= maxZoneLabels:
		return otherZones
	}
	m.addLabel(zone)
	return m.label(zone)
}

// addLabel gives a zone a label of its own, if one is left.
func (m *Metrics) addLabel(zone string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := *m.labels.Load()
	if old[zone] || len(old) >= maxZoneLabels {
		return
	}
	labels := maps.Clone(old)
	labels[zone] = true
	m.labels.Store(&labels)
}
