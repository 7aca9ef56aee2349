package health

import (
	"testing"
	"time"

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

		snapshots := []*Snapshot{NewSnapshot(time.Time{}, map[TargetID]State{})}
		models := []map[TargetID]State{{}}
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
			snapshots = append(snapshots, snapshots[i].with(time.Time{}, changed))
			models = append(models, model)
		}
		for i, s := range snapshots {
			for _, target := range ids {
				if got, want := s.State(target.ID), models[i][target.ID]; got != want {
					t.Fatalf("snapshot %d has %s %+v, want %+v", i, target.ID, got, want)
				}
			}
		}
	})
}
