package respond

import (
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gslb/internal/wire"
	"gslb/server/dnstest"
)

// TestDurationsCounted counts one duration for each reply, and none for what got none.
func TestDurationsCounted(t *testing.T) {
	r := newTestResponder(t, OverUDP)
	began := time.Now()
	for range 10 {
		r.Respond(dnstest.Pack(t, dnstest.Ask(1, "www.example.org.", dns.TypeA)), dnstest.Client)
		r.Respond([]byte("short"), dnstest.Client)
	}
	took := time.Since(began).Seconds()
	series := dnstest.Series(t, r.meter.Metrics, "gslb_dns_request_duration_seconds")
	if len(series) != 1 || dnstest.LabelOf(series[0], "zone") != "example.org." {
		t.Fatalf("%d series: %v", len(series), series)
	}
	h := series[0].GetHistogram()
	if h.GetSampleCount() != 10 || h.GetSampleSum() <= 0 || h.GetSampleSum() > took {
		t.Errorf("%d durations, of %v s in all; 10 took %v s", h.GetSampleCount(), h.GetSampleSum(), took)
	}
}

// TestFamiliesCounted tells IPv4 from IPv6, also where a socket has both.
func TestFamiliesCounted(t *testing.T) {
	r := newTestResponder(t, OverUDP)
	in := dnstest.Pack(t, dnstest.Ask(1, "www.example.org.", dns.TypeA))
	for _, addr := range []string{"192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1"} {
		r.Respond(in, netip.MustParseAddrPort(addr))
	}
	for _, m := range dnstest.Series(t, r.meter.Metrics, "gslb_dns_requests_total") {
		want := map[string]float64{"1": 2, "2": 1}[dnstest.LabelOf(m, "family")]
		if m.GetCounter().GetValue() != want {
			t.Errorf("family %s: %v queries, want %v", dnstest.LabelOf(m, "family"), m.GetCounter().GetValue(), want)
		}
	}
}

// TestMetricsStayFew asks for every type there can be, with every class and response.
func TestMetricsStayFew(t *testing.T) {
	r := newTestResponder(t, OverUDP)
	for qtype := range uint16(1000) {
		m := dnstest.Ask(1, "www.example.org.", qtype)
		m.Question[0].Qclass = qtype % 3
		r.Respond(dnstest.Pack(t, m), dnstest.Client)
		r.Respond(dnstest.Message(qtype<<6&^wire.FlagQR, [4]uint16{1}, dnstest.WWWA), dnstest.Client)
	}
	if got := testutil.CollectAndCount(r.meter.Metrics, "gslb_dns_requests_total"); got > 50 {
		t.Errorf("%d series of requests", got)
	}
	if got := testutil.CollectAndCount(r.meter.Metrics, "gslb_dns_responses_total"); got > 20 {
		t.Errorf("%d series of responses", got)
	}
}
