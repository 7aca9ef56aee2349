package health

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// startMeasured runs a monitor over three targets, of which one passes, one fails and one
// cannot judge, and a fourth whose probe never ends, until each has been probed once.
func startMeasured(t *testing.T) *prometheus.Registry {
	w := newWorld()
	w.once("a", func(context.Context) Result {
		time.Sleep(30 * time.Millisecond)
		return Result{Verdict: Pass, Reason: "ok"}
	})
	w.once("b", fail)
	w.once("c", nothing)
	w.set("d", hang)
	targets := []Target{newTarget("a"), newTarget("b"), newTarget("c"), newTarget("d")}
	for i := range targets {
		targets[i].Timeout = 24 * time.Hour
	}
	targets[1].Check, targets[1].Spec = "table", &DynamoDB{}

	registry := prometheus.NewPedanticRegistry()
	m := NewMonitor(MonitorOptions{Make: w.make, Registerer: registry})
	mustAdd(t, m, targets, nil)
	run(t, m)
	after(time.Second)
	return registry
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := startMeasured(t)
		const want = `
# HELP gslb_health_probes_total Probes that have ended. Alert when the rate over all labels is 0 (nothing is probed), and on any rate of verdict="indeterminate" (the prober cannot judge: see reason and the log).
# TYPE gslb_health_probes_total counter
gslb_health_probes_total{check="table",kind="dynamodb",reason="refused",verdict="fail"} 1
gslb_health_probes_total{check="web",kind="tcp",reason="credentials",verdict="indeterminate"} 1
gslb_health_probes_total{check="web",kind="tcp",reason="ok",verdict="pass"} 1
# HELP gslb_health_target_probe_duration_seconds Time that the last probe of the target took; absent before the first.
# TYPE gslb_health_target_probe_duration_seconds gauge
gslb_health_target_probe_duration_seconds{check="table",target="b"} 0
gslb_health_target_probe_duration_seconds{check="web",target="a"} 0.03
gslb_health_target_probe_duration_seconds{check="web",target="c"} 0
# HELP gslb_health_target_status What is believed of the target: 1 up, 0 down, -1 unknown. Alert on 0, and on -1 that lasts longer than a start takes.
# TYPE gslb_health_target_status gauge
gslb_health_target_status{check="table",target="b"} 0
gslb_health_target_status{check="web",target="a"} 1
gslb_health_target_status{check="web",target="c"} -1
gslb_health_target_status{check="web",target="d"} -1
`
		err := testutil.GatherAndCompare(registry, strings.NewReader(want), "gslb_health_probes_total",
			"gslb_health_target_probe_duration_seconds", "gslb_health_target_status")
		if err != nil {
			t.Error(err)
		}
	})
}

// gauge is the value of a series that was scraped, by the value of its target label.
func gauge(t *testing.T, g prometheus.Gatherer, name, target string) (value float64, there bool) {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			var label string
			for _, l := range metric.GetLabel() {
				if l.GetName() == "target" {
					label = l.GetValue()
				}
			}
			if label == target {
				return metric.GetGauge().GetValue(), true
			}
		}
	}
	return 0, false
}

func TestAgeGrowsWhileProbesHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := startMeasured(t)
		const name = "gslb_health_target_age_seconds"
		first, there := gauge(t, registry, name, "b")
		if !there || first < 0.9 || first > 1 {
			t.Errorf("the age of b is %g, %t", first, there)
		}
		for _, id := range []string{"c", "d"} {
			if age, there := gauge(t, registry, name, id); there {
				t.Errorf("%s was never judged, but its age is %g", id, age)
			}
		}
		after(time.Hour)
		if age, _ := gauge(t, registry, name, "b"); age != first+3600 {
			t.Errorf("an hour after %g the age of b is %g", first, age)
		}
		if n, _ := gauge(t, registry, "gslb_health_probes_in_flight", ""); n != 4 {
			t.Errorf("%g probes are under way, want 4", n)
		}
	})
}

func TestMetricsAreWellFormed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		problems, err := testutil.GatherAndLint(startMeasured(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	})
}

func TestDurationsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		families, err := startMeasured(t).Gather()
		if err != nil {
			t.Fatal(err)
		}
		var count uint64
		var sum float64
		for _, family := range families {
			if family.GetName() == "gslb_health_probe_duration_seconds" {
				for _, metric := range family.GetMetric() {
					count += metric.GetHistogram().GetSampleCount()
					sum += metric.GetHistogram().GetSampleSum()
				}
			}
		}
		if count != 3 || sum != 0.03 {
			t.Errorf("%d probes took %gs, want 3 and 0.03s", count, sum)
		}
	})
}

// A verdict is stale by the clock of the scrape, whether any probe ends or not.
func TestStaleVerdictsShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("good", func(context.Context) Result { return Result{Verdict: Pass, Reason: "ok"} })
		w.set("mute", func(context.Context) Result { return Result{Verdict: Indeterminate, Reason: "local"} })
		registry := prometheus.NewPedanticRegistry()
		m := NewMonitor(MonitorOptions{Make: w.make, Registerer: registry})
		targets := []Target{newTarget("good"), newTarget("mute")}
		mustAdd(t, m, targets, nil)
		run(t, m)
		expect := func(when string, mute float64) {
			t.Helper()
			for id, want := range map[string]float64{"good": 0, "mute": mute} {
				if stale, there := gauge(t, registry, "gslb_health_target_stale", id); !there || stale != want {
					t.Errorf("%s: %s is stale: %g (there: %t), want %g", when, id, stale, there, want)
				}
			}
		}
		after(targets[0].StaleAfter() - time.Second)
		expect("before", 0)
		after(2 * time.Second)
		expect("after", 1)
	})
}

// What was counted of a check goes with its last target, whether a probe of it is under way or not, so that
// renaming checks for years does not make a scrape longer.
func TestMetricsOfForgottenChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		targets := []Target{newTarget("a"), newTarget("b"), newTarget("c"), newTarget("d")}
		for i, check := range []string{"kept", "kept", "gone", "gone"} {
			targets[i].Check, targets[i].Slow.After = check, time.Millisecond
		}
		w.set("d", func(context.Context) Result { // whatever becomes of it
			time.Sleep(newTarget("d").Timeout / 2)
			return Result{Verdict: Pass, Reason: "ok"}
		})
		registry := prometheus.NewPedanticRegistry()
		m := NewMonitor(MonitorOptions{Make: w.make, Registerer: registry})
		mustAdd(t, m, targets, nil)
		run(t, m)
		series := func() (kept, gone int) {
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				for _, s := range f.Metric {
					for _, l := range s.Label {
						kept += count(l.GetName() == "check" && l.GetValue() == "kept")
						gone += count(l.GetName() == "check" && l.GetValue() == "gone")
					}
				}
			}
			return kept, gone
		}
		after(time.Minute)
		if _, gone := series(); gone == 0 {
			t.Fatal("nothing is counted of the check that is about to go")
		}
		earlier := targets[2]
		earlier.Spec = &HTTP{} // as it was before a reload
		m.metrics.observe(&earlier, Result{Verdict: Pass, Reason: "ok"}, time.Second)
		m.Retain(targets[:1])
		after(time.Minute)
		if kept, gone := series(); gone != 0 || kept == 0 {
			t.Errorf("%d series of a check without a target, and %d of the other", gone, kept)
		}
	})
}

func count(is bool) int { return int(one(is)) }
