package health

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What is found beside a verdict is shown, and what a certificate was like stays known as long as no other is seen.
func TestNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(48 * time.Hour).Truncate(time.Second)
		renewed := until.Add(90 * 24 * time.Hour)
		var now Result
		w := newWorld()
		w.set("a", func(context.Context) Result { return now })
		registry := prometheus.NewPedanticRegistry()
		m := NewMonitor(MonitorOptions{Make: w.make, Registerer: registry})
		target := newTarget("a")
		target.Slow = Slow{After: time.Second}
		mustAdd(t, m, []Target{target}, nil)

		now = Result{Verdict: Pass, Reason: "ok", Notes: &Notes{Slow: true, Expires: until, Expiring: true}}
		run(t, m)
		slow := uint64(0)
		for _, step := range []struct {
			name     string
			result   Result
			expires  time.Time
			expiring bool
		}{
			{"seen", now, until, true},
			{"not reached", Result{Verdict: Fail, Reason: "timeout"}, until, true},
			{"not judged", Result{Verdict: Indeterminate, Reason: "local"}, until, true},
			{"refused for another reason", Result{Verdict: Fail, Reason: "tls", Notes: &Notes{Expires: renewed}}, renewed, false},
			{"expired", Result{Verdict: Fail, Reason: "tls", Notes: &Notes{Expires: until, Expiring: true}}, until, true},
			{"renewed", Result{Verdict: Pass, Reason: "ok", Notes: &Notes{Expires: renewed}}, renewed, false},
			{"no TLS any more", Result{Verdict: Pass, Reason: "ok"}, time.Time{}, false},
		} {
			now = step.result
			before := m.Reports()[0].Probes
			after(target.Interval + target.Timeout)
			r := m.Reports()[0]
			for v, n := range r.Probes {
				if now.Verdict == Verdict(v) && n == before[v] {
					t.Fatalf("%s: it was not probed", step.name)
				}
			}
			snapshot, _ := m.Take()
			if !r.Expires.Equal(step.expires) || r.State.Expiring.IsZero() == step.expiring || snapshot.State("a").Expiring.IsZero() == step.expiring {
				t.Errorf("%s: it expires at %v: %v, in the snapshot: %v; want %v, %t", step.name, r.Expires, r.State.Expiring, snapshot.State("a").Expiring, step.expires, step.expiring)
			}
			at, there := gauge(t, registry, "gslb_health_target_certificate_expires_timestamp_seconds", "a")
			if there == step.expires.IsZero() || there && at != float64(step.expires.Unix()) {
				t.Errorf("%s: the metric is %v, there: %t", step.name, at, there)
			}
			if step.name == "seen" {
				slow = r.Slow
			}
		}
		if got := m.Reports()[0].Slow; slow == 0 || got != slow {
			t.Errorf("%d probes were slow at first, and %d in all", slow, got)
		}
		if counted, _ := counter(t, registry, "gslb_health_slow_probes_total"); counted != float64(slow) {
			t.Errorf("%v slow probes are counted, want %d", counted, slow)
		}
	})
}

// counter is the sum of a counter over its labels.
func counter(t *testing.T, registry *prometheus.Registry, name string) (sum float64, there bool) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			for _, metric := range family.GetMetric() {
				sum, there = sum+metric.GetCounter().GetValue(), true
			}
		}
	}
	return sum, there
}
