package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gslb/admin/api"
)

// waits is the hash of the configuration that waits; empty: none does.
func (s *stage) waits() string {
	if p := s.config.Status().Pending; p != nil {
		return p.Hash
	}
	return ""
}

// beginConfirming starts a program that asks before it moves more than half of the names.
func (s *stage) beginConfirming() {
	s.T.Helper()
	s.Write(`"nyc", "ams"`)
	s.confirmOver = 50
	s.start()
	s.expect(first)
}

func problemOf(t *testing.T, err error) string {
	t.Helper()
	var p *api.Problem
	if !errors.As(err, &p) {
		t.Fatalf("not a problem: %v", err)
	}
	return p.Type
}

// What would move the only name waits, whatever signal is sent, until a person applies it.
func TestConfigurationWaitsForAPerson(t *testing.T) {
	s := newStage(t)
	s.beginConfirming()
	s.Write(`"ams", "nyc"`)
	s.Eventually("that it waits", func() bool { return s.waits() != "" })
	hash := s.waits()
	for range 2 {
		before := s.config.Status().At
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		s.Eventually("another reload", func() bool { return s.config.Status().At.After(before) })
		s.expect(first)
	}
	if s.waits() != hash {
		t.Errorf("%q waits, want %s", s.waits(), hash)
	}
	if p := s.config.Status().Pending; p.Moved != 1 || p.Names != 1 || p.Over != 50 {
		t.Errorf("it waits as %+v", p)
	}
	if p := s.config.Status().Pending; p.ChangesTotal != 1 || len(p.Changes) != 1 || p.Changes[0].From != "nyc" || p.Changes[0].To != "ams" {
		t.Errorf("it would change %+v", p.Changes)
	}
	if _, body := s.get("/metrics"); !strings.Contains(body, "gslb_config_pending 1") {
		t.Error("no metric says that a configuration waits")
	}
	if _, body := s.get("/"); !strings.Contains(body, "A configuration waits for gslb apply") || !strings.Contains(body, `<ul class="list effects">`) {
		t.Error("the page does not say that a configuration waits, and what it would change")
	}
	if n := strings.Count(s.Log.String(), "a configuration waits to be applied"); n != 1 {
		t.Errorf("%d lines of the log say that it waits, want one", n)
	}
	_, err := s.config.Apply(t.Context(), "test", &api.ApplyRequest{Hash: "other"})
	if got := problemOf(t, err); got != api.Conflict {
		t.Errorf("another hash: %s", got)
	}
	s.expect(first)
	result, err := s.config.Apply(t.Context(), "test (socket)", &api.ApplyRequest{Hash: hash})
	if err != nil || result.Hash != hash || result.Moved != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	s.expect(second)
	if s.waits() != "" {
		t.Error("it still waits")
	}
	_, err = s.config.Apply(t.Context(), "test", &api.ApplyRequest{})
	if got := problemOf(t, err); got != api.Conflict {
		t.Errorf("with nothing that waits: %s", got)
	}
	s.Eventually("the events", func() bool {
		text, _ := os.ReadFile(filepath.Join(s.State(), "events.log"))
		return strings.Count(string(text), `"kind":"pending"`) == 2 && strings.Contains(string(text), `"by":"test (socket)"`)
	})
}

// A newer file takes the place of what waits: one that moves nothing is live at once, one with errors is
// refused, one that moves the names too waits in turn. A restart takes the file as it is.
func TestNewerFileTakesThePlaceOfWhatWaits(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.beginConfirming()
	pending := func(what string) string {
		s.T.Helper()
		before := s.waits()
		s.Eventually(what, func() bool { return s.waits() != "" && s.waits() != before })
		return s.waits()
	}
	s.Write(`"ams", "nyc"`)
	pending("that it waits")
	s.More = "ttl = \"7s\"\n"
	s.Write(`"ams", "nyc"`)
	newer := pending("that the newer one waits")

	// Applied is what was seen. What came since is judged like any other.
	path := s.Config()
	must(t, os.WriteFile(path, []byte("not = toml ["), 0o644))
	s.Eventually("the refusal", func() bool { return s.config.Status().Err != nil })
	if s.waits() != "" {
		t.Error("what was replaced still waits")
	}
	_, err := s.config.Apply(t.Context(), "test", &api.ApplyRequest{Hash: newer})
	if got := problemOf(t, err); got != api.Conflict {
		t.Errorf("apply of what is gone: %s", got)
	}
	s.Write(`"ams", "nyc"`)
	pending("that it waits again")
	s.Write(`"nyc", "ams"`)
	s.Eventually("that nothing waits", func() bool { return s.waits() == "" && s.config.Current() == s.publisher.Table().Set() })
	s.expect(first)

	s.Write(`"ams", "nyc"`)
	pending("that it waits before the end")
	s.stop()
	s.start()
	s.eventuallyAnswers(second)
}

// A person applies what was changed a moment ago: the change is not taken with it.
func TestApplyTakesWhatWaitedOnly(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.beginConfirming()
	s.Write(`"ams", "nyc"`)
	s.Eventually("that it waits", func() bool { return s.waits() != "" })
	hash := s.waits()
	s.config.reloading.Lock() // so that the watcher is not faster
	s.More = "ttl = \"7s\"\n"
	s.Write(`"ams", "nyc"`)
	done := make(chan error, 1)
	go func() {
		_, err := s.config.Apply(context.Background(), "test", &api.ApplyRequest{Hash: hash})
		done <- err
	}()
	s.config.reloading.Unlock()
	if got := problemOf(t, <-done); got != api.Conflict {
		t.Errorf("it came to %s", got)
	}
	s.expect(first)
	if s.waits() == hash {
		t.Error("what is gone still waits")
	}
}

// New targets are probed first: a pool that is dead moves nothing to itself, so that nobody is asked.
func TestDeadNewPoolMovesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.beginConfirming()
	s.More = "\n[pools.dead]\nmembers = [\"127.0.0.3\"]\nvars = { port = \"1\" }\nchecks = [\"port\"]\n"
	s.Write(`"dead", "nyc", "ams"`)
	s.Eventually("the reload", func() bool { return len(s.publisher.Table().Pools()) == 3 })
	s.expect(first)
}
