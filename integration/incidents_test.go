//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gslb/integration/parts"
)

// incident is as much of GET /api/v1/incidents as the tests look at.
type incident struct {
	ID, Kind, Subject, Text, Why string
	Turns                        int
	Moves                        []struct {
		From, To string
		Names    []string
	}
}

// awaitIncidents waits until the server lists incidents of a state that are as a test wants them.
func (s *server) awaitIncidents(t *testing.T, ctx context.Context, what, state string, are func([]incident) bool) []incident {
	t.Helper()
	var list struct{ Incidents []incident }
	must(t, parts.Until(ctx, what, func(ctx context.Context) error {
		code, body, err := parts.Get(ctx, s.URL("/api/v1/incidents?state="+state))
		list.Incidents = nil
		if err == nil {
			err = json.Unmarshal(body, &list)
		}
		if err == nil && (code != http.StatusOK || !are(list.Incidents)) {
			err = fmt.Errorf("status %d, %s", code, body)
		}
		return err
	}))
	return list.Incidents
}

// TestIncident kills a load balancer, then the server, and heals the region: it is one incident, with one beginning.
func TestIncident(t *testing.T) {
	ctx := begin(t)
	s := setup{Zone: appZone, StateDir: t.TempDir()}.serve(t, ctx)
	clients := watch(t, s.Listen, app)
	clients.await(t, ctx, "nyc", time.Time{})
	s.awaitIncidents(t, ctx, "nothing is wrong", "open", func(l []incident) bool { return len(l) == 0 })

	t.Cleanup(func() { must(t, world.nyc.Heal(context.Background())) })
	must(t, world.nyc.Inflict(ctx, parts.LoadBalancerKilled))
	clients.await(t, ctx, "ams", time.Now())
	first := s.awaitIncidents(t, ctx, "one incident", "open", func(l []incident) bool { return len(l) == 1 && l[0].Kind == "failover" })[0] // a busy machine may have had another turn before
	for _, part := range []string{"nyc is down since ", "app answers ams", "clients have moved by "} {
		if !strings.Contains(first.Text, part) {
			t.Errorf("the text is %q, want %q in it", first.Text, part)
		}
	}
	if first.Subject != "nyc" || first.Turns == 0 || len(first.Moves) != 1 || first.Moves[0].From != "nyc" || first.Moves[0].To != "ams" || first.Moves[0].Names[0] != app {
		t.Errorf("the incident is %+v", first)
	}
	s.awaitLines(t, ctx, 0, line{"incident began", map[string]string{"level": "WARN", "kind": "failover", "what": "app answers ams", "incident": first.ID}})
	awaitSaved(t, ctx, s, "ams")
	must(t, parts.Until(ctx, "the incident is saved", func(context.Context) error {
		kept, err := os.ReadFile(filepath.Join(s.setup.StateDir, "incidents.json"))
		if err == nil && !strings.Contains(string(kept), first.ID) {
			err = os.ErrNotExist
		}
		return err
	}))

	s.Kill()
	must(t, s.Start(ctx))
	again := s.awaitIncidents(t, ctx, "the incident goes on", "open", func(l []incident) bool { return len(l) == 1 })[0]
	if again.ID != first.ID || again.Turns != first.Turns {
		t.Errorf("after the restart it is %+v", again)
	}
	must(t, world.nyc.Heal(ctx))
	clients.await(t, ctx, "nyc", time.Now())
	over := s.awaitIncidents(t, ctx, "it is over", "ended", func(l []incident) bool { return len(l) == 1 })[0]
	if over.ID != first.ID || !strings.Contains(over.Text, "nyc is up, and answered as usual again") {
		t.Errorf("at the end it is %+v", over)
	}
	lines, err := s.LogLines()
	must(t, err)
	began := 0
	for _, l := range lines {
		if l.Text("msg") == "incident began" && l.Text("incident") == first.ID {
			began++
		}
	}
	if began != 1 {
		t.Errorf("the log tells %d times that an incident began", began)
	}
	if out, status := s.command(t, ctx, "incidents"); status != 0 || !strings.Contains(out, "nothing is wrong") || !strings.Contains(out, "failover") {
		t.Errorf("gslb incidents: status %d, %s", status, out)
	}
}
