//go:build integration

package probing

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"gslb/integration/parts"
)

// The schedule of the checks, and by when a dead region is left: see health's schedule.
const (
	blindInterval = time.Second
	blindFast     = 200 * time.Millisecond
	blindTimeout  = 300 * time.Millisecond
	blindHold     = 2 * time.Second

	blindBound = blindInterval + 2*max(blindFast, blindTimeout) + blindTimeout
	// blindLag is what the query and the firewall's command add, and blindBusy a busy machine.
	blindLag  = 250 * time.Millisecond
	blindBusy = 6 * time.Second
)

// uplink is a prober's host whose link to the regions is another than that by which it is asked.
type uplink struct {
	*testing.T
	ctx  context.Context
	host *parts.Host

	nyc, ams, eye netip.Addr
}

func newUplink(ctx context.Context, t *testing.T) *uplink {
	network := parts.NetworkForTest(t)
	host, err := network.AddHost(ctx, "ns")
	must(t, err)
	u := &uplink{t, ctx, host, netip.MustParseAddr("10.54.1.11"), netip.MustParseAddr("10.54.1.12"), netip.MustParseAddr("10.54.1.99")}
	u.inside("ip link add up1 type veth peer name up0 netns " + strconv.Itoa(unix.Gettid()))
	u.outside("ip addr add 10.54.0.1/24 dev up0")
	for _, addr := range []netip.Addr{u.nyc, u.ams, u.eye} {
		u.outside("ip addr add " + addr.String() + "/32 dev up0")
		listener, err := net.Listen("tcp", netip.AddrPortFrom(addr, 8080).String())
		must(t, err)
		target := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
		go target.Serve(listener)
		t.Cleanup(func() { target.Close() })
	}
	u.outside("ip link set up0 up")
	u.inside("ip addr add 10.54.0.2/24 dev up1")
	u.up()
	return u
}

func (u *uplink) run(output func(context.Context, string, ...string) (string, error), line string) {
	u.Helper()
	words := strings.Fields(line)
	if words[0] == "nft" {
		words = []string{"nft", strings.TrimPrefix(line, "nft ")}
	}
	if out, err := output(u.ctx, words[0], words[1:]...); err != nil {
		u.Fatalf("%v: %s", err, out)
	}
}

func (u *uplink) inside(line string)  { u.Helper(); u.run(u.host.Output, line) }
func (u *uplink) outside(line string) { u.Helper(); u.run(parts.Output, line) }

func (u *uplink) up() {
	u.inside("ip link set up1 up")
	u.inside("ip route replace 10.54.1.0/24 via 10.54.0.1")
}

// drop has the host receive nothing from some addresses.
func (u *uplink) drop(from string) {
	u.inside("nft add table netdev cut; add chain netdev cut in { type filter hook ingress device up1 priority 0; }; add rule netdev cut in ip saddr " + from + " drop")
}

func (u *uplink) pass() { u.inside("nft delete table netdev cut") }

// serve starts a server on the host. safety is the [safety] table.
func (u *uplink) serve(number int, safety string) *parts.GSLB {
	listen := netip.AddrPortFrom(u.host.IPv4, uint16(5300+number))
	admin := netip.AddrPortFrom(u.host.IPv4, uint16(8050+number))
	dir := u.TempDir()
	config := filepath.Join(dir, "zones.toml")
	check := fmt.Sprintf("interval = %q\nfast_interval = %q\ntimeout = %q\nfall = 3\nrise = 2\n", blindInterval, blindFast, blindTimeout)
	eye := ""
	if strings.Contains(safety, "vantage") {
		eye = fmt.Sprintf("[checks.eye]\ntype = \"tcp\"\naddress = \"%v:8080\"\n%s", u.eye, check)
	}
	must(u.T, os.WriteFile(config, fmt.Appendf(nil, `
[server]
listen    = ["%v"]
state_dir = %q
[admin]
listen = "%v"
[safety]
%s
%s
[checks.web]
type = "http"
url  = "http://{address}:8080/"
%s
[pools]
nyc = { members = ["%v"], checks = ["web"] }
ams = { members = ["%v"], checks = ["web"] }
[zones."x.example"]
nameservers = { ns1 = ["192.0.2.1"] }
names.n     = { pools = ["nyc", "ams"], failback_after = "30s" }
`, listen, filepath.Join(dir, "var"), admin, safety, eye, check, u.nyc, u.ams), 0o644))
	server, err := u.host.StartGSLB(u.ctx, parts.GSLBConfig{Name: fmt.Sprint("gslb", number), Zones: config, Listen: listen, Admin: admin})
	must(u.T, err)
	return server
}

// watch is everything that a server answers from its beginning on.
type watch struct {
	server *parts.GSLB
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu   sync.Mutex
	seen []answered
}

type answered struct {
	at   time.Time
	what string
}

func (u *uplink) watch(server *parts.GSLB) *watch {
	ctx, cancel := context.WithCancel(u.ctx)
	w := &watch{server: server, stop: cancel}
	w.done.Go(func() {
		for ctx.Err() == nil {
			if reply, err := parts.Ask(ctx, server.Listen, "n.x.example", dns.TypeA); err == nil {
				w.see(fmt.Sprint(parts.Addresses(reply.Answer)))
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	u.Cleanup(func() { cancel(); w.done.Wait() })
	return w
}

func (w *watch) see(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.seen); n == 0 || w.seen[n-1].what != what {
		w.seen = append(w.seen, answered{time.Now(), what})
	}
}

// changes is what was answered since the last call, each once.
func (w *watch) changes() []answered {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := slices.Clone(w.seen)
	w.seen = w.seen[len(w.seen)-1:]
	return seen
}

// TestBlindProber cuts the network of the prober's host in every way that it can fail, for longer than
// the statuses are held, and brings it back: no answer moves, with a vantage and without, not even if
// the server is started again meanwhile. Then a region dies alone: it is left within the bound.
func TestBlindProber(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	u := newUplink(ctx, t)
	suspect := u.serve(1, fmt.Sprintf("suspect_hold = %q", blindHold))
	vantage := u.serve(2, `vantage = ["eye"]`)
	restarted := u.serve(4, fmt.Sprintf("suspect_hold = %q", blindHold))
	watches := map[string]*watch{}
	for name, server := range map[string]*parts.GSLB{"suspect": suspect, "vantage": vantage, "restarted": restarted} {
		watches[name] = u.watch(server)
	}
	unmoved := func(when string) {
		t.Helper()
		for name, w := range watches {
			if changes := w.changes(); len(changes) != 1 || changes[0].what != fmt.Sprint([]netip.Addr{u.nyc}) {
				t.Errorf("%s: %s answered %v, want nyc alone", when, name, changes)
			}
		}
	}
	must(t, parts.Until(ctx, "all answer", func(context.Context) error {
		for _, w := range watches {
			w.mu.Lock()
			n := len(w.seen)
			w.mu.Unlock()
			if n == 0 {
				return fmt.Errorf("%s does not yet", w.server.Name())
			}
		}
		return nil
	}))

	for _, fault := range []struct {
		name       string
		cut, mend  func()
		isIndirect bool // the host itself sees nothing wrong
	}{
		{"black hole", func() { u.drop("10.54.0.0/16") }, u.pass, true},
		{"gateway gone", func() { u.outside("ip addr del 10.54.0.1/24 dev up0"); u.inside("ip neigh flush dev up1") },
			func() { u.outside("ip addr add 10.54.0.1/24 dev up0") }, true},
		{"link down", func() { u.inside("ip link set up1 down") }, u.up, false},
		{"no carrier", func() { u.outside("ip link set up0 down") }, func() { u.outside("ip link set up0 up"); u.up() }, false},
		{"no route", func() { u.inside("ip route del 10.54.1.0/24") }, u.up, false},
	} {
		began, lasts := time.Now(), blindBound
		fault.cut()
		if fault.isIndirect {
			lasts += blindHold + blindLag
			for _, server := range []*parts.GSLB{suspect, vantage} {
				_, err := server.AwaitLog(ctx, "that it does not believe its probes", disbeliefAfter(began))
				must(t, err)
			}
			must(t, restarted.Restart(ctx))
		}
		time.Sleep(time.Until(began.Add(lasts)))
		unmoved(fault.name)
		fault.mend()
		time.Sleep(blindHold + blindLag) // what is up shows it sooner
		unmoved(fault.name + ", mended")
	}

	// One that believes its probes whatever they say is as fast, and no faster.
	watches["trusting"] = u.watch(u.serve(3, `suspect_share = "0%"`))
	delete(watches, "restarted")
	must(t, parts.Until(ctx, "the last answers nyc", func(context.Context) error {
		watches["trusting"].mu.Lock()
		defer watches["trusting"].mu.Unlock()
		if seen := watches["trusting"].seen; len(seen) != 1 || seen[0].what != fmt.Sprint([]netip.Addr{u.nyc}) {
			return fmt.Errorf("it answers %v", seen)
		}
		return nil
	}))
	began := time.Now()
	u.drop(u.nyc.String())
	for name, w := range watches {
		must(t, parts.Until(ctx, name+" leaves the dead region", func(context.Context) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if last := w.seen[len(w.seen)-1]; last.what == fmt.Sprint([]netip.Addr{u.ams}) {
				t.Logf("%s: left %s after it died", name, last.at.Sub(began))
				if last.at.Sub(began) > blindBound+blindLag+blindBusy {
					t.Errorf("%s: it was left after %s, want %s at most", name, last.at.Sub(began), blindBound)
				}
				return nil
			}
			return fmt.Errorf("it answers %s", w.seen[len(w.seen)-1].what)
		}))
	}
	// Blindness would be over before the bound with its slack is.
	for _, server := range []*parts.GSLB{suspect, vantage} {
		lines, err := server.LogLines()
		must(t, err)
		if at := slices.IndexFunc(lines, disbeliefAfter(began)); at >= 0 {
			t.Errorf("%s did not believe its probes when a region died alone: %v", server.Name(), lines[at])
		}
	}
	u.pass()
}

// disbeliefAfter finds the line of a server that does not believe its probes, after a time.
func disbeliefAfter(began time.Time) func(parts.LogLine) bool {
	return func(l parts.LogLine) bool {
		at, err := time.Parse(time.RFC3339Nano, l.Text("time"))
		return err == nil && at.After(began) && strings.HasPrefix(l.Text("msg"), "probes are not believed")
	}
}
