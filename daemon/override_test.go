package daemon

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gslb/admin/api"
	"gslb/journal"
)

// What a person says is answered when the call returns, and over a restart.
func TestDrainOverARestart(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	result, err := s.overSocket().drain("nyc", "new disks")
	must(t, err)
	s.expect(second)
	if len(result.Changes) != 1 || result.Changes[0].From != "nyc" || result.Changes[0].To != "ams" {
		t.Errorf("it does not say what is answered instead: %+v", result)
	}
	_, err = s.overSocket().drain("ams", "new disks")
	if problemOf(t, err) != api.LeavesNothing || !strings.Contains(err.Error(), "without ams, 1 name would be left with nothing: app.gslb.example.com;") {
		t.Errorf("got %v", err)
	}
	s.Eventually("the event", func() bool {
		var list api.EventList
		must(t, s.overSocket().do(http.MethodGet, "events", nil, &list))
		for _, e := range list.Events {
			text, err := json.Marshal(e)
			must(t, err)
			if e.Kind == journal.Override && strings.Contains(string(text), "new disks") && strings.Contains(string(text), "(socket)") {
				return true
			}
		}
		return false
	})
	s.stop()
	s.start()
	s.expect(second)
	if len(s.Lines("level=WARN", "an override is in force", "override=drain/nyc", `reason="new disks"`)) != 1 {
		t.Errorf("the start does not say what is in force:\n%s", s.Log)
	}
	must(t, s.overSocket().undrain("nyc"))
	s.expect(first)
}

// A restart that can't read what people said begins without it, and says so until the file is removed.
func TestOverridesThatAreDamaged(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	_, err := s.overSocket().drain("nyc", "new disks")
	must(t, err)
	s.stop()
	path := filepath.Join(s.State(), "overrides.json")
	whole, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, whole[:len(whole)/2], 0o600))
	s.start()
	s.expect(first)
	aside, _ := filepath.Glob(path + ".damaged-*")
	if len(aside) != 1 {
		t.Fatalf("set aside: %q", aside)
	}
	if len(s.Lines("level=ERROR", "overrides of an earlier run are not in force", "damaged-")) != 1 {
		t.Errorf("the log does not say so:\n%s", s.Log)
	}
	if code, body := s.get("/readyz?verbose"); code != 200 || !strings.HasPrefix(body, "ready\n") || !strings.Contains(body, aside[0]) {
		t.Errorf("/readyz?verbose says %d %q", code, body)
	}
	if _, page := s.get("/"); !strings.Contains(page, aside[0]) {
		t.Error("the page does not say so")
	}
	if _, metrics := s.get("/metrics"); !strings.Contains(metrics, "\ngslb_overrides_set_aside 1\n") {
		t.Error("the metrics do not say so")
	}
	// What is said then takes no damage from it.
	must(t, s.overSocket().do(http.MethodPost, "overrides", api.OverrideRequest{Kind: "pin", Name: "app.gslb.example.com", Pool: "ams", Reason: "test", For: "2h"}, nil))
	s.expect(second)
	must(t, os.Remove(aside[0]))
	s.stop()
	s.start()
	s.expect(second)
	if _, body := s.get("/readyz?verbose"); body != "ready\n" {
		t.Errorf("/readyz?verbose says %q", body)
	}
}

// A name returns when a person says so.
func TestFailbackOfAProgram(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.More = "failback = \"manual\"\n"
	s.Write(`"nyc", "ams"`)
	s.start()
	s.expect(first)
	s.outage()
	s.expect(second)
	must(t, s.overSocket().failback())
	s.expect(first)
}
