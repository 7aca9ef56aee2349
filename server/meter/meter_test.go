package meter

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"pgregory.net/rapid"

	"gslb/server/dnstest"
)

var (
	listen = netip.MustParseAddrPort("127.0.0.1:53")
	client = netip.MustParseAddr("192.0.2.7")
)

// TestZonesBeyondLabels counts for more zones than have a label of their own, by two meters,
// each of which saw other ones first.
func TestZonesBeyondLabels(t *testing.T) {
	const all = maxZoneLabels + 50
	metrics := New()
	first, second := metrics.Meter(listen, "udp"), metrics.Meter(listen, "udp")
	count := func(m *Meter, zone int) {
		z := m.Zone(fmt.Sprintf("zone%d.example.", zone))
		m.Answered(z, dns.TypeSOA, client, dns.RcodeSuccess, 30, make([]byte, 60))
		z.Took(1000, 1)
	}
	for i := range all {
		count(first, i)
		count(second, all-1-i)
	}
	labels, queries, others := 0, 0.0, 0.0
	for _, m := range dnstest.Series(t, metrics, "gslb_dns_requests_total") {
		labels++
		queries += m.GetCounter().GetValue()
		if dnstest.LabelOf(m, "zone") == otherZones {
			others += m.GetCounter().GetValue()
		}
	}
	if labels != maxZoneLabels+1 || queries != 2*all || others != 2*(all-maxZoneLabels) {
		t.Errorf("%d zones with %v queries, of which %v for others; want %d, %d, %d",
			labels, queries, others, maxZoneLabels+1, 2*all, 2*(all-maxZoneLabels))
	}
	if got := testutil.CollectAndCount(metrics, "gslb_dns_request_duration_seconds"); got != maxZoneLabels+1 {
		t.Errorf("%d histograms of durations", got)
	}
}

// TestSizesCounted holds the histograms of sizes to what went in and out, over two meters.
func TestSizesCounted(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		metrics := New()
		meters := []*Meter{metrics.Meter(listen, "udp"), metrics.Meter(listen, "udp")}
		size := rapid.OneOf(rapid.IntRange(12, 70000), rapid.SampledFrom(sizeBounds[:]))
		in := rapid.SliceOf(size).Draw(rt, "in")
		var out []int
		for _, n := range in {
			m := rapid.SampledFrom(meters).Draw(rt, "meter")
			reply := make([]byte, size.Draw(rt, "out"))
			m.Answered(m.Zone("example."), dns.TypeA, client, dns.RcodeSuccess, n, reply)
			out = append(out, len(reply))
		}
		checkHistogram(rt, dnstest.Series(t, metrics, "gslb_dns_request_size_bytes")[0].GetHistogram(), in)
		checkHistogram(rt, dnstest.Series(t, metrics, "gslb_dns_response_size_bytes")[0].GetHistogram(), out)
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
