// Package publishtest has a server without a network, for the tests of those who listen to what is published.
package publishtest

import (
	"testing"
	"time"

	"gslb/answer"
	"gslb/health"
	"gslb/override"
	"gslb/publish"
	"gslb/replication"
	"gslb/steer"
	"gslb/zones"
	"gslb/zones/config"
)

// World decides as the publisher does, from what a test sets here before it calls Decide.
type World struct {
	Set    *zones.Set
	Now    time.Time
	Down   map[health.TargetID]bool // all other targets are up
	Words  []override.Override
	Copies map[replication.Region]replication.State
	Back   []int // routes whose clients return with the next decision

	Outcome *steer.Outcome // of the last decision, as is Table
	Table   *answer.Table

	began time.Time
	index *answer.Index
}

// Parse makes a configuration from its text.
func Parse(t testing.TB, text string, now time.Time) *zones.Set {
	t.Helper()
	set, err := config.Parse([]byte(text), "zones.toml", config.LoadOptions{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// New makes a world that has decided once, with everything up.
func New(set *zones.Set, now time.Time) *World {
	w := &World{Set: set, Now: now, began: now, Down: make(map[health.TargetID]bool), index: answer.NewIndex(set)}
	w.Decide()
	return w
}

// Decide decides anew, and returns what is published of it: the changes of answers.
func (w *World) Decide() []publish.Event {
	states := make(map[health.TargetID]health.State)
	for _, target := range w.Set.Targets {
		states[target.ID] = health.State{Status: health.Up, Since: w.began, Cause: health.Result{Verdict: health.Pass, Reason: "ok"}}
		if w.Down[target.ID] {
			states[target.ID] = health.State{Status: health.Down, Since: w.Now, Cause: health.Result{Verdict: health.Fail, Reason: "timeout", Detail: "it does not answer"}}
		}
	}
	in := steer.Input{Snapshot: health.NewSnapshot(w.Now, states), Words: override.NewWords(w.Words), Copies: replication.NewView(w.Copies), Now: w.Now, Failback: w.Back}
	w.Back = nil
	memory := steer.Memory{}
	if w.Outcome != nil {
		memory = w.Outcome.Memory()
	}
	w.Outcome = steer.Step(w.Set, in, memory)
	before := w.Table
	w.Table = w.index.Compile(w.Outcome).PublishedAt(w.Now)
	if before == nil {
		return nil
	}
	var events []publish.Event
	for _, change := range publish.Compare(before, w.Table) {
		events = append(events, publish.Event{At: w.Now, Answer: change})
	}
	return events
}
