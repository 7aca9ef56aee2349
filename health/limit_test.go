package health

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// limited runs a monitor with a bound on the probes at once.
func limited(t *testing.T, w *world, most int, targets []Target) (*Monitor, *lines) {
	l := new(lines)
	m := NewMonitor(MonitorOptions{Make: w.make, Logger: l.logger()})
	m.Limit(most)
	mustAdd(t, m, targets, nil)
	run(t, m)
	return m, l
}

func TestMostProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, targets := newWorld(), newTargets(1000)
		for _, target := range targets {
			w.set(target.ID, slowly(100*time.Millisecond, pass))
		}
		m, log := limited(t, w, 20, targets)
		begun, most, waited := time.Now(), 0, 0
		for time.Since(begun) < 5*time.Second {
			after(7 * time.Millisecond)
			flying, waiting := m.load()
			most, waited = max(most, flying), max(waited, waiting)
		}
		if most != 20 || waited == 0 {
			t.Errorf("%d probes were under way at once, want 20; %d waited", most, waited)
		}
		// 20 at a time, 100 ms each: all have been probed after five seconds.
		after(100 * time.Millisecond)
		for _, target := range targets {
			if n := w.probed(target.ID); n < 1 || n > 2 {
				t.Fatalf("%s was probed %d times", target.ID, n)
			}
		}
		after(time.Minute)
		for _, target := range targets { // they take turns
			if n := w.probed(target.ID); n < 11 || n > 14 {
				t.Errorf("%s was probed %d times in 65 s", target.ID, n)
			}
		}
		if found := log.take("probes come late"); len(found) != 2 || !strings.Contains(found[0], "probes=20") {
			t.Errorf("want it said once a minute: %q", found)
		}
	})
}

func TestALimitThatIsLifted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, targets := newWorld(), newTargets(100)
		for _, target := range targets {
			w.set(target.ID, slowly(time.Second, pass))
		}
		m, _ := limited(t, w, 1, targets)
		after(500 * time.Millisecond)
		m.Limit(0)
		after(time.Millisecond)
		if flying, waiting := m.load(); flying != 100 || waiting != 0 {
			t.Errorf("%d are under way, %d wait", flying, waiting)
		}
	})
}

// Probes that never end hold up nobody, though there is a bound.
func TestMostProbesDoesNotCountTheOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		w, targets := newWorld(), newTargets(20)
		for _, target := range targets[:5] {
			w.set(target.ID, deaf(release))
		}
		limited(t, w, 5, targets)
		after(time.Minute)
		for _, target := range targets[5:] {
			if n := w.probed(target.ID); n < 10 {
				t.Errorf("%s was probed %d times in a minute", target.ID, n)
			}
		}
	})
}

// What waits for its turn may be forgotten, or changed, before it comes.
func TestWhatWaitsMayChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, targets := newWorld(), newTargets(3)
		for _, target := range targets {
			w.set(target.ID, slowly(time.Second, pass))
		}
		m, _ := limited(t, w, 1, targets)
		after(500 * time.Millisecond)
		m.Retain(targets[:2])
		targets[1].Fingerprint = "2"
		mustAdd(t, m, targets[:2], nil)
		after(20 * time.Second)
		if len(w.doubled) > 0 {
			t.Errorf("probed twice at once: %v", w.doubled)
		}
		for _, target := range targets[:2] {
			if n := w.probed(target.ID); n < 4 || n > 6 {
				t.Errorf("%s was probed %d times in 20 s", target.ID, n)
			}
		}
		if flying, waiting := m.load(); flying > 1 || waiting > 1 {
			t.Errorf("%d under way, %d wait", flying, waiting)
		}
	})
}

func TestStaleVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m, log := startLogged(t, w, newTarget("a"))
		after(20 * time.Second)
		w.set("a", nothing)
		stale := func() bool {
			t.Helper()
			snapshot, _ := m.Take()
			if r := reportOf(t, m, "a"); r.State != snapshot.State("a") {
				t.Errorf("%+v is reported of %+v", r.State, snapshot.State("a"))
			}
			return snapshot.State("a").Stale
		}
		after(12 * time.Second)
		if stale() {
			t.Error("stale after two intervals")
		}
		m.Take()
		after(13 * time.Second)
		if !ready(m) || !stale() {
			t.Error("not stale after three intervals, a timeout and another interval, or nobody is told")
		}
		after(10 * time.Minute)
		if found := log.take("level=WARN msg=\"verdict is stale"); len(found) != 1 || !strings.Contains(found[0], "status=up") {
			t.Errorf("said: %q", found)
		}
		w.set("a", fail)
		after(5 * time.Second)
		if stale() {
			t.Error("stale after a verdict")
		}
		if found := log.take("probe can judge again"); len(found) != 1 || !strings.Contains(found[0], "verdict=fail after=10m") {
			t.Errorf("said: %q", found)
		}
	})
}
