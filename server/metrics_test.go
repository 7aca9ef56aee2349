package server

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gslb/server/dnstest"
)

// TestMetrics counts a few queries of every kind.
func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := newServer(t, func(o *Options) { o.Registerer = registry })
	addr := s.Addrs()[0]
	stop := run(t, s)
	udp, tcp := dnstest.Dial(t, "udp", addr), dnstest.Dial(t, "tcp", addr)

	for _, junk := range [][]byte{[]byte("junk"), dnstest.Message(0x8000, [4]uint16{1}, dnstest.WWWA)} {
		if _, err := udp.Conn.Write(junk); err != nil {
			t.Fatal(err)
		}
	}
	for _, conn := range []*dns.Conn{udp, udp, tcp} {
		dnstest.Exchange(t, conn, dnstest.Ask(1, "www.example.org.", dns.TypeA))
	}
	dnstest.Exchange(t, udp, dnstest.Ask(1, "nope.example.org.", 4711))
	dnstest.Exchange(t, udp, dnstest.Ask(1, "example.com.", dns.TypeSOA))
	dnstest.Exchange(t, udp, dnstest.Ask(1, "big.example.org.", dns.TypeTXT))
	dnstest.Exchange(t, udp, dnstest.Ask(1, "panic.example.org.", dns.TypeA))
	badVersion := dnstest.Ask(1, "www.example.org.", dns.TypeA)
	badVersion.SetEdns0(1232, false)
	badVersion.IsEdns0().SetVersion(1)
	dnstest.Exchange(t, udp, badVersion)

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
# HELP gslb_dns_dropped_total Messages that got no reply: short (no whole header), response (not a query), send (the reply could not be sent), full (the same, since replies to addresses that do not answer fill the send buffer), pending (the first verdicts that the answer needs are awaited).
# TYPE gslb_dns_dropped_total counter
gslb_dns_dropped_total{proto="tcp",reason="full",server="ADDR"} 0
gslb_dns_dropped_total{proto="tcp",reason="pending",server="ADDR"} 0
gslb_dns_dropped_total{proto="tcp",reason="response",server="ADDR"} 0
gslb_dns_dropped_total{proto="tcp",reason="send",server="ADDR"} 0
gslb_dns_dropped_total{proto="tcp",reason="short",server="ADDR"} 0
gslb_dns_dropped_total{proto="udp",reason="full",server="ADDR"} 0
gslb_dns_dropped_total{proto="udp",reason="pending",server="ADDR"} 0
gslb_dns_dropped_total{proto="udp",reason="response",server="ADDR"} 1
gslb_dns_dropped_total{proto="udp",reason="send",server="ADDR"} 0
gslb_dns_dropped_total{proto="udp",reason="short",server="ADDR"} 1
# HELP gslb_dns_panics_total Queries whose handling panicked; they were answered SERVFAIL.
# TYPE gslb_dns_panics_total counter
gslb_dns_panics_total 1
# HELP gslb_dns_requests_total Queries, by the zone that answered (none: no zone; other: one beyond the first 100); family is 1 for IPv4, 2 for IPv6.
# TYPE gslb_dns_requests_total counter
gslb_dns_requests_total{family="1",proto="tcp",server="ADDR",type="A",zone="example.org."} 1
gslb_dns_requests_total{family="1",proto="udp",server="ADDR",type="A",zone="example.org."} 2
gslb_dns_requests_total{family="1",proto="udp",server="ADDR",type="A",zone="none"} 1
gslb_dns_requests_total{family="1",proto="udp",server="ADDR",type="other",zone="none"} 1
gslb_dns_requests_total{family="1",proto="udp",server="ADDR",type="SOA",zone="none"} 1
gslb_dns_requests_total{family="1",proto="udp",server="ADDR",type="TXT",zone="example.org."} 1
gslb_dns_requests_total{family="1",proto="udp",server="ADDR",type="other",zone="example.org."} 1
# HELP gslb_dns_responses_total Replies, by the zone that answered (as in requests) and response code.
# TYPE gslb_dns_responses_total counter
gslb_dns_responses_total{rcode="BADVERS",server="ADDR",zone="none"} 1
gslb_dns_responses_total{rcode="NOERROR",server="ADDR",zone="example.org."} 4
gslb_dns_responses_total{rcode="NXDOMAIN",server="ADDR",zone="example.org."} 1
gslb_dns_responses_total{rcode="REFUSED",server="ADDR",zone="none"} 1
gslb_dns_responses_total{rcode="SERVFAIL",server="ADDR",zone="none"} 1
# HELP gslb_dns_tcp_connections Open TCP connections.
# TYPE gslb_dns_tcp_connections gauge
gslb_dns_tcp_connections 0
# HELP gslb_dns_truncated_total Replies with the TC bit set.
# TYPE gslb_dns_truncated_total counter
gslb_dns_truncated_total 1
`, "ADDR", addr.String())
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want),
		"gslb_dns_dropped_total", "gslb_dns_panics_total",
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

// TestScrapeWhileServing scrapes a server that many clients ask: no counter goes back, and in
// the end all queries are counted.
func TestScrapeWhileServing(t *testing.T) {
	const clients, queries = 4, 200
	registry := prometheus.NewPedanticRegistry()
	table := dnstest.ManyZones(t, 120)
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
			now := dnstest.SumOf(t, registry, "gslb_dns_requests_total")
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
		conn := dnstest.Dial(t, []string{"udp", "tcp"}[i%2], s.Addrs()[0])
		asking.Go(func() {
			for j := range uint16(queries) {
				if err := conn.WriteMsg(dnstest.Ask(j, fmt.Sprintf("zone%d.example.", j), dns.TypeSOA)); err != nil {
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
	if got := dnstest.SumOf(t, registry, "gslb_dns_requests_total"); got != clients*queries {
		t.Errorf("%v queries are counted, want %d", got, clients*queries)
	}
	if got := dnstest.SumOf(t, registry, "gslb_dns_responses_total"); got != clients*queries {
		t.Errorf("%v responses are counted, want %d", got, clients*queries)
	}
}
