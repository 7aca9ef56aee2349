package publish

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gslb/answer"
	"gslb/health"
	"gslb/server/dnstest"
	"gslb/steer"
	"gslb/zones"
	reader "gslb/zones/config"
)

const twoPools = `
[server]
listen = ["127.0.0.1:0"]
[checks.web]
type = "tcp"
address = "{address}:80"
[pools.nyc]
members = ["203.0.113.10"]
checks = ["web"]
[pools.ams]
members = ["198.51.100.10"]
checks = ["web"]
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
[zones."gslb.example.com".names.app]
pools = ["nyc", "ams"]
failback_after = "1m"
`

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// parse makes a configuration from its text.
func parse(t testing.TB, text string) *zones.Set {
	t.Helper()
	set, err := reader.Parse([]byte(text), "zones.toml", reader.LoadOptions{Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// fakeHealth is a health source that a test moves by hand.
type fakeHealth struct {
	changed chan struct{}

	mu          sync.Mutex
	set         *zones.Set
	down        map[health.TargetID]bool
	awaited     map[health.TargetID]bool
	transitions []health.Transition
}

func newFakeHealth(set *zones.Set) *fakeHealth {
	return &fakeHealth{changed: make(chan struct{}, 1), set: set, down: map[health.TargetID]bool{}}
}

func (f *fakeHealth) Changed() <-chan struct{} { return f.changed }

func (f *fakeHealth) Take() (*health.Snapshot, []health.Transition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	states := make(map[health.TargetID]health.State)
	for _, target := range f.set.Targets {
		states[target.ID] = health.State{Status: health.Up, Since: noon, Cause: health.Result{Verdict: health.Pass, Reason: "ok"}}
		if f.down[target.ID] {
			states[target.ID] = health.State{Status: health.Down, Since: noon, Cause: health.Result{Verdict: health.Fail, Reason: "status"}}
		}
		if f.awaited[target.ID] {
			states[target.ID] = health.State{Status: health.Up, Since: noon, Awaited: true}
		}
	}
	transitions := f.transitions
	f.transitions = nil
	return health.NewSnapshot(noon, states), transitions
}

// turn makes a target down or up, and tells.
func (f *fakeHealth) turn(id health.TargetID, to health.Status) {
	f.mu.Lock()
	delete(f.down, id)
	if to == health.Down {
		f.down[id] = true
	}
	f.transitions = append(f.transitions, health.Transition{Target: health.Target{ID: id}, To: to})
	f.mu.Unlock()
	f.changed <- struct{}{}
}

// theatre is a publisher at work, and what its listener heard.
type theatre struct {
	*Publisher
	health *fakeHealth
	words  *fakeWords
	copies *fakeCopies

	mu    sync.Mutex
	heard []string
}

// perform plays on a publisher that serves twoPools.
func perform(t *testing.T, play func(*theatre)) {
	rehearse(t, func(th *theatre, set *zones.Set) {
		if err := th.Use(context.Background(), set); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		play(th)
	})
}

// rehearse plays on a publisher that serves nothing yet.
func rehearse(t *testing.T, play func(*theatre, *zones.Set)) {
	synctest.Test(t, func(t *testing.T) {
		set := parse(t, twoPools)
		th := &theatre{health: newFakeHealth(set), words: &fakeWords{changed: make(chan struct{}, 1)}, copies: &fakeCopies{changed: make(chan struct{}, 1)}}
		th.Publisher = New(Options{
			Health: th.health, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
			Words: th.words, Copies: th.copies, Listeners: []func([]Event){th.listen},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- th.Run(ctx) }()
		if th.Table() != nil {
			t.Error("a table before the first configuration")
		}
		play(th, set)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := th.Use(ctx, set); err == nil {
			t.Error("Use after the end reports no error")
		}
	})
}

func (th *theatre) listen(events []Event) {
	th.mu.Lock()
	defer th.mu.Unlock()
	for _, e := range events {
		if e.At.After(time.Now()) || th.Table().Published().Before(e.At) {
			th.heard = append(th.heard, "told before it was served")
		}
		switch {
		case e.Override != nil:
			th.heard = append(th.heard, fmt.Sprintf("override %s, gone %t", e.Override.ID(), e.Override.Gone))
		case e.Copy != nil:
			th.heard = append(th.heard, fmt.Sprintf("copy %s %s→%s", e.Copy.ID(), e.Copy.From.Condition, e.Copy.To.Condition))
		case e.Hold != nil:
			th.heard = append(th.heard, fmt.Sprintf("hold %s %v, over %t", e.Hold.Rule, e.Hold.Pools, e.Hold.Over))
		case e.Config != nil:
			th.heard = append(th.heard, "config")
		case e.Target != nil:
			th.heard = append(th.heard, fmt.Sprintf("target %s %s", e.Target.Target.ID, e.Target.To))
		case e.Pool != nil:
			heard := fmt.Sprintf("pool %s %s→%s", e.Pool.To.Pool.Name, e.Pool.From, e.Pool.To.Status)
			if e.Pool.Lasted > 0 {
				heard += " after " + e.Pool.Lasted.String()
			}
			th.heard = append(th.heard, heard)
		case e.Answer != nil:
			th.heard = append(th.heard, fmt.Sprintf("answer %s→%s %s", e.Answer.From.PoolName(), e.Answer.To.PoolName(), e.Answer.Names[0].Name))
		}
	}
}

// expect compares what was heard since the last time, and what is answered now.
func (th *theatre) expect(t *testing.T, address string, heard ...string) {
	t.Helper()
	synctest.Wait()
	r := dnstest.Lookup(t, th.Table(), "app.gslb.example.com.", dns.TypeA)
	if len(r.Answer) != 1 || !strings.HasSuffix(r.Answer[0].String(), "\t"+address) {
		t.Errorf("answered %v, want %s", r.Answer, address)
	}
	if diff := cmp.Diff(heard, th.forget()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// forget returns what was heard, and begins anew.
func (th *theatre) forget() []string {
	th.mu.Lock()
	defer th.mu.Unlock()
	heard := th.heard
	th.heard = nil
	return heard
}

func TestPublisherFollowsHealth(t *testing.T) {
	perform(t, func(th *theatre) {
		th.expect(t, "203.0.113.10", "config", "pool ams unknown→up", "pool nyc unknown→up", "answer →nyc app.gslb.example.com.")
		th.health.turn("web@203.0.113.10", health.Down)
		th.expect(t, "198.51.100.10", "target web@203.0.113.10 down", "pool nyc up→down", "answer nyc→ams app.gslb.example.com.")
		time.Sleep(5 * time.Second)
		th.health.turn("web@203.0.113.10", health.Up)
		th.expect(t, "198.51.100.10", "target web@203.0.113.10 up", "pool nyc down→up after 5s")
	})
}

// What depends on no verdict is answered before there is one, and of the rest what is decided.
func TestBegin(t *testing.T) {
	rehearse(t, func(th *theatre, set *zones.Set) {
		const nyc, ams = "web@203.0.113.10", "web@198.51.100.10"
		th.health.awaited = map[health.TargetID]bool{nyc: true, ams: true}
		if err := th.Begin(context.Background(), set); err != nil {
			t.Fatal(err)
		}
		expect := func(when string, kind answer.Kind, mode steer.Mode, pool string) {
			t.Helper()
			synctest.Wait()
			if r := dnstest.Lookup(t, th.Table(), "ns1.gslb.example.com.", dns.TypeA); len(r.Answer) != 1 {
				t.Errorf("%s: static data is answered with %+v", when, r)
			}
			if got := dnstest.Kind(t, th.Table(), "app.gslb.example.com.", dns.TypeA); got != kind {
				t.Errorf("%s: the steered name is of kind %d, want %d", when, got, kind)
			}
			if d := th.Table().Decisions()[0]; d.Mode != mode || d.PoolName() != pool {
				t.Errorf("%s: decided for %s %q, want %s %q", when, d.Mode, d.PoolName(), mode, pool)
			}
			if heard := th.forget(); len(heard) > 0 {
				t.Errorf("%s: told %q", when, heard)
			}
		}
		expect("at first", answer.Pending, steer.Pending, "")
		delete(th.health.awaited, ams)
		th.health.turn(ams, health.Up)
		expect("the second pool is up", answer.Pending, steer.Pending, "")
		delete(th.health.awaited, nyc)
		th.health.turn(nyc, health.Down)
		expect("the first pool is down", answer.Positive, steer.Normal, "ams")

		if err := th.Use(context.Background(), set); err != nil {
			t.Fatal(err)
		}
		th.expect(t, "198.51.100.10", "config", "target "+ams+" up", "target "+nyc+" down",
			"pool ams unknown→up", "pool nyc unknown→down", "answer →ams app.gslb.example.com.")
		th.health.turn(nyc, health.Up)
		synctest.Wait()
		time.Sleep(time.Minute)
		th.expect(t, "203.0.113.10", "target "+nyc+" up", "pool nyc down→up", "answer ams→nyc app.gslb.example.com.")
	})
}

// What a configuration adds is probed before it is used, and told of with it.
func TestChangesOfTargetsWaitForTheirConfiguration(t *testing.T) {
	perform(t, func(th *theatre) {
		th.forget()
		const sfo, old = "web@192.0.2.10", "web@203.0.113.10"
		th.health.turn(sfo, health.Up)
		th.expect(t, "203.0.113.10")
		th.health.turn(old, health.Down)
		th.expect(t, "198.51.100.10", "target "+old+" down", "pool nyc up→down", "answer nyc→ams app.gslb.example.com.")
		th.health.turn(sfo, health.Down)
		th.health.turn("web@192.0.2.99", health.Down) // of a configuration that is never used
		th.expect(t, "198.51.100.10")

		more := parse(t, strings.Replace(twoPools, `[pools.nyc]`, "[pools.sfo]\nmembers = [\"192.0.2.10\"]\nchecks = [\"web\"]\n[pools.nyc]", 1)+
			"[zones.\"gslb.example.com\".names.another]\npools = [\"sfo\"]\n")
		th.health.mu.Lock()
		th.health.set = more
		th.health.mu.Unlock()
		if err := th.Use(context.Background(), more); err != nil {
			t.Fatal(err)
		}
		th.expect(t, "198.51.100.10", "config", "target "+sfo+" down", "pool sfo unknown→down", "answer →sfo another.gslb.example.com.")
		if len(th.untold) > 0 {
			t.Errorf("kept: %v", th.untold)
		}
	})
}

// Nothing but time passes, and yet the preferred pool is returned to.
func TestPublisherRevisitsInTime(t *testing.T) {
	perform(t, func(th *theatre) {
		th.health.turn("web@203.0.113.10", health.Down)
		synctest.Wait()
		th.health.turn("web@203.0.113.10", health.Up)
		synctest.Wait()
		th.forget()
		time.Sleep(time.Minute - time.Nanosecond)
		th.expect(t, "198.51.100.10")
		time.Sleep(time.Nanosecond)
		th.expect(t, "203.0.113.10", "answer ams→nyc app.gslb.example.com.")
	})
}

func TestPublisherTakesAnotherConfiguration(t *testing.T) {
	perform(t, func(th *theatre) {
		th.forget()
		turned := parse(t, strings.Replace(twoPools, `pools = ["nyc", "ams"]`, `pools = ["ams", "nyc"]`, 1))
		if err := th.Use(context.Background(), turned); err != nil {
			t.Fatal(err)
		}
		th.expect(t, "198.51.100.10", "config", "answer nyc→ams app.gslb.example.com.")
		if th.Table().Set() != turned {
			t.Error("the table is of another configuration")
		}
	})
}

// A configuration over which the publisher panics is refused, and nothing is lost by it: what
// was served is, and what health told meanwhile is still told.
func TestPublisherRefusesWhatItPanicsOver(t *testing.T) {
	perform(t, func(th *theatre) {
		th.forget()
		served := th.Table().Set()
		poisoned := parse(t, strings.Replace(twoPools, `"1m"`, `"2m"`, 1))
		poisoned.Routes[0].Tiers[1].Shares[0].Pool = nil
		th.health.mu.Lock()
		th.health.transitions = []health.Transition{{Target: health.Target{ID: "web@203.0.113.10"}, To: health.Down}}
		th.health.down["web@203.0.113.10"] = true
		th.health.mu.Unlock()
		if err := th.Use(context.Background(), poisoned); err == nil || !strings.Contains(err.Error(), "a fault of this program") {
			t.Errorf("got %v, want a fault of this program", err)
		}
		th.expect(t, "198.51.100.10", "target web@203.0.113.10 down", "pool nyc up→down", "answer nyc→ams app.gslb.example.com.")
		if th.Table().Set() != served {
			t.Error("the table is of another configuration")
		}
		if err := th.Use(context.Background(), parse(t, twoPools)); err != nil {
			t.Errorf("the next configuration: %v", err)
		}
	})
}

// What steering remembers is saved when its revision is another: that must follow every change,
// and a publication that changes nothing must not move it.
func TestMemoryRevision(t *testing.T) {
	perform(t, func(th *theatre) {
		remembered, revision := th.Memory(), th.MemoryRevision()
		expect := func(after string, another bool) {
			t.Helper()
			synctest.Wait()
			if is := th.MemoryRevision() != revision; is != another {
				t.Errorf("%s: another revision: %t, want %t", after, is, another)
			}
			if is := !cmp.Equal(th.Memory(), remembered, cmpopts.EquateComparable(netip.Addr{}), cmpopts.IgnoreUnexported(steer.Memory{})); is != another {
				t.Errorf("%s: another memory: %t, want %t", after, is, another)
			}
			remembered, revision = th.Memory(), th.MemoryRevision()
		}
		if revision == 0 {
			t.Error("the first publication left the revision that stands for an earlier run's memory")
		}
		th.health.turn("web@203.0.113.10", health.Up)
		expect("a pool that was up is up", false)
		th.health.turn("web@203.0.113.10", health.Down)
		expect("a pool fails", true)
		th.health.turn("web@203.0.113.10", health.Up)
		expect("it recovers", true)
		time.Sleep(time.Minute - time.Nanosecond)
		expect("before failback_after", false)
		time.Sleep(time.Nanosecond)
		expect("failback_after", true)
		if err := th.Use(context.Background(), parse(t, strings.Replace(twoPools, `"1m"`, `"2m"`, 1))); err != nil {
			t.Fatal(err)
		}
		expect("a reload", true)
	})
}

// A listener that hangs must not keep an answer from changing.
func TestPublisherDoesNotWaitForListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := parse(t, twoPools)
		source := newFakeHealth(set)
		hang := make(chan struct{})
		p := New(Options{
			Health: source, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
			Listeners: []func([]Event){func([]Event) { <-hang }},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		if err := p.Use(ctx, set); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			source.turn("web@203.0.113.10", health.Down)
			synctest.Wait()
			source.turn("web@203.0.113.10", health.Up)
			synctest.Wait()
		}
		source.turn("web@203.0.113.10", health.Down)
		synctest.Wait()
		if d := p.Table().Decisions()[0]; d.PoolName() != "ams" {
			t.Errorf("answers %s, want ams", d.PoolName())
		}
		close(hang)
		cancel()
		<-done
	})
}

func TestMetricNames(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	newMetrics(registry).observe(noon, noon.Add(time.Millisecond))
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

// TestAlive has the publishing goroutine hang: Alive says so as long as it does.
func TestAlive(t *testing.T) {
	set := parse(t, twoPools)
	source := newFakeHealth(set)
	p := New(Options{Health: source, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	if err := p.Alive(ctx); err != nil {
		t.Errorf("before the first configuration: %v", err)
	}
	if err := p.Use(ctx, set); err != nil {
		t.Fatal(err)
	}
	table := p.Table()
	if err := p.Alive(ctx); err != nil || p.Table() != table {
		t.Errorf("Alive returns %v, or something was published", err)
	}
	source.mu.Lock()
	source.changed <- struct{}{} // it has been taken as soon as there is room for another
	source.changed <- struct{}{}
	bounded, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := p.Alive(bounded); err == nil {
		t.Error("Alive returns although the publisher hangs")
	}
	source.mu.Unlock()
	if err := p.Alive(ctx); err != nil {
		t.Errorf("when it goes on: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
