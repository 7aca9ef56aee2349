package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// command runs a command line against the stage's program, and returns what it printed.
func (s *stage) command(args ...string) (string, error) {
	s.t.Helper()
	return s.commandLine(append(args, "--socket", s.socket())...)
}

// commandLine runs a whole command line.
func (s *stage) commandLine(args ...string) (string, error) {
	s.t.Helper()
	var out bytes.Buffer
	cmd := newCommand()
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(""))
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.ExecuteContext(s.t.Context())
	return out.String(), err
}

// carryOut is command for one that must do what it is told.
func (s *stage) carryOut(args ...string) string {
	s.t.Helper()
	out, err := s.command(args...)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// What a person says is answered when the command returns, and over a restart.
func TestDrainOverARestart(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	out := s.carryOut("drain", "nyc", "--for", "2h", "--reason", "new disks", "--yes")
	s.expect(second)
	if !strings.Contains(out, "nyc → ams") {
		t.Errorf("it does not say what is answered instead:\n%s", out)
	}
	if out, err := s.command("drain", "ams", "--for", "2h", "--reason", "new disks", "--yes"); err == nil || !strings.Contains(err.Error(), "without ams, 1 name would be left with nothing: app.gslb.example.com;") {
		t.Errorf("got %v\n%s", err, out)
	}
	s.eventually("the events", func() bool {
		out, _ := s.command("events")
		return strings.Contains(out, "new disks") && strings.Contains(out, "(socket)")
	})
	s.stop()
	s.start()
	s.expect(second)
	if len(s.lines("level=WARN", "an override is in force", "override=drain/nyc", `reason="new disks"`)) != 1 {
		t.Errorf("the start does not say what is in force:\n%s", s.log)
	}
	s.carryOut("undrain", "nyc", "--yes")
	s.expect(first)
}

// A restart that can't read what people said begins without it, and says so until the file is removed.
func TestOverridesThatAreDamaged(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	s.carryOut("drain", "nyc", "--for", "2h", "--reason", "new disks", "--yes")
	s.stop()
	path := filepath.Join(s.dir, "state", "overrides.json")
	whole, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, whole[:len(whole)/2], 0o600))
	s.start()
	s.expect(first)
	aside, _ := filepath.Glob(path + ".damaged-*")
	if len(aside) != 1 {
		t.Fatalf("set aside: %q", aside)
	}
	if len(s.lines("level=ERROR", "overrides of an earlier run are not in force", "damaged-")) != 1 {
		t.Errorf("the log does not say so:\n%s", s.log)
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
	s.carryOut("pin", "app.gslb.example.com", "ams", "--for", "2h", "--reason", "test", "--yes")
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
	s.more = "failback = \"manual\"\n"
	s.write(`"nyc", "ams"`)
	s.start()
	s.expect(first)
	s.outage()
	s.expect(second)
	s.carryOut("failback", "app.gslb.example.com")
	s.expect(first)
}
