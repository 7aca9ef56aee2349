package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gslb/daemon/daemontest"
	"gslb/journal"
	"gslb/operate"
	"gslb/zones"
)

// An incident is recorded by a program whose regions really fail. Replayed with its own configuration it
// comes to what was answered, and with others to what these would have answered.
func TestReplayOfARecordedIncident(t *testing.T) {
	t.Parallel()
	s := serve(daemontest.New(t))
	s.NYC.Stop()
	s.eventuallyAnswers(second)
	s.NYC.Start()
	s.eventuallyAnswers(first)
	s.stop()
	dir := s.State()
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
		text, err := os.ReadFile(s.Config())
		must(t, err)
		path := filepath.Join(s.Dir, "other.toml")
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
