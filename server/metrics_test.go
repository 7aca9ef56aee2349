package server

import (
	"strings"
	"testing"

	"gslb/internal/wire"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestMetrics counts a few queries of every kind.
func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := newServer(t, func(o *Options) { o.Registerer = registry })
	addr := s.Addrs()[0]
	stop := run(t, s)
	udp, tcp := dial(t, "udp", addr), dial(t, "tcp", addr)

	for _, junk := range [][]byte{[]byte("junk"), message(0x8000, [4]uint16{1}, wwwA)} {
		if _, err := udp.Conn.Write(junk); err != nil {
			t.Fatal(err)
		}
	}
	for _, conn := range []*dns.Conn{udp, udp, tcp} {
		exchange(t, conn, ask(1, "www.example.org.", dns.TypeA))
	}
	exchange(t, udp, ask(1, "nope.example.org.", 4711))
	exchange(t, udp, ask(1, "example.com.", dns.TypeSOA))
	exchange(t, udp, ask(1, "big.example.org.", dns.TypeTXT))
	exchange(t, udp, ask(1, "panic.example.org.", dns.TypeA))
	broken := ask(1, "broken.example.org.", dns.TypeA)
	broken.Question[0].Qclass = dns.ClassANY // such as go through package dns
	exchange(t, tcp, broken)
	badVersion := ask(1, "www.example.org.", dns.TypeA)
	badVersion.SetEdns0(1232, false)
	badVersion.IsEdns0().SetVersion(1)
	exchange(t, udp, badVersion)

	open := `
# HELP gslb_dns_tcp_connections Open TCP connections.
# TYPE gslb_dns_tcp_connections gauge
gslb_dns_tcp_connections 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(open), "gslb_dns_tcp_connections"); err != nil {
		t.Error(err)
	}
	stop()

	want := strings.ReplaceAll(`
# HELP gslb_dns_dropped_total Messages that got no reply: short (no whole header), response (not a query), send (the reply could not be sent).
# TYPE gslb_dns_dropped_total counter
gslb_dns_dropped_total{proto="tcp",reason="response",server="ADDR"} 0
gslb_dns_dropped_total{proto="tcp",reason="send",server="ADDR"} 0
gslb_dns_dropped_total{proto="tcp",reason="short",server="ADDR"} 0
gslb_dns_dropped_total{proto="udp",reason="response",server="ADDR"} 1
gslb_dns_dropped_total{proto="udp",reason="send",server="ADDR"} 0
gslb_dns_dropped_total{proto="udp",reason="short",server="ADDR"} 1
# HELP gslb_dns_pack_errors_total Queries whose reply could not be packed; they were answered SERVFAIL.
# TYPE gslb_dns_pack_errors_total counter
gslb_dns_pack_errors_total 1
# HELP gslb_dns_panics_total Queries whose handling panicked; they were answered SERVFAIL.
# TYPE gslb_dns_panics_total counter
gslb_dns_panics_total 1
# HELP gslb_dns_requests_total Queries, by the zone that answered (none: no zone; other: one beyond the first 100); family is 1 for IPv4, 2 for IPv6.
# TYPE gslb_dns_requests_total counter
gslb_dns_requests_total{family="1",proto="tcp",server="ADDR",type="A",zone="example.org."} 1
gslb_dns_requests_total{family="1",proto="tcp",server="ADDR",type="A",zone="none"} 1
gslb_dns_requests_total{family="1",proto="udp",server="ADDR",type="A",zone="example.org."} 2
gslb_dns_requests_total{family="1",proto="udp",server="ADDR",type="A",zone="none"} 2
gslb_dns_requests_total{family="1",proto="udp",server="ADDR",type="SOA",zone="none"} 1
gslb_dns_requests_total{family="1",proto="udp",server="ADDR",type="TXT",zone="example.org."} 1
gslb_dns_requests_total{family="1",proto="udp",server="ADDR",type="other",zone="example.org."} 1
# HELP gslb_dns_responses_total Replies, by the zone that answered (as in requests) and response code.
# TYPE gslb_dns_responses_total counter
gslb_dns_responses_total{rcode="BADVERS",server="ADDR",zone="none"} 1
gslb_dns_responses_total{rcode="NOERROR",server="ADDR",zone="example.org."} 4
gslb_dns_responses_total{rcode="NXDOMAIN",server="ADDR",zone="example.org."} 1
gslb_dns_responses_total{rcode="REFUSED",server="ADDR",zone="none"} 1
gslb_dns_responses_total{rcode="SERVFAIL",server="ADDR",zone="none"} 2
# HELP gslb_dns_tcp_connections Open TCP connections.
# TYPE gslb_dns_tcp_connections gauge
gslb_dns_tcp_connections 0
# HELP gslb_dns_truncated_total Replies with the TC bit set.
# TYPE gslb_dns_truncated_total counter
gslb_dns_truncated_total 1
`, "ADDR", addr.String())
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want),
		"gslb_dns_dropped_total", "gslb_dns_pack_errors_total", "gslb_dns_panics_total",
		"gslb_dns_requests_total", "gslb_dns_responses_total", "gslb_dns_tcp_connections",
		"gslb_dns_truncated_total"); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]int{
		"gslb_dns_request_duration_seconds": 2, // one series a zone
		"gslb_dns_request_size_bytes":       2, // and one a transport
		"gslb_dns_response_size_bytes":      2,
	} {
		if got, err := testutil.GatherAndCount(registry, name); err != nil || got != want {
			t.Errorf("%s has %d series, %v, want %d", name, got, err, want)
		}
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}

// TestMetricsStayFew asks for every type there can be, with every class and response.
func TestMetricsStayFew(t *testing.T) {
	r := newTestResponder(t, overUDP)
	for qtype := range uint16(1000) {
		m := ask(1, "www.example.org.", qtype)
		m.Question[0].Qclass = qtype % 3
		r.respond(mustPack(t, m), testClient)
		r.respond(message(qtype<<6&^wire.FlagQR, [4]uint16{1}, wwwA), testClient)
	}
	if got := testutil.CollectAndCount(r.meter.metrics, "gslb_dns_requests_total"); got > 50 {
		t.Errorf("%d series of requests", got)
	}
	if got := testutil.CollectAndCount(r.meter.metrics, "gslb_dns_responses_total"); got > 20 {
		t.Errorf("%d series of responses", got)
	}
}
