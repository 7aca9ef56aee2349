package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/health"
	"gslb/journal"
	"gslb/state"
	"gslb/zones"
)

func TestStartWhileARegionIsDown(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.Write(`"nyc", "ams"`)
	s.NYC.Stop()
	s.start()
	s.expect(second)
}

// The region was up when the last run ended. The state says so, and must not be believed.
func TestRestartAfterARegionWentDown(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	s.stop()
	s.NYC.Stop()
	s.start()
	s.expect(second)
}

// One good probe does not bring back a region that was down when the last run ended.
func TestRestartDoesNotForgetThatARegionIsDown(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.Write(`"nyc", "ams"`)
	for attempt := 1; ; attempt++ {
		s.NYC.Stop()
		s.start()
		s.expect(second)
		s.stop()
		s.NYC.Start()
		s.start()
		s.eventuallyAnswers(first)
		// The second probe may have come before anybody could ask; the log has what was served first.
		s.Eventually("the answer from the first region", func() bool {
			answers := s.Lines(" mode=normal ")
			return len(answers) > 0 && strings.Contains(answers[len(answers)-1], first)
		})
		answers := s.Lines(" mode=normal ")
		s.stop()
		if len(answers) == 2 && strings.Contains(answers[0], second) {
			return
		}
		// On a busy machine it may even have come before anything was served.
		if attempt == 10 || len(answers) != 1 {
			t.Fatalf("attempt %d: answers were\n%s\nwant %s, then %s", attempt, strings.Join(answers, ""), second, first)
		}
	}
}

func TestRestartKeepsSerialAndDamagedStateIsNoObstacle(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	serial := s.config.Current().Zones[0].Serial
	s.stop()
	time.Sleep(time.Until(time.Unix(int64(serial)+1, 0))) // a serial of the time of loading would be another
	s.start()
	s.expect(first)
	if got := s.config.Current().Zones[0].Serial; got != serial {
		t.Errorf("serial %d after a restart, want %d still", got, serial)
	}
	s.stop()
	if err := os.WriteFile(filepath.Join(s.State(), "state.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.expect(first)
	s.Eventually("a word about the state", s.Logged("level=ERROR", "starting without the state of the run before", "can't be used"))
}

// Back at the preferred region an hour after it recovered: that must hold over a restart,
// even with another TTL.
func TestFailbackSurvivesARestart(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.More = "failback_after = \"1h\"\n"
	s.begin()
	s.outage()
	s.stop()
	s.start()
	s.expect(second)
	s.stop()
	s.More = "failback_after = \"2h\"\nttl = \"30s\"\n"
	s.Write(`"nyc", "ams"`)
	s.start()
	s.expect(second)
}

// A pool that waits for a person goes on waiting over a restart, and what the person said holds over the
// next.
func TestManualFailbackSurvivesARestart(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.More = "failback = \"manual\"\n"
	s.begin()
	s.outage()
	s.stop()
	s.start()
	s.expect(second)
	must(t, s.overSocket().failback())
	s.expect(first)
	s.stop()
	s.start()
	s.expect(first)
}

// A verdict that is older than state_max_age says nothing any more: one probe decides.
func TestOldVerdictsAreNotBelieved(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.Settings = `state_max_age = "1s"`
	s.Write(`"nyc", "ams"`)
	s.NYC.Stop()
	s.start()
	s.expect(second)
	s.stop()
	s.NYC.Start()
	for _, r := range s.monitor.Records() {
		time.Sleep(time.Until(r.Judged.Add(1100 * time.Millisecond)))
	}
	s.start()
	s.expect(first)
}

// Events without end must not keep the state from being saved.
func TestKeeperSavesInAStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var saves atomic.Int32
		changing := func() state.Draft { // no two are alike, so that each has to be written
			n := uint64(saves.Load())
			return state.Draft{
				Revision: state.Revision{Memory: n + 1},
				Decided: func() state.Decided {
					saves.Add(1)
					return state.Decided{Serials: map[string]zones.Serial{"gslb.example.com.": {Serial: uint32(n)}}}
				},
			}
		}
		k := newKeeper(state.NewStore(t.TempDir()), changing, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx) }()
		const events = 1200
		for range events {
			k.Notice(nil)
			time.Sleep(50 * time.Millisecond)
		}
		before := saves.Load()
		if before < 50 || before > 70 {
			t.Errorf("saved %d times in a minute of events, want about once a second", before)
		}
		cancel()
		<-done
		if saves.Load() == before {
			t.Error("not saved at the end")
		}
	})
}

// While nothing happens, what was decided is not written again. And yet the verdicts are fresh
// if the process dies, but for one that no probe could judge for long.
func TestKeeperInAnUnchangedWorld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var decided atomic.Int32
		begun := time.Now()
		draft := func() state.Draft {
			return state.Draft{
				Targets: []health.Record{
					{ID: "judged", Status: health.Up, Since: begun, Judged: time.Now().Add(-4 * time.Second)},
					{ID: "not judged", Status: health.Up, Since: begun, Judged: begun},
				},
				Decided: func() state.Decided {
					decided.Add(1)
					return state.Decided{Serials: map[string]zones.Serial{"gslb.example.com.": {Serial: 7}}}
				},
			}
		}
		dir := t.TempDir()
		k := newKeeper(state.NewStore(dir), draft, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx) }()
		time.Sleep(saveEvery)
		synctest.Wait()
		path := filepath.Join(dir, "state.json")
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}

		k.Notice(nil)                     // of what leaves nothing to be remembered
		time.Sleep(time.Hour + saveEvery) // almost to the next save
		synctest.Wait()
		if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
			t.Errorf("state.json was written again (%v)", err)
		}
		if n := decided.Load(); n != 1 {
			t.Errorf("what was decided was worked out %d times, want once", n)
		}
		kept, err := state.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		fresh := kept.Fresh(time.Now(), saveEvery+4*time.Second)
		if _, ok := fresh["judged"]; !ok || len(fresh) != 1 || kept.Serials["gslb.example.com."].Serial != 7 {
			t.Errorf("fresh: %v, of %v", fresh, kept)
		}
		cancel()
		<-done
	})
}

// What is to be saved says by itself whether it is another than before.
func TestDraftsAreOfOneRevisionWhileNothingHappens(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	begun := s.draftState()
	judged := func() bool { // all of them, again
		now := s.draftState()
		return !slices.ContainsFunc(begun.Targets, func(r health.Record) bool {
			return slices.ContainsFunc(now.Targets, func(n health.Record) bool { return n.ID == r.ID && !n.Judged.After(r.Judged) })
		})
	}
	s.Eventually("every target is judged again", judged)
	if now := s.draftState(); now.Revision != begun.Revision {
		t.Errorf("revision %v after nothing happened, want %v still", now.Revision, begun.Revision)
	}
	s.NYC.Stop()
	var failed state.Draft
	s.Eventually("another revision", func() bool { failed = s.draftState(); return failed.Revision != begun.Revision })
	if memory := failed.Decided().Memory; memory.Pools["nyc"].Status != health.Down {
		t.Errorf("revision %v with %v, want the pool down", failed.Revision, memory)
	}
	s.More = "ttl = \"30s\"\n"
	s.Write(`"nyc", "ams"`)
	s.config.Reload(t.Context())
	reloaded := s.draftState()
	was := failed.Decided().Serials
	if is := reloaded.Decided().Serials; reloaded.Revision == failed.Revision || is["gslb.example.com."] == was["gslb.example.com."] {
		t.Errorf("revision %v with %v after a reload, want another than %v with %v", reloaded.Revision, is, failed.Revision, was)
	}
}

// Two processes must not write over each other's state: the second is refused, and says whose the
// directory is. The first goes on, and what killed saves had left was removed at its start.
func TestStateDirectoryIsOneProcess(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	leftover := filepath.Join(s.State(), "verdicts.json.1000")
	put(t, leftover, "{}")
	s.begin()
	if _, err := os.Stat(leftover); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v, want it to be gone", leftover, err)
	}
	_, err := newProgram(s.options(), nil)
	if !errors.Is(err, state.ErrHeld) || !strings.Contains(err.Error(), "server.state_dir: ") || !strings.Contains(err.Error(), fmt.Sprintf("process %d on ", os.Getpid())) {
		t.Errorf("a second one: %v, want to be told who has the directory", err)
	}
	s.expect(first)
	s.stop()
	s.start()
	s.expect(first)
}

// Whatever is wrong with the state directory, it is said, and queries are answered.
func TestStateDirectoryThatIsOfNoUse(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(dir string) error{
		"a file":    func(dir string) error { return os.WriteFile(dir, nil, 0o644) },
		"a circle":  func(dir string) error { return os.Symlink(dir, dir) },
		"read only": func(dir string) error { return os.Symlink("/proc/self", dir) }, // for root too
		"full": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o755), os.Symlink("/dev/full", filepath.Join(dir, "lock")))
		},
		"two pipes": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o755), syscall.Mkfifo(filepath.Join(dir, "state.json"), 0o644), syscall.Mkfifo(filepath.Join(dir, "verdicts.json"), 0o644))
		},
		"two terabytes": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "verdicts.json"), nil, 0o644), os.Truncate(filepath.Join(dir, "verdicts.json"), 1<<41))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			must(t, spoil(s.State()))
			s.begin()
			s.Eventually("a word about it", func() bool {
				return s.Logged("the state directory cannot be locked")() || s.Logged("starting without the state of the run before")()
			})
			s.NYC.Stop()
			s.eventuallyAnswers(second)
		})
	}
}

// What happened before a restart is still in the list of events, and IDs go on.
func TestEventsOutliveARestart(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	s.outage()
	s.stop()
	before, err := journal.Tail(s.State(), 1000)
	must(t, err)
	s.start()
	s.expect(first)
	s.Eventually("the events of this run", func() bool {
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
