//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gslb/integration/parts"
)

// command runs gslb with its own socket, and returns what it printed and its exit status.
func (s *server) command(t *testing.T, ctx context.Context, args ...string) (out string, status int) {
	t.Helper()
	cmd := exec.CommandContext(ctx, parts.Binary(t), args...)
	cmd.Env = append(os.Environ(), "GSLB_SOCKET="+filepath.Join(s.setup.StateDir, "gslb.sock"))
	text, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return string(text), exit.ExitCode()
	}
	must(t, err)
	return string(text), 0
}

// TestChangeIsPlannedAndApplied plans a change while a region is down, has it wait for a person, applies it,
// and replays the incident.
func TestChangeIsPlannedAndApplied(t *testing.T) {
	ctx := begin(t)
	s := setup{Zone: appZone, StateDir: t.TempDir(), Args: []string{"--confirm-over", "50%"}}.serve(t, ctx)
	clients := watch(t, s.Listen, app)
	clients.await(t, ctx, "nyc", time.Time{})
	must(t, world.nyc.Inflict(ctx, parts.LoadBalancerKilled))
	t.Cleanup(func() { must(t, world.nyc.Heal(context.Background())) })
	clients.await(t, ctx, "ams", time.Time{})

	next := s.setup
	next.Zone = strings.Replace(appZone, `["nyc", "ams"]`, `["ams", "nyc"]`, 1)
	path := filepath.Join(t.TempDir(), "next.toml")
	must(t, os.WriteFile(path, []byte(next.text(t)), 0o644))
	plan := func(status int, want ...string) {
		t.Helper()
		out, got := s.command(t, ctx, "plan", path)
		if got != status {
			t.Errorf("gslb plan: status %d, want %d:\n%s", got, status, out)
		}
		for _, words := range want {
			if !strings.Contains(out, words) {
				t.Errorf("gslb plan does not say %q:\n%s", words, out)
			}
		}
	}
	// What nyc would be answered for is answered by ams at present, so that nothing moves.
	plan(2, "answered as before: app.gslb.example.com", "0 names to change")
	must(t, world.nyc.Heal(ctx))
	clients.await(t, ctx, "nyc", time.Now())
	plan(2, "nyc -> ams", "1 name to change")

	parts.Replace(t, s.path, next.text(t))
	must(t, parts.Until(ctx, "the change waits", func(context.Context) error {
		if out, _ := s.command(t, ctx, "status"); !strings.Contains(out, "waits for gslb apply") {
			return errors.New(out)
		}
		return nil
	}))
	clients.await(t, ctx, "nyc", time.Now())
	if out, status := s.command(t, ctx, "apply", "--yes"); status != 0 || !strings.Contains(out, "is live") {
		t.Fatalf("gslb apply: status %d:\n%s", status, out)
	}
	clients.await(t, ctx, "ams", time.Now())
	path = s.path
	plan(0, "No changes")

	// By the order of before, the incident is what clients saw; by the new one there was none.
	replay := func(set setup) string {
		t.Helper()
		file := filepath.Join(t.TempDir(), "zones.toml")
		must(t, os.WriteFile(file, []byte(set.text(t)), 0o644))
		out, status := s.command(t, ctx, "replay", s.setup.StateDir, "--config", file, "--json")
		if status != 0 {
			t.Fatalf("gslb replay: status %d:\n%s", status, out)
		}
		var replayed struct {
			Changes []struct{ From, To string }
		}
		must(t, json.Unmarshal([]byte(out), &replayed))
		var seen []string
		for _, c := range replayed.Changes {
			seen = append(seen, c.From+" -> "+c.To)
		}
		return strings.Join(seen, ", ")
	}
	if got, want := replay(s.setup), "nyc -> ams, ams -> nyc"; got != want {
		t.Errorf("the incident is replayed as %q, want %q", got, want)
	}
	if got := replay(next); got != "" {
		t.Errorf("with ams first there would have been %q, want nothing", got)
	}
}
