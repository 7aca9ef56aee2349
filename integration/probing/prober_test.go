//go:build integration

package probing

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gslb/integration/parts"
)

// TestProbersOwnFaults has the prober's host fail in all the ways that a test can bring
// about, before a target that is healthy all the time: its interface goes down, or loses its
// carrier but not its routes, it has no IPv6 to a member that has, and it is stopped for longer
// than a probe may take. No probe fails.
func TestProbersOwnFaults(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	network := parts.NetworkForTest(t)
	ns, err := network.AddHost(ctx, "ns")
	must(t, err)

	// The target is this program, on the link that the host is on. It takes a while, so that
	// most of the time a probe is under way.
	here := ns.IPv4.As4()
	here[3] = 1
	listener, err := net.Listen("tcp", netip.AddrPortFrom(netip.AddrFrom4(here), 0).String())
	must(t, err)
	asked := make(chan struct{}, 1)
	target := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		time.Sleep(600 * time.Millisecond)
	})}
	go target.Serve(listener)
	defer target.Close()

	listen, admin := netip.AddrPortFrom(ns.IPv4, 5300), netip.AddrPortFrom(ns.IPv4, 8053)
	config := filepath.Join(t.TempDir(), "zones.toml")
	must(t, os.WriteFile(config, fmt.Appendf(nil, `
[server]
listen = ["%v"]
[admin]
listen = "%v"
[checks.web]
type          = "http"
url           = "http://{address}:%d/"
interval      = "2100ms"
fast_interval = "2100ms"
timeout       = "2s"
[pools.web]
members = ["%v", "2001:db8::10"]
checks  = ["web"]
[zones."x.example"]
nameservers = { ns1 = ["192.0.2.1"] }
names.n     = { pools = ["web"] }
`, listen, admin, listener.Addr().(*net.TCPAddr).Port, netip.AddrFrom4(here)), 0o644))
	server, err := ns.StartGSLB(ctx, parts.GSLBConfig{Name: "gslb", Zones: config, Listen: listen, Admin: admin})
	must(t, err)

	awaitPass := func() {
		t.Helper()
		passed := -1.0
		must(t, parts.Until(ctx, "a probe passes", func(ctx context.Context) error {
			series, err := server.Metrics(ctx)
			if err != nil {
				return err
			}
			now := series[`gslb_health_probes_total{check="web",kind="http",reason="ok",verdict="pass"}`]
			if passed < 0 {
				passed = now
			}
			if now <= passed {
				return errors.New("none has yet")
			}
			return nil
		}))
	}
	awaitReason := func(member, reason, detail string) {
		t.Helper()
		_, err := server.AwaitLog(ctx, reason+" of "+member, func(l parts.LogLine) bool {
			return l.Text("target") == "web@"+member && l.Text("reason") == reason && strings.Contains(l.Text("detail"), detail)
		})
		must(t, err)
	}
	ip := func(arguments ...string) {
		t.Helper()
		if out, err := ns.Output(ctx, "ip", arguments...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}

	awaitPass()
	awaitReason("2001:db8::10", "local", "this host has no route there")

	ip("link", "set", "eth0", "down")
	awaitReason(netip.AddrFrom4(here).String(), "local", "this host has no route there")
	ip("link", "set", "eth0", "up")
	awaitPass()

	must(t, ns.Unplug(ctx))
	awaitReason(netip.AddrFrom4(here).String(), "local", "its interface has no carrier (eth0)")
	must(t, ns.Plug(ctx))
	awaitPass()

	// The response is there when it goes on, and the timeout is over: a probe may see either
	// first.
	late := `gslb_health_probes_total{check="web",kind="http",reason="late",verdict="indeterminate"}`
	must(t, parts.Until(ctx, "a probe was too late", func(ctx context.Context) error {
		select { // what is left of an earlier probe
		case <-asked:
		default:
		}
		<-asked
		if err := server.Hang(ctx); err != nil {
			return err
		}
		time.Sleep(2200 * time.Millisecond) // longer than the timeout
		server.Resume()
		awaitPass()
		series, err := server.Metrics(ctx)
		if err == nil && series[late] == 0 {
			err = errors.New("none was yet")
		}
		return err
	}))

	series, err := server.Metrics(ctx)
	must(t, err)
	for name, value := range series {
		if strings.HasPrefix(name, "gslb_health_probes_total{") && strings.Contains(name, `verdict="fail"`) && value > 0 {
			t.Errorf("%v probes failed: %s", value, name)
		}
	}
}
