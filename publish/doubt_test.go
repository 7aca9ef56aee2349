package publish

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gslb/health"
	"gslb/safety"
)

// A rule that begins is told once, with the targets that it holds, and so is its end.
func TestDoubtIsToldAndMeasured(t *testing.T) {
	set := parse(t, twoPools)
	registry := prometheus.NewRegistry()
	d := newDoubter(safety.Memory{}, registry)
	now := noon
	up := health.State{Status: health.Up}
	raw := health.NewSnapshot(now, map[health.TargetID]health.State{"web@203.0.113.10": up, "web@198.51.100.10": up})
	judge := func() []Event {
		t.Helper()
		judgement := d.judge(set, nil, raw, now)
		events := d.changes(judgement.Doubt, now)
		for rule, want := range map[string]int{safety.Blind: 0, safety.Suspect: len(judgement.Doubt.Targets)} {
			if got := testutil.ToFloat64(d.held.WithLabelValues(rule)); got != float64(want) {
				t.Errorf("%v targets are held by rule %s, want %d", got, rule, want)
			}
		}
		if active := testutil.ToFloat64(d.active.WithLabelValues(safety.Suspect)) == 1; active != (judgement.Doubt.Rule != "") {
			t.Errorf("the rule is measured as active: %t", active)
		}
		return events
	}
	if events := judge(); len(events) > 0 {
		t.Fatalf("events: %+v", events[0])
	}

	now = now.Add(time.Minute)
	down := health.State{Status: health.Down, Hearing: &health.Hearing{Began: now.Add(-time.Second), Silent: now.Add(-3 * time.Second)}}
	raw = raw.With(now, map[health.TargetID]health.State{"web@203.0.113.10": down, "web@198.51.100.10": down})
	events := judge()
	if len(events) != 1 || events[0].Hold == nil {
		t.Fatalf("events: %+v", events)
	}
	hold := events[0].Hold
	if hold.Rule != safety.Suspect || hold.Over || len(hold.Targets) != 2 || !hold.Until.Equal(now.Add(time.Minute)) || hold.Why == "" {
		t.Errorf("the beginning is told as %+v", hold)
	}
	if events := judge(); len(events) > 0 {
		t.Errorf("it is told again: %+v", events[0].Hold)
	}

	now = now.Add(time.Minute)
	if events := judge(); len(events) != 1 || !events[0].Hold.Over || len(events[0].Hold.Targets) != 2 {
		t.Errorf("the end is told as %+v", events)
	}
}

// The guard knows the addresses of aliases, and those that a reload brings.
func TestGuardedTargets(t *testing.T) {
	set := parse(t, twoPools)
	if got := guarded(set, nil); len(got) != 2 || got[0].Place == "" {
		t.Errorf("targets: %+v", got)
	}
	if cap(guarded(set, nil)) != len(set.Targets) {
		t.Error("an append would write into the configuration")
	}
}
