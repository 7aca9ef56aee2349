package meter

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/internal/rrl"
	"gslb/internal/wire"
)

// The metrics that meters count.
var (
	requestsDesc = desc("requests_total",
		"Queries, by the zone that answered (none: no zone; other: one beyond the first 100); family is 1 for IPv4, 2 for IPv6.",
		"server", "zone", "proto", "family", "type")
	responsesDesc = desc("responses_total",
		"Replies, by the zone that answered (as in requests) and response code.",
		"server", "zone", "rcode")
	durationDesc = desc("request_duration_seconds",
		"Time from reading queries, several at a time, to their packed replies.",
		"server", "zone")
	requestSizeDesc = desc("request_size_bytes",
		"Size of queries.",
		"server", "proto")
	responseSizeDesc = desc("response_size_bytes",
		"Size of replies.",
		"server", "proto")
	dropsDesc = desc("dropped_total",
		"Messages that got no reply: short (no whole header), response (not a query), send (the reply could not be sent), full (the same, since replies to addresses that do not answer fill the send buffer), pending (the first verdicts that the answer needs are awaited).",
		"server", "proto", "reason")
	truncatedDesc = desc("truncated_total",
		"Replies with the TC bit set.")
	answersDesc = desc("answers_total",
		"Answers to questions for steered names, also through an alias, by name (other: all names without a series of their own) and the pool whose addresses or alias were answered (empty: none; +: those of several pools together).",
		"name", "pool")
	rationsDesc = desc("rate_limited_total",
		"Replies over UDP kept back because too many of their class went to one network: drop (not sent), slip (sent without content, TC set).",
		"class", "action")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gslb_dns_"+name, help, labels, nil)
}

// Describe implements [prometheus.Collector].
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		requestsDesc, responsesDesc, durationDesc, requestSizeDesc, responseSizeDesc, dropsDesc, truncatedDesc, rationsDesc, answersDesc,
	} {
		out <- d
	}
}

// Collect implements [prometheus.Collector]: it adds up what the meters have counted.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	m.mu.Lock()
	meters := m.meters
	m.mu.Unlock()
	t := newTotals()
	for _, counts := range meters {
		t.add(counts)
	}
	t.send(out)
	m.tallies.collect(func(name, pool string, n uint64) {
		out <- prometheus.MustNewConstMetric(answersDesc, prometheus.CounterValue, float64(n), name, pool)
	})
}

// totals is several meters in one.
type totals struct {
	requests                  map[[5]string]uint64
	responses                 map[[3]string]uint64
	duration                  map[[2]string]*histogramTotals
	requestSize, responseSize map[[2]string]*histogramTotals
	drops                     map[[3]string]uint64
	rations                   map[[2]string]uint64
	truncated                 uint64
}

func newTotals() *totals {
	return &totals{
		requests:     make(map[[5]string]uint64),
		responses:    make(map[[3]string]uint64),
		duration:     make(map[[2]string]*histogramTotals),
		requestSize:  make(map[[2]string]*histogramTotals),
		responseSize: make(map[[2]string]*histogramTotals),
		drops:        make(map[[3]string]uint64),
		rations:      make(map[[2]string]uint64),
	}
}

func (t *totals) add(m *Meter) {
	at := [2]string{m.server, m.proto}
	for i := range m.drops {
		t.drops[[3]string{m.server, m.proto, Drop(i).String()}] += m.drops[i].Load()
	}
	m.requestSize.totals(histogramAt(t.requestSize, at), 1)
	m.responseSize.totals(histogramAt(t.responseSize, at), 1)
	t.truncated += m.truncated.Load()
	for class := range m.rations {
		for action := rrl.Slip; action <= rrl.Drop; action++ {
			t.rations[[2]string{rrl.Class(class).String(), action.String()}] += m.rations[class][action].Load()
		}
	}
	for _, z := range *m.zones.Load() {
		t.addZone(m, z)
	}
}

func (t *totals) addZone(m *Meter, z *Zone) {
	for family := range z.requests {
		for qtype := range z.requests[family] {
			if n := z.requests[family][qtype].Load(); n > 0 {
				t.requests[[5]string{m.server, z.label, m.proto, [...]string{"1", "2"}[family], typeLabel(qtype)}] += n
			}
		}
	}
	for rcode := range z.responses {
		if n := z.responses[rcode].Load(); n > 0 {
			t.responses[[3]string{m.server, z.label, rcodeLabel(rcode)}] += n
		}
	}
	z.duration.totals(histogramAt(t.duration, [2]string{m.server, z.label}), float64(time.Second))
}

func histogramAt(all map[[2]string]*histogramTotals, labels [2]string) *histogramTotals {
	if all[labels] == nil {
		all[labels] = new(histogramTotals)
	}
	return all[labels]
}

func (t *totals) send(out chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for labels, n := range t.requests {
		counter(requestsDesc, n, labels[:]...)
	}
	for labels, n := range t.responses {
		counter(responsesDesc, n, labels[:]...)
	}
	for labels, n := range t.drops {
		counter(dropsDesc, n, labels[:]...)
	}
	for labels, n := range t.rations {
		counter(rationsDesc, n, labels[:]...)
	}
	counter(truncatedDesc, t.truncated)
	for d, all := range map[*prometheus.Desc]map[[2]string]*histogramTotals{
		durationDesc: t.duration, requestSizeDesc: t.requestSize, responseSizeDesc: t.responseSize,
	} {
		for labels, h := range all {
			out <- prometheus.MustNewConstHistogram(d, h.count, h.sum, h.buckets, labels[:]...)
		}
	}
}

// The bounds of histograms.
var (
	sizeBounds     = [...]int{64, 128, 256, 512, wire.UDPPayload, 4096, 16384, 65535}
	durationBounds = [...]int{ // nanoseconds
		1e3, 4e3, 16e3, 64e3, 256e3, 1024e3, 4096e3, 16384e3, 65536e3, 262144e3,
	}
)

// maxBounds is the size of the longest list of bounds.
const maxBounds = len(durationBounds)

// histogram counts values by upper bounds. It is safe for concurrent use.
type histogram struct {
	bounds []int // ascending
	counts [maxBounds + 1]atomic.Uint64
	sum    atomic.Uint64
}

// add counts a value n times.
func (h *histogram) add(value, n int) {
	place := 0
	for place < len(h.bounds) && value > h.bounds[place] {
		place++
	}
	h.counts[place].Add(uint64(n))
	h.sum.Add(uint64(value) * uint64(n))
}

// totals adds what was counted to sums: how many, their sum, and how many up to each bound, in
// the unit that is so many of the histogram's own.
func (h *histogram) totals(t *histogramTotals, unit float64) {
	if t.buckets == nil {
		t.buckets = make(map[float64]uint64, len(h.bounds))
	}
	cumulative := uint64(0)
	for i := range len(h.bounds) + 1 {
		cumulative += h.counts[i].Load()
		if i < len(h.bounds) {
			t.buckets[float64(h.bounds[i])/unit] += cumulative
		}
	}
	t.count += cumulative
	t.sum += float64(h.sum.Load()) / unit
}

// histogramTotals is several histograms in one, as Prometheus takes it.
type histogramTotals struct {
	count   uint64
	sum     float64
	buckets map[float64]uint64 // how many up to each bound
}
