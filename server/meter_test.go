package server

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"pgregory.net/rapid"

	"gslb/answer"
	"gslb/zones/config"
)

// manyZones compiles so many zones, zone0.example. and on.
func manyZones(t testing.TB, n int) *answer.Table {
	t.Helper()
	var text strings.Builder
	text.WriteString("[server]\nlisten = [\"127.0.0.1:0\"]\n")
	for i := range n {
		fmt.Fprintf(&text, "[zones.\"zone%d.example\"]\nnameservers = { ns1 = [\"192.0.2.53\"] }\n", i)
	}
	set, err := config.Parse([]byte(text.String()), "zones.toml", config.LoadOptions{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Compile(set, nil, nil)
}

// TestZonesBeyondLabels asks for more zones than have a label of their own, by two
// responders, each of which saw other ones first.
func TestZonesBeyondLabels(t *testing.T) {
	const all = maxZoneLabels + 50
	first := responderOver(t, overUDP, manyZones(t, all))
	second := *first
	second.meter = first.meter.newMeter(loopback, overUDP)
	second.zone, second.zoneName = nil, ""
	question := func(zone int) []byte { return mustPack(t, ask(1, fmt.Sprintf("zone%d.example.", zone), dns.TypeSOA)) }
	for i := range all {
		first.respond(question(i), testClient)
		second.respond(question(all-1-i), testClient)
	}
	labels, queries, others := 0, 0.0, 0.0
	for _, m := range collect(t, first.meter.metrics, "gslb_dns_requests_total") {
		labels++
		queries += m.GetCounter().GetValue()
		if labelOf(m, "zone") == otherZones {
			others += m.GetCounter().GetValue()
		}
	}
	if labels != maxZoneLabels+1 || queries != 2*all || others != 2*(all-maxZoneLabels) {
		t.Errorf("%d zones with %v queries, of which %v for others; want %d, %d, %d",
			labels, queries, others, maxZoneLabels+1, 2*all, 2*(all-maxZoneLabels))
	}
	if got := testutil.CollectAndCount(first.meter.metrics, "gslb_dns_request_duration_seconds"); got != maxZoneLabels+1 {
		t.Errorf("%d histograms of durations", got)
	}
}

// collect gathers the series of one metric.
func collect(t testing.TB, c prometheus.Collector, name string) []*dto.Metric {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()
		}
	}
	return nil
}

func labelOf(m *dto.Metric, name string) string {
	for _, label := range m.GetLabel() {
		if label.GetName() == name {
			return label.GetValue()
		}
	}
	return ""
}

// TestSizesCounted holds the histograms of sizes to what went in and out, over two meters.
func TestSizesCounted(t *testing.T) {
	table, names := world(t), worldNames()
	rapid.Check(t, func(rt *rapid.T) {
		first := responderOver(t, overUDP, table)
		second := *first
		second.meter = first.meter.newMeter(loopback, overUDP)
		var in, out []int
		for range rapid.IntRange(0, 30).Draw(rt, "queries") {
			m := ask(1, rapid.SampledFrom(names).Draw(rt, "name"), rapid.SampledFrom(worldTypes).Draw(rt, "type"))
			if rapid.Bool().Draw(rt, "edns") {
				m.SetEdns0(1232, false)
			}
			query := mustPack(t, m)
			r := rapid.SampledFrom([]*responder{first, &second}).Draw(rt, "responder")
			in = append(in, len(query))
			out = append(out, len(r.respond(query, testClient)))
		}
		checkHistogram(rt, collect(t, first.meter.metrics, "gslb_dns_request_size_bytes")[0].GetHistogram(), in)
		checkHistogram(rt, collect(t, first.meter.metrics, "gslb_dns_response_size_bytes")[0].GetHistogram(), out)
	})
}

// checkHistogram counts values anew.
func checkHistogram(t *rapid.T, h *dto.Histogram, values []int) {
	sum := 0
	for _, v := range values {
		sum += v
	}
	if h.GetSampleCount() != uint64(len(values)) || h.GetSampleSum() != float64(sum) {
		t.Errorf("%d values, of %v in all; want %d, %d", h.GetSampleCount(), h.GetSampleSum(), len(values), sum)
	}
	if len(h.GetBucket()) != len(sizeBounds) {
		t.Errorf("%d buckets, want %d", len(h.GetBucket()), len(sizeBounds))
	}
	for _, bucket := range h.GetBucket() {
		want := uint64(0)
		for _, v := range values {
			if float64(v) <= bucket.GetUpperBound() {
				want++
			}
		}
		if bucket.GetCumulativeCount() != want {
			t.Errorf("%d values up to %v, want %d", bucket.GetCumulativeCount(), bucket.GetUpperBound(), want)
		}
	}
}

// TestDurationsCounted counts one duration for each reply, and none for what got none.
func TestDurationsCounted(t *testing.T) {
	r := newTestResponder(t, overUDP)
	began := time.Now()
	for range 10 {
		r.respond(mustPack(t, ask(1, "www.example.org.", dns.TypeA)), testClient)
		r.respond([]byte("short"), testClient)
	}
	took := time.Since(began).Seconds()
	series := collect(t, r.meter.metrics, "gslb_dns_request_duration_seconds")
	if len(series) != 1 || labelOf(series[0], "zone") != "example.org." {
		t.Fatalf("%d series: %v", len(series), series)
	}
	h := series[0].GetHistogram()
	if h.GetSampleCount() != 10 || h.GetSampleSum() <= 0 || h.GetSampleSum() > took {
		t.Errorf("%d durations, of %v s in all; 10 took %v s", h.GetSampleCount(), h.GetSampleSum(), took)
	}
}

// TestScrapeWhileServing scrapes a server that many clients ask: no counter goes back, and in
// the end all queries are counted.
func TestScrapeWhileServing(t *testing.T) {
	const clients, queries = 4, 200
	registry := prometheus.NewPedanticRegistry()
	table := manyZones(t, maxZoneLabels+20)
	s := newServer(t, func(o *Options) {
		o.Registerer = registry
		o.Source = func() Resolver { return table }
		o.Limits.Workers = 2
	})
	stop := run(t, s)
	asked := make(chan struct{})
	var scraping, asking sync.WaitGroup
	scraping.Go(func() {
		last := 0.0
		for {
			now := sumOf(t, registry, "gslb_dns_requests_total")
			if now < last {
				t.Errorf("%v queries, after %v", now, last)
			}
			last = now
			select {
			case <-asked:
				return
			default:
			}
		}
	})
	for i := range clients {
		conn := dial(t, []string{"udp", "tcp"}[i%2], s.Addrs()[0])
		asking.Go(func() {
			for j := range uint16(queries) {
				if err := conn.WriteMsg(ask(j, fmt.Sprintf("zone%d.example.", j), dns.TypeSOA)); err != nil {
					t.Error(err)
					return
				}
				if _, err := conn.ReadMsg(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	asking.Wait()
	close(asked)
	scraping.Wait()
	stop()
	if got := sumOf(t, registry, "gslb_dns_requests_total"); got != clients*queries {
		t.Errorf("%v queries are counted, want %d", got, clients*queries)
	}
	if got := sumOf(t, registry, "gslb_dns_responses_total"); got != clients*queries {
		t.Errorf("%v responses are counted, want %d", got, clients*queries)
	}
}

// sumOf adds up all series of a counter.
func sumOf(t testing.TB, gatherer prometheus.Gatherer, name string) (sum float64) {
	families, err := gatherer.Gather()
	if err != nil {
		t.Error(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			for _, m := range family.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// TestFamiliesCounted tells IPv4 from IPv6, also where a socket has both.
func TestFamiliesCounted(t *testing.T) {
	r := newTestResponder(t, overUDP)
	in := mustPack(t, ask(1, "www.example.org.", dns.TypeA))
	for _, addr := range []string{"192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1"} {
		r.respond(in, netip.MustParseAddrPort(addr))
	}
	for _, m := range collect(t, r.meter.metrics, "gslb_dns_requests_total") {
		want := map[string]float64{"1": 2, "2": 1}[labelOf(m, "family")]
		if m.GetCounter().GetValue() != want {
			t.Errorf("family %s: %v queries, want %v", labelOf(m, "family"), m.GetCounter().GetValue(), want)
		}
	}
}
