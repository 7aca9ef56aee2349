//go:build integration

package parts

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// master is a zone for servers of static zones.
const master = `$TTL 20
@ SOA ns1 hostmaster 1 3600 600 86400 5
@ NS ns1
ns1 A 192.0.2.53
app A 192.0.2.1
`

// TestStaticServers has every server of master files answer for two zones, and dnsperf load
// it.
func TestStaticServers(t *testing.T) {
	checkLeaks(t)
	ctx := within(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "zone")
	if err := os.WriteFile(file, []byte(master), 0o644); err != nil {
		t.Fatal(err)
	}
	zones := map[string]string{"one.example.": file, "two.example.": file}
	questions := filepath.Join(dir, "questions")
	if err := os.WriteFile(questions, []byte("app.one.example A\nnone.two.example A\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	listen := netip.MustParseAddrPort("127.0.0.53:53")
	for name, start := range map[string]func(*Lab) error{
		"nsd": func(l *Lab) error {
			_, err := l.StartNSD(ctx, NSDConfig{Name: "nsd", Listen: listen, Zones: zones, Options: []string{"minimal-responses: yes"}})
			return err
		},
		"knot": func(l *Lab) error {
			_, err := l.StartKnot(ctx, KnotConfig{Name: "knot", Listen: listen, Zones: zones})
			return err
		},
		"powerdns": func(l *Lab) error {
			_, err := l.StartPowerDNS(ctx, PowerDNSConfig{Name: "powerdns", Listen: listen, Zones: zones})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			lab := ForTest(t)
			if err := start(lab); err != nil {
				t.Fatal(err)
			}
			for zone := range zones {
				reply, err := Ask(ctx, listen, "app."+zone, dns.TypeA)
				if err != nil || !reply.Authoritative || !slices.Equal(Addresses(reply.Answer), []netip.Addr{netip.MustParseAddr("192.0.2.1")}) {
					t.Errorf("it answers for %s: %v, %v", zone, reply, err)
				}
			}
			report, err := lab.DNSPerf(ctx, DNSPerfConfig{
				Name: "dnsperf", Server: listen, Queries: questions, Time: 500 * time.Millisecond, Rate: 200,
			})
			if err != nil {
				t.Fatal(err)
			}
			found, missing := report.Rcodes["NOERROR"], report.Rcodes["NXDOMAIN"]
			if report.Lost != 0 || report.Completed == 0 || found+missing != report.Completed || found-missing > 1 || report.Latency <= 0 {
				t.Errorf("dnsperf reports %+v; want as many answers as names that do not exist", report)
			}
		})
	}
}

func TestStaticServerWithoutZones(t *testing.T) {
	checkLeaks(t)
	_, err := ForTest(t).StartKnot(within(t), KnotConfig{Name: "knot", Listen: netip.MustParseAddrPort("127.0.0.53:53")})
	if err == nil || !strings.Contains(err.Error(), "no zone") {
		t.Errorf("a server of no zones: %v, want an error that says so", err)
	}
}

func TestDNSPerfFails(t *testing.T) {
	checkLeaks(t)
	lab := ForTest(t)
	config := DNSPerfConfig{
		Name: "dnsperf", Server: netip.MustParseAddrPort("127.0.0.53:53"),
		Queries: filepath.Join(t.TempDir(), "nothing"), Time: time.Second,
	}
	if _, err := lab.DNSPerf(within(t), config); err == nil {
		t.Error("dnsperf without questions: no error")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	config.Name = "again"
	if _, err := lab.DNSPerf(ended, config); err == nil {
		t.Error("dnsperf in a context that has ended: no error")
	}
}
