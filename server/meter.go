package server

import (
	"encoding/binary"
	"log/slog"
	"net/netip"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"gslb/answer"
)

// meter counts for one responder. It keeps every counter it has met, so that a query
// looks none up by strings that have to be hashed and locked. What it keeps is bounded by
// the zones that were ever served.
type meter struct {
	*metrics
	server, proto string

	drops        map[string]prometheus.Counter // by reason
	requestSize  prometheus.Observer
	responseSize prometheus.Observer
	requests     map[requestKey]prometheus.Counter
	responses    map[responseKey]prometheus.Counter
	durations    map[string]prometheus.Observer // by zone
}

type requestKey struct {
	zone  string
	ipv6  bool
	qtype string // from a fixed list
}

type responseKey struct {
	zone  string
	rcode int
}

// answered counts a query and its reply.
func (m *meter) answered(q *query, client netip.Addr, reply answer.Reply, size int, out []byte, took time.Duration) {
	zone := reply.Zone
	if zone == "" {
		zone = "none"
	}
	m.request(zone, client, typeLabel(q)).Inc()
	m.response(zone, reply.Rcode).Inc()
	m.took(zone).Observe(took.Seconds())
	m.requestSize.Observe(float64(size))
	m.responseSize.Observe(float64(len(out)))
	if len(out) >= headerSize && binary.BigEndian.Uint16(out[offFlags:])&flagTC != 0 {
		m.truncated.Inc()
	}
}

func (m *meter) request(zone string, client netip.Addr, qtype string) prometheus.Counter {
	key := requestKey{zone: zone, ipv6: !client.Unmap().Is4(), qtype: qtype}
	counter, ok := m.requests[key]
	if !ok {
		family := "1"
		if key.ipv6 {
			family = "2"
		}
		counter = m.metrics.requests.WithLabelValues(m.server, zone, m.proto, family, qtype)
		m.requests[key] = counter
	}
	return counter
}

func (m *meter) response(zone string, rcode int) prometheus.Counter {
	key := responseKey{zone: zone, rcode: rcode}
	counter, ok := m.responses[key]
	if !ok {
		counter = m.metrics.responses.WithLabelValues(m.server, zone, rcodeLabel(rcode))
		m.responses[key] = counter
	}
	return counter
}

func (m *meter) took(zone string) prometheus.Observer {
	observer, ok := m.durations[zone]
	if !ok {
		observer = m.duration.WithLabelValues(m.server, zone)
		m.durations[zone] = observer
	}
	return observer
}

// dropped counts a message that got no reply.
func (m *meter) dropped(reason string) { m.drops[reason].Inc() }

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

// typeLabel is the query's type as a label: one of those that are seen in daily use, or
// "other".
func typeLabel(q *query) string {
	switch q.qtype {
	case dns.TypeA, dns.TypeAAAA, dns.TypeANY, dns.TypeAXFR, dns.TypeCAA, dns.TypeCNAME,
		dns.TypeDNSKEY, dns.TypeDS, dns.TypeHTTPS, dns.TypeIXFR, dns.TypeMX, dns.TypeNAPTR,
		dns.TypeNS, dns.TypeNSEC, dns.TypePTR, dns.TypeSOA, dns.TypeSRV, dns.TypeSVCB,
		dns.TypeTLSA, dns.TypeTXT:
		return dns.TypeToString[q.qtype]
	}
	return "other"
}

// rcodeLabel is the response code as the IANA registry names it.
func rcodeLabel(rcode int) string {
	if rcode == dns.RcodeBadVers { // shares its number with TSIG's BADSIG
		return "BADVERS"
	}
	if name, ok := dns.RcodeToString[rcode]; ok {
		return name
	}
	return "other"
}
