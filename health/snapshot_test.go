package health

import (
	"runtime"
	"testing"
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
