package health

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// ready says whether Changed receives.
func ready(m *Monitor) bool {
	select {
	case <-m.Changed():
		return true
	default:
		return false
	}
}

func TestTakeTellsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("b", fail)
		m := start(t, w, newTarget("a"), newTarget("b"), newTarget("c"))
		w.set("c", nothing)
		after(time.Second)

		if !ready(m) || ready(m) {
			t.Fatal("the first verdicts should be announced, once")
		}
		snapshot, transitions := m.Take()
		want := []Transition{
			{Target: newTarget("a"), From: Unknown, To: Up, Cause: Result{Verdict: Pass, Reason: "ok"}},
			{Target: newTarget("b"), From: Unknown, To: Down, Cause: Result{Verdict: Fail, Reason: "refused"}},
		}
		byID := cmpopts.SortSlices(func(a, b Transition) bool { return a.Target.ID < b.Target.ID })
		if diff := cmp.Diff(want, transitions, byID, cmpopts.IgnoreFields(Transition{}, "At")); diff != "" {
			t.Errorf("transitions (-want +got):\n%s", diff)
		}
		for _, tr := range transitions {
			state := snapshot.State(tr.Target.ID)
			if state.Status != tr.To || state.Cause != tr.Cause || !state.Since.Equal(tr.At) || state.Turning {
				t.Errorf("%s is %+v in the snapshot", tr.Target.ID, state)
			}
		}
		if got := snapshot.State("c"); got != (State{}) {
			t.Errorf("c is %+v", got)
		}
	})
}

func TestTakeIsTheSameWhileNothingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := start(t, w, newTargets(10)...)
		first, _ := m.Take()
		if first == nil {
			t.Fatal("there is no snapshot before the first verdict")
		}
		after(time.Second)
		second, _ := m.Take()
		after(time.Minute)
		third, transitions := m.Take()
		if first == second || second != third || len(transitions) > 0 {
			t.Error("Take should make a new snapshot when something changed, and only then")
		}
		if ready(m) {
			t.Error("a change is announced, though every probe said what was known")
		}
	})
}

func TestTakeAnnouncesTurning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		target := newTarget("a")
		target.FastInterval = 4 * time.Second
		m := start(t, w, target)
		after(20 * time.Second)
		old, _ := m.Take()
		w.set("a", fail)
		<-m.Changed()
		snapshot, transitions := m.Take()
		if s := snapshot.State("a"); s.Status != Up || !s.Turning || len(transitions) != 0 {
			t.Errorf("after one fail: %+v, %v", s, transitions)
		}
		if old.State("a").Turning {
			t.Error("a snapshot was changed after it had been taken")
		}

		w.set("a", pass)
		<-m.Changed()
		snapshot, transitions = m.Take()
		if s := snapshot.State("a"); s.Status != Up || s.Turning || len(transitions) != 0 {
			t.Errorf("after the pass that clears it: %+v, %v", s, transitions)
		}
	})
}

func TestTakeCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		a, b, c := newTarget("a"), newTarget("b"), newTarget("c")
		m := start(t, w, a, b, c)
		after(20 * time.Second)
		m.Take()

		w.set("a", fail) // down, and up again
		w.set("b", fail) // down, up, and down again
		after(20 * time.Second)
		w.set("c", fail) // down
		w.set("a", pass)
		w.set("b", pass)
		after(20 * time.Second)
		w.set("b", always(Fail, "timeout"))
		after(20 * time.Second)

		_, transitions := m.Take()
		want := []Transition{
			{Target: c, From: Up, To: Down, Cause: Result{Verdict: Fail, Reason: "refused"}},
			{Target: b, From: Up, To: Down, Cause: Result{Verdict: Fail, Reason: "timeout"}},
		}
		if diff := cmp.Diff(want, transitions, cmpopts.IgnoreFields(Transition{}, "At")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if !transitions[0].At.Before(transitions[1].At) {
			t.Errorf("at %s, then at %s", transitions[0].At, transitions[1].At)
		}
		if _, again := m.Take(); len(again) > 0 {
			t.Errorf("told twice: %v", again)
		}
	})
}

// A target that goes before its change was taken has no change to tell.
func TestTakeForgetsTheForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := start(t, newWorld(), newTarget("a"))
		after(time.Second)
		m.Retain(nil)
		if snapshot, transitions := m.Take(); len(transitions) > 0 || snapshot.State("a") != (State{}) {
			t.Errorf("%v, %+v", transitions, snapshot.State("a"))
		}
	})
}
