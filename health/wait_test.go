package health

import (
	"cmp"
	"context"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

func TestWait(t *testing.T) {
	slow := func(context.Context) Result {
		time.Sleep(time.Second)
		return Result{Verdict: Fail, Reason: "status"}
	}
	for _, test := range []struct {
		name    string
		timeout time.Duration // of b; zero: as ever
		probes  map[TargetID]Probe
		prior   map[TargetID]Record
		ids     []TargetID
		missing []TargetID
		about   time.Duration // how long it waits, rounded
	}{
		{name: "nobody"},
		{name: "pass and fail are answers", probes: map[TargetID]Probe{"a": pass, "b": slow},
			ids: []TargetID{"a", "b"}, about: time.Second},
		{name: "a timeout is one", probes: map[TargetID]Probe{"a": hang}, ids: []TargetID{"a", "b"}, about: 2 * time.Second},
		{name: "indeterminate is one", probes: map[TargetID]Probe{"a": nothing}, ids: []TargetID{"a", "b"}},
		{name: "who is not asked for does not matter", probes: map[TargetID]Probe{"a": hang}, ids: []TargetID{"b"}},
		{name: "an earlier run's word is none", probes: map[TargetID]Probe{"a": slow},
			prior: map[TargetID]Record{"a": {Fingerprint: "1", Status: Up}}, ids: []TargetID{"a"}, about: time.Second},
		{name: "the context ends it", timeout: time.Minute, probes: map[TargetID]Probe{"b": hang},
			ids: []TargetID{"a", "b", "c"}, missing: []TargetID{"b"}, about: 5 * time.Second},
		{name: "who is not there is not waited for", ids: []TargetID{"a", "nobody"}, missing: []TargetID{"nobody"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				for id, probe := range test.probes {
					w.set(id, probe)
				}
				m := NewMonitor(MonitorOptions{Make: w.make})
				a, b, c := newTarget("a"), newTarget("b"), newTarget("c")
				b.Timeout = cmp.Or(test.timeout, b.Timeout)
				mustAdd(t, m, []Target{a, b, c}, test.prior)
				run(t, m)

				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				begun := time.Now()
				missing := m.Wait(ctx, test.ids)
				if diff := gocmp.Diff(test.missing, missing); diff != "" {
					t.Errorf("missing (-want +got):\n%s", diff)
				}
				if took := time.Since(begun).Round(10 * time.Millisecond); took != test.about {
					t.Errorf("it waited %s, want %s", took, test.about)
				}
				after(time.Second) // what pays no heed to its context ends
			})
		})
	}
}

func TestWaitEndsWhenTheTargetGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("a", hang)
		m := start(t, w, newTarget("a"))
		missing := make(chan []TargetID, 1)
		go func() { missing <- m.Wait(t.Context(), []TargetID{"a"}) }()
		after(time.Second)
		m.Retain(nil)
		after(0)
		select {
		case got := <-missing:
			if !gocmp.Equal(got, []TargetID{"a"}) {
				t.Errorf("missing: %v", got)
			}
		default:
			t.Error("it waits for a target that is gone")
		}
	})
}
