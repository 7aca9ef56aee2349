//go:build integration

package probing

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"text/template"
	"time"

	"gslb/integration/parts"
)

func TestMain(m *testing.M) { os.Exit(parts.Isolated(m.Run)) }

// must ends the test for an error that leaves nothing to test.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOddServers has gslb, curl and HAProxy judge every odd server. What both of them take
// must pass, so that no probe turns down what clients are served by; what neither takes
// must fail.
func TestOddServers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	var targets []target
	for _, odd := range corpus() {
		targets = append(targets, target{odd, serve(t, odd.handle)})
	}
	lab := parts.ForTest(t)
	ours, said := gslb(t, ctx, lab, targets)
	haproxys, haproxySaid := haproxy(t, ctx, lab, targets)

	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			curls, curlSaid := curl(ctx, target.at, target.body)
			judges := haproxys[target.ID()]
			want := judges
			if curls != judges {
				want = target.whereSplit
			} else if target.whereSplit != "" {
				t.Errorf("the judges are not split: both say %s", judges)
			}
			if got := ours[target.ID()]; got != want {
				t.Errorf("gslb says %q, want %q\ngslb: %s\ncurl: %s: %s\nHAProxy: %s: %s",
					got, want, said[target.ID()], curls, curlSaid, judges, haproxySaid[target.ID()])
			}
		})
	}
}

// serve runs an odd server, which ends with the test.
func serve(t *testing.T, handle func(net.Conn)) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(t.Context(), func() { conn.Close() })
			running.Go(func() {
				defer conn.Close()
				defer stop()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	return netip.MustParseAddrPort(listener.Addr().String())
}

var gslbConfig = template.Must(template.New("zones.toml").Parse(`
[server]
listen = ["{{.Listen}}"]
[admin]
listen = "{{.Admin}}"
{{range .Targets}}
[checks.{{.ID}}]
type    = "http"
url     = "http://{{.At}}/"
timeout = "{{$.Timeout}}"
expect  = { status = ["200"]{{if .Body}}, body = "OK"{{end}} }
[pools.{{.ID}}]
members = ["127.0.0.1"]
checks  = ["{{.ID}}"]
[zones."{{.ID}}.example"]
nameservers = { ns1 = ["192.0.2.1"] }
names.n = { pools = ["{{.ID}}"] }
{{end}}`))

// gslb returns what gslb's probes make of the targets, by their IDs.
func gslb(t *testing.T, ctx context.Context, lab *parts.Lab, targets []target) (map[string]verdict, map[string]string) {
	t.Helper()
	loopback := netip.MustParseAddr("127.0.0.1")
	listen, err := lab.FreePort(loopback)
	must(t, err)
	admin, err := lab.FreePort(loopback)
	must(t, err)
	values := map[string]any{"Listen": listen, "Admin": admin, "Timeout": probeTimeout, "Targets": targets}
	return runGSLB(t, ctx, lab, gslbConfig, values, listen, admin)
}

// runGSLB runs it with a configuration, and returns what its probes say, by their checks.
func runGSLB(t *testing.T, ctx context.Context, lab *parts.Lab, config *template.Template, values any, listen, admin netip.AddrPort) (map[string]verdict, map[string]string) {
	t.Helper()
	file := render(t, "zones.toml", config, values)
	server, err := lab.StartGSLB(ctx, parts.GSLBConfig{Name: "gslb", Zones: file, Listen: listen, Admin: admin})
	must(t, err)

	var status struct {
		Targets []struct {
			Check string
			Last  struct {
				Verdict verdict
				Detail  string
			}
		}
	}
	must(t, server.Status(ctx, &status))
	verdicts, said := make(map[string]verdict), make(map[string]string)
	for _, target := range status.Targets {
		verdicts[target.Check], said[target.Check] = target.Last.Verdict, target.Last.Detail
	}
	return verdicts, said
}
