//go:build integration

package decisions

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/BurntSushi/toml"

	"gslb/integration/parts"
)

// webPort is where all members are probed.
const webPort = 8080

// members answers the probes of every address, and says no for those that are down. Several servers
// may probe them, each those of its own pools.
type members struct {
	mu   sync.Mutex
	down map[netip.Addr]bool
}

// serveMembers answers probes until the test is over.
func serveMembers(t *testing.T) *members {
	t.Helper()
	m := &members{down: make(map[netip.Addr]bool)}
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", webPort))
	must(t, err)
	server := &http.Server{Handler: m}
	server.SetKeepAlivesEnabled(false)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return m
}

func (m *members) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	local := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr).AddrPort().Addr().Unmap()
	if m.isDown(local) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (m *members) isDown(addr netip.Addr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.down[addr]
}

// world is a server with a configuration, and the members of its pools.
type world struct {
	*members
	gslb  *parts.GSLB
	ipv6  netip.AddrPort // where it listens besides gslb.Listen
	path  string         // of zones.toml
	zone  string         // the only one of the configuration, fully qualified
	pools map[string][]netip.Addr
	known map[netip.Addr]bool // members that are probed
	fill  settings
}

// settings is what a configuration of these tests leaves to be filled in.
type settings struct {
	Listen, ListenIPv6, Admin netip.AddrPort
	DualStack                 bool // listen at [::] alone, with the port of Listen
	GeoIP                     []string
	Server                    string // further keys of [server]
}

var head = template.Must(template.New("zones.toml").Parse(`
[server]
listen = [{{if .DualStack}}"[::]:{{.Listen.Port}}"{{else}}"{{.Listen}}", "{{.ListenIPv6}}"{{end}}]
{{with .GeoIP}}geoip = [{{range .}}"{{.}}", {{end}}]{{end}}
{{.Server}}
[server.rate_limit]
rate = 0

[admin]
listen = "{{.Admin}}"

[checks.web]
type          = "http"
url           = "http://{address}:8080/"
interval      = "200ms"
fast_interval = "20ms"
timeout       = "190ms"
rise          = 1
fall          = 3
`))

// serve starts a server with a configuration, which ends with the test. It returns once every member
// has been probed.
func serve(t *testing.T, config string, fill settings) *world {
	t.Helper()
	return serveFor(t, serveMembers(t), config, fill)
}

// serveFor is serve for a second server that probes the same members.
func serveFor(t *testing.T, m *members, config string, fill settings) *world {
	t.Helper()
	w := &world{members: m, fill: fill, path: filepath.Join(t.TempDir(), "zones.toml")}
	lab := parts.ForTest(t)
	for at, addr := range map[*netip.AddrPort]string{&w.fill.Listen: "127.0.0.1", &w.fill.Admin: "127.0.0.1", &w.fill.ListenIPv6: "::1"} {
		var err error
		*at, err = lab.FreePort(netip.MustParseAddr(addr))
		must(t, err)
	}
	if w.ipv6 = w.fill.ListenIPv6; fill.DualStack {
		w.ipv6 = netip.AddrPortFrom(w.ipv6.Addr(), w.fill.Listen.Port())
	}
	w.write(t, config)
	var err error
	w.gslb, err = lab.StartGSLB(t.Context(), parts.GSLBConfig{Name: "gslb", Zones: w.path, Listen: w.fill.Listen, Admin: w.fill.Admin})
	must(t, err)
	w.settle(t)
	return w
}

// write puts a configuration where the server reads it.
func (w *world) write(t *testing.T, config string) {
	t.Helper()
	config = probed(config)
	w.read(t, config)
	var text bytes.Buffer
	must(t, head.Execute(&text, w.fill))
	text.WriteString(config)
	must(t, os.WriteFile(w.path+".new", text.Bytes(), 0o644))
	must(t, os.Rename(w.path+".new", w.path))
}

// probed adds the check to each pool that says nothing of checks and has members.
func probed(config string) string {
	var out strings.Builder
	for line := range strings.Lines(config) {
		if !strings.HasPrefix(line, "#") && strings.Contains(line, "{ members = [") && !strings.Contains(line, "checks = ") {
			line = strings.Replace(line, "{ members = [", `{ checks = ["web"], members = [`, 1)
		}
		out.WriteString(line)
	}
	return out.String()
}

// read finds out what of the configuration the tests must know.
func (w *world) read(t *testing.T, config string) {
	t.Helper()
	var parsed struct {
		Pools map[string]struct {
			Members []netip.Addr
			Checks  []string
		}
		Zones map[string]any
	}
	_, err := toml.Decode(config, &parsed)
	must(t, err)
	w.pools, w.known = make(map[string][]netip.Addr), make(map[netip.Addr]bool)
	for name, pool := range parsed.Pools {
		w.pools[name] = pool.Members
		for _, addr := range pool.Members {
			w.known[addr] = w.known[addr] || len(pool.Checks) > 0
		}
	}
	for zone := range parsed.Zones {
		w.zone = zone + "."
	}
}

// fail makes exactly these members down, and returns once the server answers accordingly.
func (w *world) fail(t *testing.T, down ...netip.Addr) {
	t.Helper()
	w.mu.Lock()
	for addr := range w.known {
		w.down[addr] = slices.Contains(down, addr)
	}
	w.mu.Unlock()
	w.settle(t)
}

// downNow lists who is down.
func (w *world) downNow() []netip.Addr {
	w.mu.Lock()
	defer w.mu.Unlock()
	var down []netip.Addr
	for addr := range w.known {
		if w.down[addr] {
			down = append(down, addr)
		}
	}
	return down
}

// settle waits until the status of every member is what its server has been told.
func (w *world) settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, parts.Until(ctx, "the server knows who is down", func(ctx context.Context) error {
		var status struct {
			Targets []struct {
				ID, Status string
				Turning    bool
			}
		}
		if err := w.gslb.Status(ctx, &status); err != nil {
			return err
		}
		seen := 0
		for _, target := range status.Targets {
			_, text, _ := strings.Cut(target.ID, "@")
			addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
			if err != nil {
				return err
			}
			seen++
			if want := map[bool]string{false: "up", true: "down"}[w.isDown(addr)]; target.Status != want || target.Turning {
				return fmt.Errorf("%s is %s (turning: %t)", target.ID, target.Status, target.Turning)
			}
		}
		for addr, probed := range w.known {
			if probed {
				seen--
			} else if w.isDown(addr) {
				return fmt.Errorf("%v is to be down, but has no check", addr)
			}
		}
		if seen != 0 {
			return fmt.Errorf("the server has %d targets more than the configuration", seen)
		}
		return nil
	}))
}

// addresses returns those of a pool, or the one that is written.
func (w *world) addresses(word string) ([]netip.Addr, error) {
	if addrs, ok := w.pools[word]; ok {
		return addrs, nil
	}
	if addr, err := netip.ParseAddr(word); err == nil {
		return []netip.Addr{addr}, nil
	}
	return nil, fmt.Errorf("%q is neither a pool nor an address", word)
}

// poolOf is the pool whose addresses are all that is in a reply.
func (w *world) poolOf(t *testing.T, r reply) string {
	t.Helper()
	for name, members := range w.pools {
		for _, member := range members {
			if len(r.addrs) == 1 && r.addrs[0] == member {
				return name
			}
		}
	}
	t.Fatalf("%v is the answer of no pool", r)
	return ""
}

// reload replaces the configuration, and returns once it is the live one. The server would find out by
// itself, but later.
func (w *world) reload(t *testing.T, config string) {
	t.Helper()
	hash := w.config(t).Hash
	w.write(t, config)
	w.gslb.Signal(syscall.SIGHUP)
	w.awaitConfig(t, "the new configuration is live", func(c liveConfig) bool { return c.Hash != hash })
	w.settle(t)
}

// liveConfig is what /api/status says of the configuration.
type liveConfig struct {
	Hash            string
	LastReloadError string `json:"last_reload_error"`
}

func (w *world) config(t *testing.T) liveConfig {
	t.Helper()
	var status struct{ Config liveConfig }
	must(t, w.gslb.Status(t.Context(), &status))
	return status.Config
}

func (w *world) awaitConfig(t *testing.T, what string, is func(liveConfig) bool) {
	t.Helper()
	w.await(t, time.Minute, what, func() error {
		if c := w.config(t); !is(c) {
			return fmt.Errorf("it is %+v", c)
		}
		return nil
	})
}

// await waits until something holds.
func (w *world) await(t *testing.T, within time.Duration, what string, try func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	must(t, parts.Until(ctx, what, func(context.Context) error { return try() }))
}
