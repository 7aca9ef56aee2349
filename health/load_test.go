package health

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func reading(value float64) Result {
	return Result{Verdict: Pass, Reason: "ok", Notes: &Notes{Load: &Load{Value: value}}}
}

// What is told is the mean of the last three readings. Small changes are not told, and a missing reading is held.
func TestReadings(t *testing.T) {
	const none = -1
	missing := Result{Verdict: Fail, Reason: "timeout"}
	type step struct {
		result  Result
		told    float64
		changed bool
	}
	for name, steps := range map[string][]step{
		"a mean of three":      {{reading(90), 90, true}, {reading(30), 60, true}, {reading(30), 50, true}, {reading(30), 30, true}},
		"small changes":        {{reading(50), 50, true}, {reading(51), 50, false}, {reading(51), 50, false}, {reading(53), 51 + 2.0/3, true}},
		"from and to nothing":  {{reading(0), 0, true}, {reading(0), 0, false}, {reading(3), 1, true}},
		"held":                 {{reading(80), 80, true}, {missing, 80, false}, {missing, 80, false}, {missing, 80, false}, {missing, none, true}, {missing, none, false}, {reading(10), 10, true}},
		"none":                 {{missing, none, false}, {Result{Verdict: Pass, Notes: &Notes{Slow: true}}, none, false}},
		"an outage is no load": {{reading(80), 80, true}, {missing, 80, false}, {reading(80), 80, false}},
		"a share is another number": {{reading(80), 80, true},
			{Result{Verdict: Pass, Notes: &Notes{Load: &Load{Value: 40, Percent: true}}}, 40, true}},
	} {
		t.Run(name, func(t *testing.T) {
			target := newTarget("a")
			target.Feedback = LoadFeedback
			e := newEntry(&target, prober{})
			now := time.Unix(1e9, 0)
			for i, s := range steps {
				now = now.Add(target.Interval)
				changed := e.feed(s.result, now)
				told := float64(none)
				if e.state.Load != nil {
					told = e.state.Load.Value
				}
				if changed != s.changed || told != s.told {
					t.Fatalf("step %d: %v, %v, want %v, %v", i+1, told, changed, s.told, s.changed)
				}
			}
		})
	}
}

// Whether a number is a load or a weight is the configuration's matter, and may be another after a reload.
func TestFeedbackChanges(t *testing.T) {
	target := newTarget("a")
	e := newEntry(&target, prober{})
	for _, kind := range []Feedback{NoFeedback, LoadFeedback, WeightFeedback, NoFeedback} {
		next := target
		next.Feedback = kind
		e.target = &next
		for _, value := range []float64{80, 20} {
			e.feed(reading(value), time.Unix(1e9, 0))
		}
		switch load := e.state.Load; {
		case kind == NoFeedback && load != nil, kind != NoFeedback && (load == nil || load.Kind != kind || load.Value != 50):
			t.Errorf("with %d it is %+v", kind, load)
		}
	}
}

// Changes of loads alone are told together, once a second, however many targets there are; a change of status
// takes them along at once.
func TestLoadsAreToldTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var value atomic.Int64
		m := NewMonitor(MonitorOptions{Make: w.make})
		targets := newTargets(50)
		for i := range targets {
			targets[i].Feedback = LoadFeedback
			w.set(targets[i].ID, func(context.Context) Result { return reading(float64(value.Add(100))) })
		}
		mustAdd(t, m, targets, nil)
		run(t, m)
		m.Wait(t.Context(), []TargetID{targets[0].ID})
		time.Sleep(2 * targets[0].Interval)
		m.Take()
		began, told := time.Now(), 0
		for time.Since(began) < time.Minute {
			select {
			case <-m.Changed():
				m.Take()
				told++
			case <-time.After(time.Second):
			}
		}
		if told < 20 || told > 61 {
			t.Errorf("told %d times in a minute, want once a second at most", told)
		}
	})
}
