package health

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAddChangesNothingOnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := NewMonitor(MonitorOptions{Make: refusing(w.make, map[TargetID]error{
			"web@b": errNoRoots,
			"web@d": errors.New("bad pattern"),
		})})
		mustAdd(t, m, []Target{newTarget("web@a")}, nil)
		run(t, m)
		after(time.Second)
		m.Take()

		other := newTarget("web@a")
		other.Fingerprint = "2"
		err := m.Add([]Target{other, newTarget("web@b"), newTarget("web@c"), newTarget("web@d")}, nil)
		if !errors.Is(err, errNoRoots) {
			t.Errorf("the Maker's error is lost in: %v", err)
		}
		const want = "target \"web@b\": no certificate in roots.pem\ntarget \"web@d\": bad pattern"
		if err == nil || err.Error() != want {
			t.Errorf("Add: %v\nwant %s", err, want)
		}
		after(time.Minute)
		if got := idsOfReports(m); !cmp.Equal(got, []TargetID{"web@a"}) {
			t.Errorf("after an error there are %v", got)
		}
		if r := reportOf(t, m, "web@a"); r.Target.Fingerprint != "1" || r.Restored {
			t.Errorf("after an error the target is another: %+v", r)
		}
		if _, transitions := m.Take(); len(transitions) > 0 {
			t.Errorf("transitions: %v", transitions)
		}
	})
}

func idsOfReports(m *Monitor) (ids []TargetID) {
	for _, r := range m.Reports() {
		ids = append(ids, r.Target.ID)
	}
	return ids
}

func TestAddRefusesWhatCannotBeScheduled(t *testing.T) {
	m := NewMonitor(MonitorOptions{Make: newWorld().make})
	bad := newTarget("a")
	bad.Interval, bad.Timeout, bad.Spec = 0, -time.Second, nil
	err := m.Add([]Target{bad, newTarget("b"), newTarget("b")}, nil)
	want := strings.Join([]string{
		`target "a": has no spec to probe by`,
		`target "a": interval is 0s, must be more than 0s`,
		`target "a": timeout is -1s, must be more than 0s`,
		`target "b": given twice`,
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("Add: %v\nwant %s", err, want)
	}
	if n := len(m.Reports()); n != 0 {
		t.Errorf("%d targets were added", n)
	}
}

func TestAddKeepsWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := start(t, w, newTarget("a"))
		after(20 * time.Second)
		w.set("a", fail)
		before := reportOf(t, m, "a")
		for ; !before.State.Turning; before = reportOf(t, m, "a") {
			after(100 * time.Millisecond)
		}

		changed := newTarget("a")
		changed.Fall = before.Streak + 1
		mustAdd(t, m, []Target{changed}, map[TargetID]Record{
			"a": {ID: "a", Fingerprint: "1", Status: Down}, // the monitor knows better
		})
		if got := reportOf(t, m, "a"); got.State != before.State || got.Streak != before.Streak || got.Restored {
			t.Errorf("a reload made %+v of %+v", got, before)
		}
		if w.made["a"] != 1 {
			t.Errorf("the probe was made %d times", w.made["a"])
		}
		after(time.Second)
		if r := reportOf(t, m, "a"); r.State.Status != Down {
			t.Errorf("by the new fall it should be down, with the next fail: %+v", r)
		}
	})
}

func TestAddShortensTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, targets := newWorld(), newTargets(200)
		for i := range targets {
			targets[i].Interval = time.Hour
		}
		m := start(t, w, targets...)
		after(24 * time.Hour)
		for i := range targets {
			targets[i].Interval = 5 * time.Second
		}
		begun := time.Now()
		mustAdd(t, m, targets, nil)
		after(5 * time.Second)

		early := 0
		for _, target := range targets {
			spans := w.spans(target.ID)
			i := slices.IndexFunc(spans, func(s span) bool { return !s.start.Before(begun) })
			if i < 0 {
				t.Errorf("%s still waits by its old interval", target.ID)
			} else if spans[i].start.Sub(begun) < time.Second {
				early++
			}
		}
		if early > 80 {
			t.Errorf("%d of %d were probed in the first of five seconds: a burst", early, len(targets))
		}
	})
}

func TestAddShortensTheWaitOfATurningTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		target := newTarget("a")
		target.Interval, target.FastInterval = time.Hour, time.Hour
		m := start(t, w, target)
		after(3 * time.Hour)
		w.set("a", fail)
		for reportOf(t, m, "a").Streak == 0 {
			after(time.Minute)
		}
		target.FastInterval = time.Second
		mustAdd(t, m, []Target{target}, nil)
		after(time.Second)
		if r := reportOf(t, m, "a"); r.State.Status != Down {
			t.Errorf("it still waits by its old fast interval: %+v", r)
		}
	})
}

func TestAddReplacesTheProbe(t *testing.T) {
	for _, test := range []struct {
		name   string
		status Status
		probe  Probe // the new one's
		want   Status
		streak int
	}{
		{"what was up stays up", Up, pass, Up, 0},
		{"what was up and fails is on its way down", Up, fail, Up, 1},
		{"what was down needs every pass", Down, pass, Down, 1},
		{"what was down stays down", Down, fail, Down, 0},
		{"what cannot judge changes nothing", Up, nothing, Up, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.set("a", always(verdictFor(test.status), "before"))
				m := start(t, w, newTarget("a"))
				after(10 * time.Second)
				before := reportOf(t, m, "a").State
				m.Take()

				other := newTarget("a")
				other.Fingerprint = "2"
				w.set("a", test.probe)
				mustAdd(t, m, []Target{other}, nil)
				if r := reportOf(t, m, "a"); r.State != before || r.Restored {
					t.Errorf("until the new probe has judged: %+v", r)
				}
				if missing := m.Wait(expired(t), []TargetID{"a"}); len(missing) != 1 {
					t.Error("the old probe's result is taken for the new one's")
				}
				after(100 * time.Millisecond) // the new probe comes at once, by the spread
				r := reportOf(t, m, "a")
				if r.State.Status != test.want || r.Streak != test.streak {
					t.Errorf("it is %s with a streak of %d, want %s, %d", r.State.Status, r.Streak, test.want, test.streak)
				}
				_, transitions := m.Take()
				if moved := test.want != test.status; moved != (len(transitions) == 1) {
					t.Errorf("transitions: %+v", transitions)
				}
				if w.made["a"] != 2 {
					t.Errorf("the probe was made %d times", w.made["a"])
				}
			})
		})
	}
}

// A target that changes keeps the count against its status.
func TestAddReplacesTheProbeOfATurningTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := start(t, w, newTarget("a"))
		after(20 * time.Second)
		w.set("a", fail)
		for !reportOf(t, m, "a").State.Turning {
			after(100 * time.Millisecond)
		}
		m.Take()
		other := newTarget("a")
		other.Fingerprint = "2"
		mustAdd(t, m, []Target{other}, nil)
		if r := reportOf(t, m, "a"); !r.State.Turning || r.Streak != 1 {
			t.Errorf("it is not turning any more: %+v", r)
		}
		after(time.Second + 100*time.Millisecond)
		if r := reportOf(t, m, "a"); r.State.Status != Down {
			t.Errorf("after one fail before and two after the change: %+v", r)
		}
	})
}

// expired is a context that has ended.
func expired(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestAddCancelsTheReplacedProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("a", hang)
		m := start(t, w, newTarget("a"))
		after(time.Second)
		other := newTarget("a")
		other.Fingerprint = "2"
		w.set("a", pass)
		mustAdd(t, m, []Target{other}, nil)
		after(0)
		if r := reportOf(t, m, "a"); r.State.Status != Up || r.Probes != [3]uint64{Pass: 1} {
			t.Errorf("the new probe should have judged alone, and at once: %+v", r)
		}
		if len(w.doubled) > 0 {
			t.Error("the new probe began before the old one had ended")
		}
	})
}

// A probe may have run into its deadline already when a reload replaces it.
func TestAddIgnoresTheReplacedProbesTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := newWorld()
		w.set("a", func(ctx context.Context) Result {
			<-release
			return hang(ctx)
		})
		m, log := startLogged(t, w, newTarget("a"))
		after(3 * time.Second)
		other := newTarget("a")
		other.Fingerprint = "2"
		w.set("a", pass)
		mustAdd(t, m, []Target{other}, nil)
		after(100 * time.Millisecond)
		if found := log.take("does not end"); len(found) > 0 {
			t.Errorf("the reload made it overdue: %q", found)
		}
		close(release)
		after(0)
		if r := reportOf(t, m, "a"); r.Probes != [3]uint64{Pass: 1} {
			t.Errorf("the old probe's result was counted: %+v", r)
		}
	})
}

func TestRetain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("b", hang)
		a, b, c := newTarget("a"), newTarget("b"), newTarget("c")
		m := start(t, w, a, b, c)
		after(time.Second)
		m.Take()

		m.Retain([]Target{c, newTarget("never added")})
		after(0)
		if spans := w.spans("b"); spans[0].end.IsZero() {
			t.Error("the probe under way was not cancelled")
		}
		snapshot, transitions := m.Take()
		if len(transitions) != 0 || snapshot.State("a").Status != Unknown || snapshot.State("c").Status != Up {
			t.Errorf("the snapshot after Retain is %+v, with %v", snapshot, transitions)
		}
		n := w.probed("a") + w.probed("b")
		after(time.Minute)
		if w.probed("a")+w.probed("b") != n {
			t.Error("a forgotten target was probed")
		}
		if got := idsOfReports(m); !cmp.Equal(got, []TargetID{"c"}) {
			t.Errorf("there are %v", got)
		}

		mustAdd(t, m, []Target{a}, nil)
		if r := reportOf(t, m, "a"); r.State != (State{}) {
			t.Errorf("what was forgotten is remembered: %+v", r)
		}
		after(time.Second)
		if snapshot, transitions := m.Take(); snapshot.State("a").Status != Up || len(transitions) != 1 {
			t.Errorf("after it came back: %+v, %v", snapshot.State("a"), transitions)
		}
	})
}

// Between two Takes a target may go and come back.
func TestRetainAndAddBetweenTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		a := newTarget("a")
		m := start(t, w, a)
		after(time.Second)
		m.Take()

		m.Retain(nil)
		mustAdd(t, m, []Target{a}, map[TargetID]Record{"a": {ID: "a", Fingerprint: "1", Status: Down}})
		if snapshot, transitions := m.Take(); snapshot.State("a").Status != Down || len(transitions) != 0 {
			t.Errorf("restored: %+v, %v", snapshot.State("a"), transitions)
		}
		m.Retain(nil)
		mustAdd(t, m, []Target{a}, nil)
		if snapshot, _ := m.Take(); snapshot.State("a") != (State{}) {
			t.Errorf("fresh: %+v", snapshot.State("a"))
		}
	})
}
