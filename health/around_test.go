package health

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// silence is a probe without an answer: it takes its timeout, and is blank.
func silence(ctx context.Context) Result {
	<-ctx.Done()
	return Result{Verdict: Fail, Reason: "timeout", Blank: true}
}

// blank is a probe that learns at once that there is no way.
func blank(context.Context) Result {
	return Result{Verdict: Fail, Reason: "unreachable", Blank: true}
}

// placed is a target in a place, with a long interval, so that it is hardly probed unless it is asked.
func placed(id TargetID, place string) Target {
	t := newTarget(id)
	t.Place, t.Interval, t.FastInterval, t.Timeout = place, 20*time.Second, time.Second, 500*time.Millisecond
	return t
}

// When a target turns down that is silent alone, another has said since that this network works. So
// nothing has to be waited for.
func TestOthersHaveAnsweredBeforeASilentTargetTurnsDown(t *testing.T) {
	for _, test := range []struct {
		name    string
		fails   Probe
		fall    int
		already bool // they have answered when it turns down
	}{
		{"it times out", silence, 3, true},
		{"it times out, and two fails are enough", silence, 2, true},
		{"it times out, and one fail is enough", silence, 1, false},
		{"there is no way to it", blank, 3, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				a, b := placed("a", "nyc"), placed("b", "ams")
				a.Fall = test.fall
				w.set("b", slowly(10*time.Millisecond, pass))
				m := start(t, w, a, b)
				after(time.Second)
				w.set("a", test.fails)
				m.Take()
				for {
					<-m.Changed()
					snapshot, _ := m.Take()
					is, other := snapshot.State("a"), snapshot.State("b")
					if is.Status != Down {
						continue
					}
					if heard := !other.Heard().Heard.Before(is.Heard().Began); heard != test.already || other.Heard().Asked.IsZero() != test.already {
						t.Fatalf("a probe of a began at %s, b is %+v", is.Heard().Began, other.Heard())
					}
					break
				}
				after(20 * time.Millisecond)
				snapshot, _ := m.Take()
				if is, other := snapshot.State("a"), snapshot.State("b"); other.Heard().Heard.Before(is.Heard().Began) || !other.Heard().Asked.IsZero() {
					t.Errorf("a moment later b is %+v", other)
				}
			})
		})
	}
}

// A target that fails otherwise says nothing about this network, so that nobody is asked.
func TestOnlySilenceHasOthersAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := start(t, w, placed("a", "nyc"), placed("b", "ams"))
		after(time.Second)
		n := w.probed("b")
		w.set("a", fail)
		for reportOf(t, m, "a").State.Status != Down {
			after(time.Second)
		}
		// Its own interval has it probed twice at most in the time that a needs to fall.
		if more := w.probed("b") - n; more > 2 {
			t.Errorf("b was probed %d times meanwhile", more)
		}
		if s := reportOf(t, m, "a").State; !s.Heard().Silent.IsZero() {
			t.Errorf("a is silent: %+v", s)
		}
	})
}

// Of many targets some of each place are asked; with a vantage, that alone.
func TestWhoIsAsked(t *testing.T) {
	asked := func(t *testing.T, m *Monitor) map[string]int {
		m.mu.Lock()
		defer m.mu.Unlock()
		places := make(map[string]int)
		for _, e := range m.newAround().some() {
			places[e.target.Place]++
		}
		return places
	}
	synctest.Test(t, func(t *testing.T) {
		var targets []Target
		for i := range 1000 {
			targets = append(targets, placed(TargetID(fmt.Sprint("nyc", i)), "nyc"))
		}
		targets = append(targets, placed("ams", "ams"))
		m := start(t, newWorld(), targets...)
		if got := asked(t, m); got["nyc"] != MostAsked/2 || got["ams"] != 1 {
			t.Errorf("asked: %v", got)
		}
		eye := placed("eye", "")
		eye.Vantage = true
		mustAdd(t, m, []Target{eye}, nil)
		if got := asked(t, m); len(got) != 1 || got[""] != 1 {
			t.Errorf("with a vantage, asked are: %v", got)
		}
		m.Forget([]TargetID{"eye"})
		var many []Target
		for i := range 2 * MostAsked {
			many = append(many, placed(TargetID(fmt.Sprint("p", i)), fmt.Sprint("p", i)))
		}
		mustAdd(t, m, many, nil)
		if got := asked(t, m); len(got) != MostAsked {
			t.Errorf("of many places %d are asked", len(got))
		}
	})
}

// The first answer after a silence has the other silent targets probed at once.
func TestAnAnswerHasSilentTargetsProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := start(t, w, placed("a", "nyc"), placed("b", "ams"))
		after(time.Second)
		w.cutOff(silence)
		for _, id := range []TargetID{"a", "b"} {
			for reportOf(t, m, id).State.Status != Down {
				after(100 * time.Millisecond)
			}
		}
		w.cutOff(nil)
		for {
			after(100 * time.Millisecond)
			a, b := reportOf(t, m, "a").State, reportOf(t, m, "b").State
			if a.Heard().Silent.IsZero() != b.Heard().Silent.IsZero() {
				t.Fatalf("one answered, the other was not probed: %+v, %+v", a, b)
			}
			if a.Heard().Silent.IsZero() {
				break
			}
		}
		after(1100 * time.Millisecond) // rise is 2: the fast interval
		if a, b := reportOf(t, m, "a").State, reportOf(t, m, "b").State; a.Status != Up || b.Status != Up {
			t.Errorf("they are %s and %s", a.Status, b.Status)
		}
	})
}

// The series of blank fails begins with the first of them. Any answer ends it, and what could not be
// judged does not.
func TestSilence(t *testing.T) {
	target := placed("a", "nyc")
	e := newEntry(&target, prober{probe: pass})
	const passes, fails, silent, cannotJudge = "pass", "fail", "silent", "cannot judge"
	results := map[string]Result{
		passes: {Verdict: Pass}, fails: {Verdict: Fail}, silent: {Verdict: Fail, Blank: true}, cannotJudge: {Blank: true},
	}
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	for i, step := range []struct {
		result string
		since  int // the second in which the silence began; 0: it is none
	}{
		{passes, 0}, {silent, 1}, {silent, 1}, {cannotJudge, 1}, {silent, 1}, {fails, 0}, {silent, 6}, {passes, 0}, {cannotJudge, 0},
	} {
		e.hearing.Asked = at(i)
		e.observe(results[step.result], true, at(i), at(i).Add(time.Second/2))
		var want time.Time
		if step.since > 0 {
			want = at(step.since)
		}
		if !e.hearing.Silent.Equal(want) || !e.hearing.Asked.IsZero() {
			t.Errorf("after result %d: %+v, want that it is silent since %s", i, e.hearing, want)
		}
	}
	if want := at(7).Add(time.Second / 2); !e.hearing.Heard.Equal(want) {
		t.Errorf("last heard at %s, want %s", e.hearing.Heard, want)
	}
}

// At a start in a dead network, what stands on this host passes. What was up and does not answer is down
// at once, but silent still: many together may be held.
func TestWhatTurnsDownAtTheStartIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("a", silence)
		m := NewMonitor(MonitorOptions{Make: w.make})
		a, near := placed("a", "nyc"), placed("near", "nyc")
		mustAdd(t, m, []Target{a, near}, map[TargetID]Record{"a": {Fingerprint: a.Fingerprint, Status: Up}})
		run(t, m)
		after(time.Second)
		snapshot, _ := m.Take()
		if is := snapshot.State("a"); is.Status != Down || is.Heard().Silent.IsZero() || is.Heard().Began.IsZero() {
			t.Errorf("a is %+v, and was heard %+v", is, is.Heard())
		}
	})
}
