package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/internal/state"
)

func TestStartWhileARegionIsDown(t *testing.T) {
	s := newStage(t)
	s.write(`"nyc", "ams"`)
	s.nyc.stop()
	s.start()
	s.expect(second)
}

// The region was up when the last run ended. The state says so, and must not be believed.
func TestRestartAfterARegionWentDown(t *testing.T) {
	s := newStage(t)
	s.begin()
	s.stop()
	s.nyc.stop()
	s.start()
	s.expect(second)
}

// One good probe does not bring back a region that was down when the last run ended.
func TestRestartDoesNotForgetThatARegionIsDown(t *testing.T) {
	s := newStage(t)
	s.write(`"nyc", "ams"`)
	s.nyc.stop()
	s.start()
	s.expect(second)
	s.stop()
	s.nyc.start()
	s.start()
	s.eventuallyAnswers(first)
	// The second probe may have come before anybody could ask; the log has what was served first.
	answers := s.lines(`msg="answer changed"`)
	if len(answers) != 2 || !strings.Contains(answers[0], second) || !strings.Contains(answers[1], first) {
		t.Errorf("answers were\n%s\nwant %s, then %s", strings.Join(answers, ""), second, first)
	}
}

func TestRestartKeepsSerialAndDamagedStateIsNoObstacle(t *testing.T) {
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
	if err := os.WriteFile(filepath.Join(s.dir, "state", "state.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.expect(first)
	s.eventually("a word about the state", s.logged("level=ERROR", "starting without the state of the run before", "is damaged"))
}

// Back at the preferred region an hour after it recovered: that must hold over a restart,
// even with another TTL.
func TestFailbackSurvivesARestart(t *testing.T) {
	s := newStage(t)
	s.more = "failback_after = \"1h\"\n"
	s.begin()
	s.outage()
	s.stop()
	s.start()
	s.expect(second)
	s.stop()
	s.more = "failback_after = \"2h\"\nttl = \"30s\"\n"
	s.write(`"nyc", "ams"`)
	s.start()
	s.expect(second)
}

// A verdict that is older than state_max_age says nothing any more: one probe decides.
func TestOldVerdictsAreNotBelieved(t *testing.T) {
	s := newStage(t)
	s.settings = `state_max_age = "1s"`
	s.write(`"nyc", "ams"`)
	s.nyc.stop()
	s.start()
	s.expect(second)
	s.stop()
	s.nyc.start()
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
		k := newKeeper(t.TempDir(), func() state.State { saves.Add(1); return state.State{} },
			slog.New(slog.DiscardHandler), prometheus.NewRegistry())
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
