package follow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gslb/alias"
	"gslb/health"
	"gslb/zones"
)

// world is a Follower whose hosts and probes do as a test says.
type world struct {
	t *testing.T
	*Follower
	set     *zones.Set
	monitor *health.Monitor
	log     strings.Builder // to be read when all is quiet

	mu      sync.Mutex
	hosts   map[string]alias.Host
	found   chan struct{}
	hanging map[string]bool // addresses whose probes hang
	odd     map[string]bool // and that no probe can be made for

	reserved int
}

const lb = "lb.example."

// aliasPool is a pool whose alias is a host, with a check for each address.
func aliasPool(name, host, check string) *zones.Pool {
	return &zones.Pool{Name: name, Alias: host, MinUp: zones.Quorum{Count: 1}, Checks: []zones.MemberCheck{{
		Name: check,
		Target: func(addr netip.Addr) (health.Target, error) {
			return health.Target{
				Check: check, Subject: addr.String(), Spec: &health.TCP{Address: addr.String()}, Fingerprint: check,
				Interval: 5 * time.Second, FastInterval: time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3,
			}, nil
		},
	}}}
}

func newWorld(t *testing.T, pools ...*zones.Pool) *world {
	w := &world{
		t: t, set: &zones.Set{Pools: pools}, hosts: map[string]alias.Host{}, found: make(chan struct{}, 1),
		hanging: map[string]bool{}, odd: map[string]bool{},
	}
	w.monitor = health.NewMonitor(health.MonitorOptions{Make: w.make})
	w.hosts[lb] = alias.Host{Awaited: true, Why: "not looked up yet"}
	var err error
	w.Follower, err = New(Options{
		Set: w.set, Watcher: w, Monitor: w.monitor, Reserve: w.reserve,
		Logger: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{w.monitor.Run, w.Follower.Run} {
		running.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); running.Wait() })
	return w
}

func (w *world) reserve(targets int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reserved = targets
}

func (w *world) make(target health.Target) (health.Probe, error) {
	address := target.Spec.(*health.TCP).Address
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.odd[address] {
		return nil, errors.New("no roots")
	}
	return func(ctx context.Context) health.Result {
		w.mu.Lock()
		hanging := w.hanging[address]
		w.mu.Unlock()
		if hanging {
			<-ctx.Done()
			return health.Result{Verdict: health.Fail, Reason: "timeout"}
		}
		time.Sleep(100 * time.Millisecond)
		return health.Result{Verdict: health.Pass, Reason: "ok"}
	}, nil
}

// These make it a [Watcher].
func (w *world) Add([]string)                            {}
func (w *world) Retain([]string)                         {}
func (w *world) Ask([]netip.AddrPort)                    {}
func (w *world) Settle()                                 {}
func (w *world) Changed() <-chan struct{}                { return w.found }
func (w *world) Wait(context.Context, []string) []string { return nil }
func (w *world) Take() *alias.Addresses {
	w.mu.Lock()
	defer w.mu.Unlock()
	hosts := map[string]alias.Host{}
	for name, host := range w.hosts {
		hosts[name] = host
	}
	return alias.NewAddresses(hosts)
}

// mark adds an address to those of a kind.
func (w *world) mark(kind map[string]bool, address string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kind[address] = true
}

// find has a host resolve to some addresses.
func (w *world) find(name string, addresses ...string) {
	host := alias.Host{Status: alias.Resolved}
	for _, text := range addresses {
		host.Addresses = append(host.Addresses, netip.MustParseAddr(text))
	}
	if len(addresses) == 0 {
		host = alias.Host{Status: alias.Absent, Why: "NXDOMAIN"}
	}
	w.mu.Lock()
	w.hosts[name] = host
	w.mu.Unlock()
	poke(w.found)
}

// expect compares what may be answered, and what is probed. So many targets must be reserved.
func (w *world) expect(answered, probed string) {
	w.t.Helper()
	synctest.Wait()
	host := w.current.Load().Of(lb)
	got := fmt.Sprint(host.Addresses)
	if host.Awaited {
		got = "awaited " + got
	}
	var ids []string
	for _, r := range w.monitor.Reports() {
		ids = append(ids, string(r.Target.ID))
	}
	if got != answered || strings.Join(ids, " ") != probed {
		w.t.Errorf("answered %s, probed %v; want %s, %s", got, ids, answered, probed)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reserved != len(ids) {
		w.t.Errorf("%d targets are reserved, and %d probed", w.reserved, len(ids))
	}
}

// publishes takes what is current, as the publisher does.
func (w *world) publishes() {
	w.Follower.Take()
	synctest.Wait()
}

// A load balancer gets other addresses, all at once. The old ones are answered, and probed, until there
// are verdicts on the new ones.
func TestNewAddressesAreProbedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, aliasPool("nyc", lb, "web"))
		w.expect("awaited []", "")
		w.find(lb, "192.0.2.1", "192.0.2.2")
		w.expect("awaited []", "web@192.0.2.1 web@192.0.2.2")
		time.Sleep(time.Second)
		w.expect("[192.0.2.1 192.0.2.2]", "web@192.0.2.1 web@192.0.2.2")
		select {
		case <-w.Follower.Changed():
		default:
			t.Error("the publisher is not told")
		}
		w.publishes()

		w.find(lb, "198.51.100.1")
		w.expect("[192.0.2.1 192.0.2.2]", "web@192.0.2.1 web@192.0.2.2 web@198.51.100.1")
		time.Sleep(time.Second)
		// The publisher has not taken it yet, and may look at the old ones once more.
		w.expect("[198.51.100.1]", "web@192.0.2.1 web@192.0.2.2 web@198.51.100.1")
		w.publishes()
		w.expect("[198.51.100.1]", "web@198.51.100.1")

		// One that stays keeps its verdicts.
		before := w.monitor.Reports()[0].State.Since
		w.find(lb, "198.51.100.1", "198.51.100.2")
		time.Sleep(time.Second)
		w.publishes()
		w.expect("[198.51.100.1 198.51.100.2]", "web@198.51.100.1 web@198.51.100.2")
		if since := w.monitor.Reports()[0].State.Since; !since.Equal(before) {
			t.Errorf("it is up since %s, not %s", since, before)
		}

		// Without addresses there is nothing to wait for.
		w.find(lb)
		w.expect("[]", "web@198.51.100.1 web@198.51.100.2")
		w.publishes()
		w.expect("[]", "")
	})
}

// A new address whose probe hangs is waited for as long as the probe may take; others are not.
func TestNewAddressThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const other = "other.example."
		w := newWorld(t, aliasPool("ams", other, "web"), aliasPool("nyc", lb, "web"))
		w.find(lb, "192.0.2.1")
		time.Sleep(time.Second)
		w.mark(w.hanging, "192.0.2.2")
		w.find(lb, "192.0.2.2")
		synctest.Wait()
		w.find(other, "192.0.2.7")
		time.Sleep(time.Second)
		w.expect("[192.0.2.1]", "web@192.0.2.1 web@192.0.2.2 web@192.0.2.7")
		if got := w.current.Load().Of(other).Addresses; len(got) != 1 {
			t.Errorf("the other host has %v", got)
		}
		time.Sleep(2 * time.Second)
		w.expect("[192.0.2.2]", "web@192.0.2.1 web@192.0.2.2 web@192.0.2.7")
		w.publishes()
		w.expect("[192.0.2.2]", "web@192.0.2.2 web@192.0.2.7")

		// What changes again while it is waited for is forgotten.
		w.mark(w.hanging, "192.0.2.3")
		w.find(lb, "192.0.2.3")
		synctest.Wait()
		w.find(lb, "192.0.2.2", "192.0.2.4")
		time.Sleep(time.Second)
		w.expect("[192.0.2.2 192.0.2.4]", "web@192.0.2.2 web@192.0.2.3 web@192.0.2.4 web@192.0.2.7")
		w.publishes()
		w.expect("[192.0.2.2 192.0.2.4]", "web@192.0.2.2 web@192.0.2.4 web@192.0.2.7")
	})
}

// Addresses that change faster than they are probed replace the old ones nevertheless, and not later
// than one that hangs.
func TestNewAddressesThatKeepChanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, aliasPool("nyc", lb, "web"))
		w.find(lb, "192.0.2.1")
		time.Sleep(time.Second)
		w.expect("[192.0.2.1]", "web@192.0.2.1")
		for i := range 4 {
			address := fmt.Sprintf("198.51.100.%d", i+1)
			w.mark(w.hanging, address)
			w.find(lb, address)
			time.Sleep(time.Second)
		}
		w.publishes()
		if got := fmt.Sprint(w.current.Load().Of(lb).Addresses); got == "[192.0.2.1]" {
			t.Errorf("%s is answered, which the host had four seconds ago, although probes end within two", got)
		}
	})
}

// What it costs to take in what was found of many hosts grows with them, not with the square of their
// number: the first answers wait for it.
func TestManyHosts(t *testing.T) {
	const many, most = 1000, 16 << 10 // hosts, and bytes of memory for each
	var pools []*zones.Pool
	for i := range many {
		pools = append(pools, &zones.Pool{Name: fmt.Sprint("pool", i), Alias: fmt.Sprintf("lb%d.example.", i)})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, pools...)
		synctest.Wait()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w.mu.Lock()
		for _, pool := range pools {
			w.hosts[pool.Alias] = alias.Host{Status: alias.Resolved, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}
		}
		w.mu.Unlock()
		poke(w.found)
		synctest.Wait()
		runtime.ReadMemStats(&after)
		for _, pool := range pools {
			if got := w.current.Load().Of(pool.Alias).Addresses; len(got) != 1 {
				t.Fatalf("%s is answered with %v", pool.Alias, got)
			}
		}
		if took := (after.TotalAlloc - before.TotalAlloc) / many; took > most {
			t.Errorf("%d bytes were needed for each host; want at most %d", took, most)
		}
	})
}

// Addresses that cannot be probed do not replace those that serve.
func TestNewAddressThatCannotBeProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, aliasPool("nyc", lb, "web"))
		w.mark(w.odd, "192.0.2.9")
		w.find(lb, "192.0.2.9")
		w.expect("[]", "") // and nobody waits for it
		w.find(lb, "192.0.2.1")
		time.Sleep(time.Second)
		w.publishes()
		w.find(lb, "192.0.2.9", "192.0.2.2")
		time.Sleep(time.Minute)
		w.expect("[192.0.2.1]", "web@192.0.2.1")
		if !strings.Contains(w.log.String(), "no roots") {
			t.Errorf("the log: %s", w.log.String())
		}
	})
}

// Two pools share the targets of a host, and a target that is configured stays when no host has its
// address any longer.
func TestSharedTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, aliasPool("ams", lb, "web"), aliasPool("nyc", lb, "web"))
		target, err := w.set.Pools[0].Apply(netip.MustParseAddr("192.0.2.1"))
		if err != nil {
			t.Fatal(err)
		}
		next := &zones.Set{Pools: w.set.Pools, Targets: target}
		if _, err := w.Join(next); err != nil {
			t.Fatal(err)
		}
		if err := w.monitor.Add(target, nil); err != nil {
			t.Fatal(err)
		}
		w.Keep(next)
		w.find(lb, "192.0.2.1", "192.0.2.2")
		time.Sleep(time.Second)
		w.publishes()
		w.expect("[192.0.2.1 192.0.2.2]", "web@192.0.2.1 web@192.0.2.2")
		w.find(lb, "192.0.2.3")
		time.Sleep(time.Second)
		w.publishes()
		w.expect("[192.0.2.3]", "web@192.0.2.1 web@192.0.2.3")
	})
}

// The next configuration has another check for the host, and a host of its own; it is kept, or refused.
func TestAliasesOfTheNextConfiguration(t *testing.T) {
	for _, refused := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			const other = "other.example."
			w := newWorld(t, aliasPool("nyc", lb, "web"))
			w.find(lb, "192.0.2.1")
			time.Sleep(time.Second)
			w.publishes()

			next := &zones.Set{Pools: []*zones.Pool{aliasPool("ams", other, "web"), aliasPool("nyc", lb, "table")}}
			w.mu.Lock()
			w.hosts[other] = alias.Host{Awaited: true}
			w.mu.Unlock()
			added, err := w.Join(next)
			if err != nil || !slices.Equal(added, []health.TargetID{"table@192.0.2.1"}) {
				t.Errorf("%v, %v", added, err)
			}
			w.find(other, "192.0.2.7")
			if missing := w.Follower.Wait(t.Context(), next); len(missing) > 0 {
				t.Errorf("missing: %v", missing)
			}
			w.expect("[192.0.2.1]", "table@192.0.2.1 web@192.0.2.1 web@192.0.2.7")
			if host := w.current.Load().Of(other); host.Awaited || len(host.Addresses) != 1 {
				t.Errorf("the new host is %+v", host)
			}
			if refused {
				w.Keep(w.set)
				w.publishes()
				w.expect("[192.0.2.1]", "web@192.0.2.1")
				return
			}
			w.publishes()
			w.Keep(next)
			w.expect("[192.0.2.1]", "table@192.0.2.1 web@192.0.2.7")
			w.Keep(&zones.Set{})
			w.publishes()
			w.expect("[]", "")
		})
	}
}

// A start waits for the first addresses and their verdicts, but not beyond its bound.
func TestFirstAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, aliasPool("nyc", lb, "web"))
		if got := w.Awaited(); !slices.Equal(got, []string{lb}) {
			t.Errorf("awaited: %v", got)
		}
		w.mark(w.hanging, "192.0.2.1")
		w.find(lb, "192.0.2.1")
		bounded, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		w.Follower.Wait(bounded, w.set)
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %s", took)
		}
		w.expect("[192.0.2.1]", "web@192.0.2.1")
		if got := w.Awaited(); len(got) > 0 {
			t.Errorf("awaited: %v", got)
		}
	})
}
