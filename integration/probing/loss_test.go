//go:build integration

package probing

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gslb/integration/parts"
)

// TestLostSYN has a network lose every second SYN to a target, which is the first of every
// probe: the kernel would repeat it after a second, and that is all the time a probe has.
func TestLostSYN(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	network := parts.NetworkForTest(t)
	web, err := network.AddHost(ctx, "web")
	must(t, err)
	ns, err := network.AddHost(ctx, "ns")
	must(t, err)

	dir := t.TempDir()
	write := func(name, format string, args ...any) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o644))
		return path
	}
	at := netip.AddrPortFrom(web.IPv4, 8080)
	haproxy := write("haproxy.cfg", "defaults\n mode http\n timeout client 5s\nfrontend web\n bind %v\n http-request return status 200\n", at)
	_, err = web.StartProgram(ctx, parts.Program{
		Name: "haproxy", Path: "haproxy", Args: []string{"-db", "-f", haproxy},
		Ready: func(ctx context.Context) error {
			status, _, err := parts.Get(ctx, "http://"+at.String())
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("status %d", status)
			}
			return err
		},
	})
	must(t, err)
	// The packets of one connection after the other come in: the counter is of all.
	out, err := web.Output(ctx, "nft", `add table netdev t; add chain netdev t in { type filter hook ingress device eth0 priority 0; }; `+
		`add rule netdev t in tcp flags & (syn | ack) == syn numgen inc mod 2 == 0 drop`)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	listen, admin := netip.AddrPortFrom(ns.IPv4, 5300), netip.AddrPortFrom(ns.IPv4, 8053)
	zones := write("zones.toml", `
[server]
listen = ["%v"]
[admin]
listen = "%v"
[checks.web]
type          = "http"
url           = "http://%v/"
interval      = "1100ms"
fast_interval = "1100ms"
timeout       = "1s"
[pools.web]
members = ["%v"]
checks  = ["web"]
[zones."x.example"]
nameservers = { ns1 = ["192.0.2.1"] }
names.n     = { pools = ["web"] }
`, listen, admin, at, web.IPv4)
	server, err := ns.StartGSLB(ctx, parts.GSLBConfig{Name: "gslb", Zones: zones, Listen: listen, Admin: admin})
	must(t, err)
	must(t, parts.Until(ctx, "five probes have ended", func(ctx context.Context) error {
		series, err := server.Metrics(ctx)
		if err != nil {
			return err
		}
		passed := 0.0
		for name, value := range series {
			if !strings.HasPrefix(name, "gslb_health_probes_total{") {
				continue
			}
			if strings.Contains(name, `verdict="pass"`) {
				passed += value
			} else if value > 0 {
				t.Fatalf("a probe did not pass: %s", name)
			}
		}
		if passed < 5 {
			return fmt.Errorf("%v have passed", passed)
		}
		return nil
	}))
}
