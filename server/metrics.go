package server

import (
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// metrics is what the whole server counts. Names and labels have the shape of CoreDNS's. What
// every query counts is kept by meters, and put together when it is scraped.
type metrics struct {
	panics     prometheus.Counter
	packErrors prometheus.Counter
	tcpConns   prometheus.Gauge
	evictions  *prometheus.CounterVec
	tcp        *tcpMetrics

	mu     sync.Mutex
	meters []*meter
	labels atomic.Pointer[map[string]bool] // of zones that have one of their own; replaced, never changed

	// These keep a fault that every query has, or an attack, from filling the log.
	complaints, limited, unlimited *rate.Sometimes
}

// newMetrics makes the metrics and registers them, or none of them.
func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "gslb", Subsystem: "dns", Name: name, Help: help}
	}
	m := &metrics{
		panics: prometheus.NewCounter(counter("panics_total",
			"Queries whose handling panicked; they were answered SERVFAIL.")),
		packErrors: prometheus.NewCounter(counter("pack_errors_total",
			"Queries whose reply could not be packed; they were answered SERVFAIL.")),
		tcpConns: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "gslb", Subsystem: "dns", Name: "tcp_connections",
			Help: "Open TCP connections."}),
		evictions: prometheus.NewCounterVec(counter("tcp_evictions_total",
			"TCP connections closed to make room for a new one, by the limit that was reached: total or client."),
			[]string{"limit"}),
		tcp:        newTCPMetrics(),
		complaints: sometimes(),
		limited:    sometimes(),
		unlimited:  sometimes(),
	}
	m.labels.Store(&map[string]bool{})
	for _, limit := range []string{"total", "client"} {
		m.evictions.WithLabelValues(limit) // there from the start, so that a rate can be had of it
	}
	if registerer == nil {
		return m, nil
	}
	return m, m.register(registerer)
}

// logInterval is how often at most a fault or an attack that goes on is logged.
const logInterval = time.Second

func sometimes() *rate.Sometimes { return &rate.Sometimes{Interval: logInterval} }

func (m *metrics) register(registerer prometheus.Registerer) error {
	all := []prometheus.Collector{m, m.panics, m.packErrors, m.tcpConns, m.evictions, m.tcp}
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

// newMeter makes the meter of a responder at one listening address.
func (m *metrics) newMeter(server netip.AddrPort, via transport) *meter {
	counts := &meter{metrics: m, server: server.String(), proto: via.String()}
	counts.requestSize.bounds, counts.responseSize.bounds = sizeBounds[:], sizeBounds[:]
	counts.zones.Store(&map[string]*zoneMeter{})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.meters = append(m.meters, counts)
	return counts
}

// label is what the queries of a zone are counted by. It takes no lock once the zone has a
// label, or all labels are given away.
func (m *metrics) label(zone string) string {
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

// addLabel gives a zone a label of its own, if there still is one.
func (m *metrics) addLabel(zone string) {
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
