package server

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// metrics is what the whole server counts. Names and labels have the shape of CoreDNS's.
//
// Nothing that a client sends becomes a label: types come from a fixed list, zones and
// response codes from the reply.
type metrics struct {
	requests     *prometheus.CounterVec
	responses    *prometheus.CounterVec
	duration     *prometheus.HistogramVec
	requestSize  *prometheus.HistogramVec
	responseSize *prometheus.HistogramVec
	drops        *prometheus.CounterVec
	truncated    prometheus.Counter
	panics       prometheus.Counter
	packErrors   prometheus.Counter
	tcpConns     prometheus.Gauge
	evictions    *prometheus.CounterVec

	// complaints keeps a fault that every query has from filling the log.
	complaints *rate.Sometimes
}

// newMetrics makes the metrics and registers them, or none of them.
func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "gslb", Subsystem: "dns", Name: name, Help: help}
	}
	histogram := func(name, help string, buckets []float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Namespace: "gslb", Subsystem: "dns", Name: name, Help: help, Buckets: buckets}
	}
	sizes := []float64{64, 128, 256, 512, udpPayload, 4096, 16384, 65535}

	m := &metrics{
		requests: prometheus.NewCounterVec(counter("requests_total",
			"Queries that were answered, by the zone that answered (none: no zone); family is 1 for IPv4, 2 for IPv6."),
			[]string{"server", "zone", "proto", "family", "type"}),
		responses: prometheus.NewCounterVec(counter("responses_total",
			"Replies, by the zone that answered (none: no zone) and response code."),
			[]string{"server", "zone", "rcode"}),
		duration: prometheus.NewHistogramVec(histogram("request_duration_seconds",
			"Time from a query's arrival in the server to its packed reply.",
			prometheus.ExponentialBuckets(1e-6, 4, 10)),
			[]string{"server", "zone"}),
		requestSize: prometheus.NewHistogramVec(histogram("request_size_bytes",
			"Size of queries that were answered.", sizes),
			[]string{"server", "proto"}),
		responseSize: prometheus.NewHistogramVec(histogram("response_size_bytes",
			"Size of replies.", sizes),
			[]string{"server", "proto"}),
		drops: prometheus.NewCounterVec(counter("dropped_total",
			"Messages that got no reply: short (no whole header), response (not a query), send (the reply could not be sent)."),
			[]string{"server", "proto", "reason"}),
		truncated: prometheus.NewCounter(counter("truncated_total",
			"Replies with the TC bit set.")),
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
		complaints: &rate.Sometimes{Interval: time.Second},
	}
	if registerer == nil {
		return m, nil
	}
	return m, m.register(registerer)
}

func (m *metrics) register(registerer prometheus.Registerer) error {
	all := []prometheus.Collector{
		m.requests, m.responses, m.duration, m.requestSize, m.responseSize, m.drops,
		m.truncated, m.panics, m.packErrors, m.tcpConns, m.evictions,
	}
	var errs []error
	for i, collector := range all {
		if err := registerer.Register(collector); err != nil {
			errs = append(errs, fmt.Errorf("server: register metrics: %w", err))
			for _, registered := range all[:i] {
				registerer.Unregister(registered)
			}
			break
		}
	}
	return errors.Join(errs...)
}

// Why a message got no reply.
const (
	dropShort    = "short"    // no whole header
	dropResponse = "response" // not a query
	dropSend     = "send"     // the reply could not be sent
)

// at is the meter of a responder at one listening address.
func (m *metrics) at(server netip.AddrPort, via transport) *meter {
	name, proto := server.String(), via.String()
	drops := make(map[string]prometheus.Counter)
	for _, reason := range []string{dropShort, dropResponse, dropSend} {
		drops[reason] = m.drops.WithLabelValues(name, proto, reason)
	}
	return &meter{
		metrics:      m,
		server:       name,
		proto:        proto,
		drops:        drops,
		requestSize:  m.requestSize.WithLabelValues(name, proto),
		responseSize: m.responseSize.WithLabelValues(name, proto),
		requests:     make(map[requestKey]prometheus.Counter),
		responses:    make(map[responseKey]prometheus.Counter),
		durations:    make(map[string]prometheus.Observer),
	}
}
