package publish

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gslb/answer"
	"gslb/health"
	"gslb/override"
	"gslb/steer"
	"gslb/zones"
)

// fakeWords is what a test says, as an override.Book has it.
type fakeWords struct {
	changed chan struct{}

	mu      sync.Mutex
	list    []override.Override
	changes []override.Change
}

func (f *fakeWords) Changed() <-chan struct{} { return f.changed }

func (f *fakeWords) Take() (*override.Words, []override.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changes := f.changes
	f.changes = nil
	return override.NewWords(f.list), changes
}

// say puts an override, or with gone takes it back, and does not wait.
func (f *fakeWords) say(o override.Override, gone bool) {
	f.mu.Lock()
	var kept []override.Override
	for _, other := range f.list {
		if other.ID() != o.ID() {
			kept = append(kept, other)
		}
	}
	if !gone {
		kept = append(kept, o)
	}
	f.list = kept
	f.changes = append(f.changes, override.Change{Override: o, Gone: gone, By: o.By, At: time.Now()})
	f.mu.Unlock()
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// A person's word is served and told of, and so is its end.
func TestPublisherFollowsWords(t *testing.T) {
	perform(t, func(th *theatre) {
		th.forget()
		drain := override.Override{Kind: override.Drain, Pool: "nyc", By: "me", Reason: "new kernel"}
		th.words.say(drain, false)
		th.expect(t, "198.51.100.10", "override drain/nyc, gone false", "answer nyc→ams app.gslb.example.com.")
		force := override.Override{Kind: override.Force, Pool: "ams", Status: health.Down, By: "me", Reason: "no power"}
		th.words.say(force, false)
		th.expect(t, "198.51.100.10", "override force/ams, gone false", "pool ams up→down", "answer ams→ams app.gslb.example.com.")
		th.words.say(drain, true)
		th.expect(t, "203.0.113.10", "override drain/nyc, gone true", "answer ams→nyc app.gslb.example.com.")
		pin := override.Override{Kind: override.Pin, Name: "app.gslb.example.com.", Pool: "ams", Anyway: true, By: "me", Reason: "a test"}
		th.words.say(pin, false)
		th.expect(t, "198.51.100.10", "override pin/app.gslb.example.com., gone false", "answer nyc→ams app.gslb.example.com.")
		for rule, want := range map[string][2]float64{steer.Drain: {0, 1}, steer.Pin: {1, 1}, steer.FailoverAfter: {0, 0}} {
			if held, began := testutil.ToFloat64(th.rules.held.WithLabelValues(rule)), testutil.ToFloat64(th.rules.began.WithLabelValues(rule)); held != want[0] || began != want[1] {
				t.Errorf("rule %s: %v decisions are held, and %v began to be, want %v", rule, held, began, want)
			}
		}
		if words := th.Words(); words.Pin(pin.Name) == nil || words.Pool("ams").Force == nil {
			t.Errorf("served: %v", words.All())
		}
	})
}

// Settle returns when what was said before is served, without waiting for the publisher to notice.
func TestSettle(t *testing.T) {
	rehearse(t, func(th *theatre, set *zones.Set) {
		if err := th.Settle(context.Background()); err != nil {
			t.Fatalf("before the first configuration: %v", err)
		}
		if err := th.Use(context.Background(), set); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			for _, gone := range []bool{false, true} {
				th.words.say(override.Override{Kind: override.Drain, Pool: "nyc"}, gone)
				if err := th.Settle(context.Background()); err != nil {
					t.Fatal(err)
				}
				if drained := th.Words().Pool("nyc") != nil; drained == gone || th.Table().Pools()[1].Drained() != drained {
					t.Fatalf("drained: %t", drained)
				}
			}
		}
	})
	ended, end := context.WithCancel(t.Context())
	end()
	idle := New(Options{Registerer: prometheus.NewRegistry()})
	if err := idle.Settle(ended); err == nil {
		t.Error("a publisher that does not run settles")
	}
}

// fourNames has names that are steered alike, one of which is steered so by views in a later text.
const fourNames = `
[zones."gslb.example.com".names.more]
pools = ["nyc", "ams"]
failback_after = "1m"
[zones."gslb.example.com".names.other]
pools = ["nyc", "ams"]
failback_after = "1m"
`

// A name that is pinned is told of by itself, and no event about the others has it, over a reload too.
func TestEventsOfPinnedNames(t *testing.T) {
	perform(t, func(th *theatre) {
		use := func(text string) {
			t.Helper()
			if err := th.Use(context.Background(), parse(t, text)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		use(twoPools + fourNames)
		th.forget()
		expect := func(what string, heard ...string) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(heard, th.forget()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		pin := override.Override{Kind: override.Pin, Name: "app.gslb.example.com.", Pool: "ams", Reason: "a test"}
		th.words.say(pin, false)
		expect("pinned", "override pin/app.gslb.example.com., gone false", "answer nyc→ams app.gslb.example.com.")
		th.health.turn("web@203.0.113.10", health.Down)
		expect("the others move", "target web@203.0.113.10 down", "pool nyc up→down", "answer nyc→ams more.gslb.example.com.")
		th.health.turn("web@203.0.113.10", health.Up)
		expect("the pool is back", "target web@203.0.113.10 up", "pool nyc down→up")
		time.Sleep(time.Minute)
		expect("the others return", "answer ams→nyc more.gslb.example.com.")
		th.health.turn("web@198.51.100.10", health.Down)
		expect("the pinned pool fails", "target web@198.51.100.10 down", "pool ams up→down after 1m0s", "answer ams→nyc app.gslb.example.com.")
		th.health.turn("web@198.51.100.10", health.Up)
		expect("and is back", "target web@198.51.100.10 up", "pool ams down→up", "answer nyc→ams app.gslb.example.com.")

		use(strings.ReplaceAll(twoPools+fourNames, `"1m"`, `"2m"`))
		expect("a reload that changes nothing for it", "config")
		use(strings.ReplaceAll(twoPools+fourNames, `["nyc", "ams"]`, `["ams", "nyc"]`))
		expect("a reload that moves the others", "config", "answer nyc→ams more.gslb.example.com.")
		use(twoPools + fourNames)
		expect("and back", "config", "answer ams→nyc more.gslb.example.com.")
		th.words.mu.Lock()
		th.words.list = nil
		th.words.mu.Unlock()
		use(strings.ReplaceAll(twoPools+fourNames, `"1m"`, `"3m"`))
		expect("a reload as the pin ends", "config", "answer ams→nyc app.gslb.example.com.")
	})
}

// A rule that waits for a person is told of when it begins to hold a pool, and when it ends.
func TestHoldsAreTold(t *testing.T) {
	var h holds
	set := parse(t, twoPools+fourNames)
	table := func(held ...string) *answer.Table {
		out := decided(set, steer.Memory{})
		for i := range out.Decisions {
			d := *out.Decisions[i]
			for j, rule := range held {
				d.Held = append(d.Held, steer.Hold{Rule: rule, Pool: "nyc", Since: noon, Until: noon.Add(time.Duration(j) * time.Minute)})
			}
			out.Decisions[i] = &d
		}
		return answer.Compile(set, out.Pools, out.Decisions)
	}
	for _, step := range []struct {
		held []string
		want []string
	}{
		{nil, nil},
		{[]string{steer.FailbackAfter}, nil},
		{[]string{steer.Velocity, steer.FailbackManual}, []string{"failback_manual nyc false 2026-01-02 12:01", "velocity nyc false 2026-01-02 12:00"}},
		{[]string{steer.Velocity}, []string{"failback_manual nyc true 0001-01-01 00:00"}},
		{[]string{steer.Velocity}, nil},
		{nil, []string{"velocity nyc true 0001-01-01 00:00"}},
	} {
		next := table(step.held...)
		var got []string
		for _, e := range h.changes(next, everything(next)) {
			if e.Hold.Why == "" != e.Hold.Over {
				t.Errorf("%+v", e.Hold)
			}
			over := "false"
			if e.Hold.Over {
				over = "true"
			}
			got = append(got, strings.Join([]string{e.Hold.Rule, e.Hold.Pools[0], over, e.Hold.Until.Format("2006-01-02 15:04")}, " "))
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", step.held, diff)
		}
	}
}
