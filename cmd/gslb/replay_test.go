package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gslb/journal"
	"gslb/operate"
	"gslb/zones"
)

// An incident is recorded by a program whose regions really fail. Replayed with its own configuration it
// comes to what was answered, and with others to what these would have answered.
func TestReplayOfARecordedIncident(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	s.outage()
	s.eventuallyAnswers(first)
	s.stop()
	dir := filepath.Join(s.dir, "state")
	var answered []string
	_, err := journal.Read(dir, func(e journal.Event) bool {
		if e.Kind == journal.Answer && e.From != "" {
			answered = append(answered, e.From+" -> "+e.To)
		}
		return true
	})
	must(t, err)
	if want := []string{"nyc -> ams", "ams -> nyc"}; !slices.Equal(answered, want) {
		t.Fatalf("it was answered %v, want %v", answered, want)
	}
	replay := func(change func(string) string) (*operate.Replayed, []string) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(s.dir, "zones.toml"))
		must(t, err)
		path := filepath.Join(s.dir, "other.toml")
		must(t, os.WriteFile(path, []byte(change(string(text))), 0o644))
		var set *zones.Set
		set, err = loadValid(path)
		must(t, err)
		recording, damaged, err := record(nil, dir)
		if err != nil || damaged != 0 {
			t.Fatalf("%d damaged lines, %v", damaged, err)
		}
		replayed := recording.Replay(set, nil)
		var list []string
		for i := range replayed.Changes {
			from, to := replayed.Changes[i].Answered()
			list = append(list, from+" -> "+to)
		}
		return replayed, list
	}
	replayed, got := replay(func(text string) string { return text })
	if !slices.Equal(got, answered) || replayed.Known != 2 || replayed.Targets != 2 {
		t.Errorf("replayed: %v of %+v, want %v", got, replayed, answered)
	}
	_, got = replay(func(text string) string {
		return strings.Replace(text, `pools = ["nyc", "ams"]`, `pools = ["ams", "nyc"]`, 1)
	})
	if len(got) != 0 {
		t.Errorf("with another order: %v, want nothing", got)
	}
	replayed, got = replay(func(text string) string { return text + "failback_after = \"10m\"\n" })
	if !slices.Equal(got, answered) || replayed.Changes[1].At.Sub(replayed.Changes[0].At).Minutes() < 10 {
		t.Errorf("with a failback after 10 minutes: %v at %v", got, replayed.Changes)
	}
}

// What happened before a restart is still in the list of events, and IDs go on.
func TestEventsOutliveARestart(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	s.outage()
	s.stop()
	before, err := journal.Tail(filepath.Join(s.dir, "state"), 1000)
	must(t, err)
	s.start()
	s.expect(first)
	s.eventually("the events of this run", func() bool {
		_, body := s.get("/api/v1/events?limit=1000")
		var list struct{ Events []journal.Event }
		must(t, json.Unmarshal([]byte(body), &list))
		for i := range list.Events {
			if i > 0 && list.Events[i].ID <= list.Events[i-1].ID {
				t.Fatalf("event %d after %d", list.Events[i].ID, list.Events[i-1].ID)
			}
		}
		return len(list.Events) > len(before) && list.Events[0].ID == before[0].ID
	})
}
