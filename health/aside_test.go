package health

import (
	"context"
	"slices"
	"testing"
	"time"
)

// A target that no pool depends on is not waited for at a start, and not asked when another fails.
func TestTargetAside(t *testing.T) {
	m := NewMonitor(MonitorOptions{Make: func(Target) (Probe, error) {
		return func(context.Context) Result { return Result{Verdict: Pass, Reason: "ok"} }, nil
	}})
	target := func(id TargetID, aside bool) Target {
		return Target{ID: id, Spec: &TCP{Address: string(id)}, Interval: time.Minute, Timeout: time.Second, Rise: 1, Fall: 3, Aside: aside}
	}
	if err := m.Add([]Target{target("web", false), target("beat", true)}, nil); err != nil {
		t.Fatal(err)
	}
	if got := m.Awaited(); !slices.Equal(got, []TargetID{"web"}) {
		t.Errorf("awaited are %v", got)
	}
	asked := m.newAround().some()
	if len(asked) != 1 || asked[0].id != "web" {
		t.Errorf("%d targets are asked", len(asked))
	}
}
