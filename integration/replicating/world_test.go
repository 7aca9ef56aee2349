//go:build integration

package replicating

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"text/template"
	"time"

	"gslb/integration/parts"
)

const (
	app      = "app.gslb.example.com"
	maxLag   = 2 * time.Second
	failback = 3 * time.Second // of the name
	ttl      = 2 * time.Second // of the name
	enough   = 2 * time.Minute // for a test, on a machine that has much to do besides
	slack    = 5 * time.Second // that such a machine may add to a bound
	whileFor = 2 * time.Second // so long it is looked that nothing changes: two heartbeats
)

// world is what one test has of its own: a table that is copied between regions, a gate before the database of
// each, a load balancer in each, and the server.
type world struct {
	*parts.GSLB
	Table    string
	Global   *parts.GlobalTable
	Sites    []*site // in the order of the name's pools
	Settings settings
	Modes    []string // of checks by names
	StateDir string
}

// site is a region, as a test has it.
type site struct {
	Pool, Region string
	DynamoDB     *parts.DynamoDBLocal
	Gate         *parts.Gate
	Balancer     *balancer
}

// settings is what tests have different in zones.toml.
type settings struct {
	Pools       []string
	Replication string        // further keys of [replication.orders]
	MaxLag      time.Duration // zero: maxLag
}

// balancer stands for a load balancer and the app behind it.
type balancer struct {
	*httptest.Server
	At      netip.AddrPort
	failing atomic.Bool
}

// startBalancer starts one at an address, which tells pools apart.
func startBalancer(t *testing.T, addr string) *balancer {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
	must(t, err)
	b := &balancer{At: listener.Addr().(*net.TCPAddr).AddrPort()}
	b.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if b.failing.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	must(t, b.Server.Listener.Close())
	b.Server.Listener = listener
	b.Start()
	t.Cleanup(b.Close)
	return b
}

var configuration = template.Must(template.New("zones.toml").Parse(`
[server]
listen     = ["{{.Listen}}"]
id         = "ns1"
state_dir  = "{{.StateDir}}"
allow_exec = true

[admin]
listen = "{{.Admin}}"

[checks.web]
type          = "http"
url           = "http://{address}:{port}/"
interval      = "1s"
fast_interval = "200ms"
timeout       = "800ms"
fall          = 3
rise          = 2

[replication.orders]
table    = "{{.Table}}"
key      = { id = "gslb" }
regions  = [{{range .Sites}}"{{.Region}}", {{end}}]
endpoint = { {{range $i, $s := .Sites}}{{if $i}}, {{end}}{{.Region}} = "{{.Gate.URL}}"{{end}} }
interval = "1s"
timeout  = "900ms"
max_lag  = "{{.Settings.MaxLag}}"
{{.Settings.Replication}}

{{range .Sites}}
[pools.{{.Pool}}]
region      = "{{.Region}}"
members     = ["{{.Balancer.At.Addr}}"]
checks      = ["web"]
vars        = { port = "{{.Balancer.At.Port}}" }
replication = "orders"
{{end}}

[zones."gslb.example.com"]
nameservers = { ns1 = ["127.0.0.53"] }

[zones."gslb.example.com".names.app]
pools          = [{{range .Sites}}"{{.Pool}}", {{end}}]
ttl            = "` + ttl.String() + `"
ttl_min        = "1s"
failback_after = "` + failback.String() + `"
`))

// begin makes a test's world, and starts its server. The test runs beside others.
func begin(t *testing.T, s settings) (context.Context, *world) {
	t.Helper()
	ctx, w := beginUnserved(t, s)
	w.serve(t, ctx, configuration, parts.GSLBConfig{Env: parts.Credentials()})
	return ctx, w
}

// beginUnserved is begin without the server.
func beginUnserved(t *testing.T, s settings) (context.Context, *world) {
	t.Helper()
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	t.Cleanup(cancel)
	if s.MaxLag == 0 {
		s.MaxLag = maxLag
	}
	dir := t.TempDir() // in one that no other test has, nor this one when it is run again
	w := &world{Table: filepath.Base(filepath.Dir(dir)), StateDir: dir, Settings: s}
	addresses := map[string]string{"nyc": "127.0.0.11", "ams": "127.0.0.12", "sin": "127.0.0.13"}
	var copies []*parts.DynamoDBLocal
	for _, pool := range s.Pools {
		d := databases[pool]
		w.Sites = append(w.Sites, &site{pool, d.Region, d, parts.GateForTest(t, d.Endpoint), startBalancer(t, addresses[pool])})
		copies = append(copies, d)
	}
	var err error
	w.Global, err = parts.StartGlobalTable(ctx, w.Table, "id", copies...)
	must(t, err)
	t.Cleanup(func() {
		if err := w.Global.Close(); err != nil {
			t.Error(err)
		}
	})
	return ctx, w
}

// serve starts the server, with what a template makes of the world.
func (w *world) serve(t *testing.T, ctx context.Context, zones *template.Template, config parts.GSLBConfig) {
	t.Helper()
	lab := parts.ForTest(t)
	for _, at := range []*netip.AddrPort{&config.Listen, &config.Admin} {
		var err error
		*at, err = lab.FreePort(netip.MustParseAddr("127.0.0.1"))
		must(t, err)
	}
	var text strings.Builder
	must(t, zones.Execute(&text, struct {
		*world
		Listen, Admin netip.AddrPort
	}{w, config.Listen, config.Admin}))
	config.Name, config.Zones = "gslb", filepath.Join(t.TempDir(), "zones.toml")
	must(t, os.WriteFile(config.Zones, []byte(text.String()), 0o644))
	var err error
	w.GSLB, err = lab.StartGSLB(ctx, config)
	must(t, err)
	t.Cleanup(func() { w.CheckLog(t) })
}

// site finds a region by its pool.
func (w *world) site(pool string) *site {
	for _, s := range w.Sites {
		if s.Pool == pool {
			return s
		}
	}
	return nil
}

// halt stops the copying from one pool's region to another's, and resume goes on with it.
func (w *world) halt(from, to string)   { w.Global.Halt(regionOf[from], regionOf[to]) }
func (w *world) resume(from, to string) { w.Global.Resume(regionOf[from], regionOf[to]) }

// crash kills the server, and starts it again.
func (w *world) crash(t *testing.T, ctx context.Context) {
	t.Helper()
	w.Kill()
	must(t, w.Start(ctx))
}

// awaitSaved waits until what is known is saved with all of these words, which takes a second: a crash before that is
// not what the tests are about.
func (w *world) awaitSaved(t *testing.T, ctx context.Context, words ...string) {
	t.Helper()
	must(t, parts.Until(ctx, "the state is saved", func(context.Context) error {
		state, err := os.ReadFile(filepath.Join(w.StateDir, "state.json"))
		for _, word := range words {
			if err == nil && !bytes.Contains(state, []byte(word)) {
				err = fmt.Errorf("it does not have %s: %s", word, state)
			}
		}
		return err
	}))
}

// command runs gslb with the server's own socket, and returns what it printed, in one line, and its exit status.
func (w *world) command(t *testing.T, ctx context.Context, args ...string) (out string, status int) {
	t.Helper()
	cmd := exec.CommandContext(ctx, parts.Binary(t), args...)
	cmd.Env = append(os.Environ(), "GSLB_SOCKET="+filepath.Join(w.StateDir, "gslb.sock"))
	printed, err := cmd.CombinedOutput()
	text := strings.Join(strings.Fields(string(printed)), " ") // it is wrapped
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return text, exit.ExitCode()
	}
	must(t, err)
	return text, 0
}
