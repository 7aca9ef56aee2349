package health

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestNilSnapshot(t *testing.T) {
	var s *Snapshot
	if got := s.State("a"); got != (State{}) {
		t.Errorf("it knows of %+v", got)
	}
}

// However snapshots follow one another, each shows all changes up to it and none after it.
func TestSnapshotSuccession(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := newTargets(rapid.IntRange(1, 40).Draw(t, "targets"))
		status := rapid.SampledFrom([]Status{Unknown, Up, Down}) // Unknown: forgotten

		first := map[TargetID]State{ids[0].ID: {Status: Up}}
		snapshots := []*Snapshot{NewSnapshot(time.Time{}, first)}
		models := []map[TargetID]State{first}
		for i := range rapid.IntRange(1, 20).Draw(t, "changes") {
			changed, model := map[TargetID]State{}, map[TargetID]State{}
			for id, state := range models[i] {
				model[id] = state
			}
			for range rapid.IntRange(1, 6).Draw(t, "changed") {
				id := rapid.SampledFrom(ids).Draw(t, "target").ID
				changed[id] = State{Status: status.Draw(t, "status")}
				model[id] = changed[id]
			}
			snapshots = append(snapshots, snapshots[i].With(time.Time{}, changed))
			models = append(models, model)
		}
		for i, s := range snapshots {
			for _, target := range ids {
				if got, want := s.State(target.ID), models[i][target.ID]; got != want {
					t.Fatalf("snapshot %d has %s %+v, want %+v", i, target.ID, got, want)
				}
			}
			for j := range i + 1 { // i follows on j directly, after others, or is the same
				checkChanged(t, ids, s, snapshots[j])
				checkChanged(t, ids, snapshots[j], s)
			}
			checkChanged(t, ids, s, nil)
			checkChanged(t, ids, nil, s)
		}
	})
}

// checkChanged holds ChangedSince to what the two snapshots say of every target.
func checkChanged(t *rapid.T, targets []Target, s, old *Snapshot) {
	var want []TargetID
	for _, target := range targets {
		if s.State(target.ID) != old.State(target.ID) {
			want = append(want, target.ID)
		}
	}
	less := func(a, b TargetID) bool { return a < b }
	if diff := cmp.Diff(want, s.ChangedSince(old), cmpopts.SortSlices(less), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("changed (-want +got):\n%s", diff)
	}
}

// What tells a snapshot from the one before must not keep that in memory, or a server that
// runs for long would keep all there ever were.
func TestSnapshotLetsGoOfThoseBefore(t *testing.T) {
	first, second := func() (weak.Pointer[Snapshot], *Snapshot) {
		first := NewSnapshot(time.Time{}, map[TargetID]State{"a": {Status: Up}})
		return weak.Make(first), first.With(time.Time{}, map[TargetID]State{"a": {Status: Down}})
	}()
	runtime.GC()
	if first.Value() != nil {
		t.Error("the first is still in memory")
	}
	runtime.KeepAlive(second)
}

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
		if diff := cmp.Diff(want, transitions, byID, cmpopts.IgnoreFields(Transition{}, "At", "Lasted", "First")); diff != "" {
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

// TestFirstOfARow: a transition tells when the first probe began of those in a row that made it so, the
// passes before and what could not judge apart.
func TestFirstOfARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		target := newTarget("a")
		m := start(t, w, target)
		after(20 * time.Second)
		m.Take()
		w.set("a", fail) // once
		<-m.Changed()
		w.set("a", pass)
		after(20 * time.Second)
		m.Take()
		broken := time.Now()
		w.set("a", fail)
		after(2 * target.Interval)
		_, transitions := m.Take()
		if len(transitions) != 1 || transitions[0].To != Down {
			t.Fatalf("transitions %+v", transitions)
		}
		first, down := transitions[0].First, transitions[0].At
		if late := first.Sub(broken); late < 0 || late > target.Interval+target.Interval/4 {
			t.Errorf("the first failed probe began %v after the fault", late)
		}
		if row := down.Sub(first); row < time.Duration(target.Fall-1)*target.FastInterval*3/4 {
			t.Errorf("it began %v before the target turned down by %d fails in a row", row, target.Fall)
		}
	})
}

func TestTakeCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		a, b, c := newTarget("a"), newTarget("b"), newTarget("c")
		m := start(t, w, a, b, c)
		after(20 * time.Second)
		first, _ := m.Take()

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
		if diff := cmp.Diff(want, transitions, cmpopts.IgnoreFields(Transition{}, "At", "Lasted", "First")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for _, tr := range transitions {
			if up := tr.At.Sub(first.State(tr.Target.ID).Since); tr.Lasted != up {
				t.Errorf("%s was up for %s, not %s", tr.Target.ID, up, tr.Lasted)
			}
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
