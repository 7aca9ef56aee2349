package state

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/health"
	"gslb/replication"
	"gslb/steer"
)

// A pool has recovered half an hour before the end of a run. However the clock stands when the
// next one begins, that is not forgotten, and is never longer ago than the clocks can tell.
func TestClockBetweenRuns(t *testing.T) {
	ended := noon
	kept := State{
		Targets: []health.Record{{ID: "web@a", Status: health.Up, Since: ended.Add(-time.Hour), Judged: ended.Add(-2 * time.Second)}},
		Memory: steer.Memory{Pools: map[string]steer.PoolMemory{
			"nyc": {Status: health.Up, Since: ended.Add(-30 * time.Minute), Recovered: ended.Add(-30 * time.Minute)},
			"ams": {Status: health.Up, Since: ended.Add(-24 * time.Hour)},
		}},
	}
	const second = time.Second
	for _, test := range []struct {
		name      string
		begun     time.Duration // of the next run after the end of this one, by its clock
		recovered time.Duration // how long ago, in the next run
		fresh     bool
	}{
		{"at once", 0, 30 * time.Minute, true},
		{"after a minute", time.Minute, 31 * time.Minute, true},
		{"after an hour", time.Hour, 90 * time.Minute, false},
		{"the clock was set back by a second", -second, 30*time.Minute - second, true},
		{"the clock was set back by an hour", -time.Hour, 30*time.Minute - 2*second, false},
		{"the clock has never been set", -50 * 365 * 24 * time.Hour, 30*time.Minute - 2*second, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := ended.Add(test.begun)
			memory := kept.At(now).Memory
			if got := now.Sub(memory.Pools["nyc"].Recovered); got != test.recovered {
				t.Errorf("it recovered %s ago, want %s", got, test.recovered)
			}
			if p := memory.Pools["ams"]; !p.Recovered.IsZero() {
				t.Errorf("a pool that has never recovered has at %s", p.Recovered)
			}
			if _, fresh := kept.Fresh(now, 5*time.Minute)["web@a"]; fresh != test.fresh {
				t.Errorf("the verdict is fresh: %t, want %t", fresh, test.fresh)
			}
		})
	}
}

// What is taken over is measured by the monotonic clock, which nobody sets; what is kept is not.
func TestClockOfARun(t *testing.T) {
	now := time.Now()
	kept := State{
		Targets: []health.Record{{ID: "a", Status: health.Up, Since: now.Add(-time.Hour).Round(0), Judged: now.Add(-time.Minute).Round(0)}},
		Memory: steer.Memory{
			Pools: map[string]steer.PoolMemory{"nyc": {
				Since: now.Add(-time.Hour).Round(0), Recovered: now.Add(-time.Hour).Round(0), Fell: now.Add(-time.Hour).Round(0),
				Degraded: now.Add(-time.Hour).Round(0), CaughtUp: now.Add(-time.Hour).Round(0),
			}},
			Routes: map[string]steer.RouteMemory{"k": {Gone: map[string]time.Time{"nyc": now.Add(-time.Hour).Round(0)}}, "other": {}},
		},
	}
	kept.Copies = replication.Memory{"orders": {"a": {Good: now.Add(-time.Hour).Round(0), Since: now.Add(-time.Hour).Round(0)}}}
	taken, copies := kept.At(now).Memory, kept.At(now).Copies
	record := kept.Fresh(now, time.Hour)["a"]
	for name, at := range map[string]time.Time{
		"Memory.Since": taken.Pools["nyc"].Since, "Memory.Recovered": taken.Pools["nyc"].Recovered,
		"Memory.Fell": taken.Pools["nyc"].Fell, "Memory.Degraded": taken.Pools["nyc"].Degraded,
		"Memory.CaughtUp": taken.Pools["nyc"].CaughtUp, "Memory.Gone": taken.Routes["k"].Gone["nyc"],
		"Copies.Since": copies["orders"]["a"].Since, "Copies.Good": copies["orders"]["a"].Good,
		"Record.Since": record.Since, "Record.Judged": record.Judged,
	} {
		if !strings.Contains(at.String(), " m=") {
			t.Errorf("%s goes by the wall clock: %s", name, at)
		}
	}
	if diff := cmp.Diff(kept.Memory, Decided{Memory: taken}.Kept(now).Memory, compareStates); diff != "" {
		t.Errorf("kept again (-was +is):\n%s", diff)
	}
	if at := (Decided{Copies: copies}).Kept(now).Copies["orders"]["a"].Good; strings.Contains(at.String(), " m=") || !at.Equal(now.Add(-time.Hour)) {
		t.Errorf("%s is kept of a copy", at)
	}
	again := Decided{Memory: taken}.Kept(now).Memory
	if at := again.Routes["k"].Gone["nyc"]; strings.Contains(at.String(), " m=") || kept.Memory.Routes["k"].Gone["nyc"] != at {
		t.Errorf("%s is kept, or the memory was changed that it is made of", at)
	}
	if at := again.Pools["nyc"].Recovered; strings.Contains(at.String(), " m=") {
		t.Errorf("%s is kept", at)
	}
	// Had the clock been set on by an hour since, the saved time would go with it.
	set := now.Round(0).Add(time.Hour)
	if got := set.Sub(moved(taken, now, set).Pools["nyc"].Recovered); got != time.Hour {
		t.Errorf("after the clock was set it recovered %s ago", got)
	}
}

func TestClock(t *testing.T) {
	since := time.Now()
	if got := Clock(since, since.Add(time.Hour)); got != 0 {
		t.Errorf("a clock that nobody has set was set by %s", got)
	}
	// Without a monotonic reading there is nothing to tell it by.
	if got := Clock(since.Round(0), since.Add(time.Hour).Round(0)); got != 0 {
		t.Errorf("%s", got)
	}
}
