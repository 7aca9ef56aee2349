package operate

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gslb/admin/api"
)

// foreseen is a preview of a move in a few words: its changes, and how its stages begin.
func foreseen(t *testing.T, shown *api.SwitchPreview, err error, stages ...string) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(shown.Stages) != len(stages) {
		t.Errorf("the stages are %q", shown.Stages)
	}
	for i, text := range shown.Stages[:min(len(stages), len(shown.Stages))] {
		if !strings.Contains(text, stages[i]) {
			t.Errorf("stage %d is %q, want %q", i, text, stages[i])
		}
	}
	var changes []string
	for _, c := range shown.Changes {
		changes = append(changes, c.From+"→"+c.To)
	}
	return strings.Join(changes, " ") + " " + strings.Join(shown.Notes, "; ")
}

// A preview changes nothing, and says what the move or its abort then does.
func TestForesee(t *testing.T) {
	perform(t, t.TempDir(), threePools, func(t *testing.T, s *stage) {
		preview := func(to string) (*api.SwitchPreview, error) {
			return s.PreviewSwitch(t.Context(), "you", app, &api.SwitchRequest{To: to})
		}
		shown, err := preview("ams")
		if got := foreseen(t, shown, err, "the TTL goes to 5s, and the old one of 1m0s", "After 1m0s ams is answered", "stays pinned to ams"); got != "nyc→ams " {
			t.Errorf("the move is foreseen as %q", got)
		}
		s.expect(map[string]string{"app": "nyc normal 1m0s"})
		if list := s.Overrides().Overrides; len(list) > 0 {
			t.Errorf("a preview is kept: %+v", list)
		}

		s.move("ams")
		if _, err := preview("ams"); err == nil || !strings.Contains(err.Error(), "abort that first") {
			t.Errorf("a second move is foreseen: %v", err)
		}
		shown, err = s.PreviewAbort(t.Context(), app)
		if got := foreseen(t, shown, err, "the probes decide again"); got != " nothing is answered otherwise" {
			t.Errorf("the abort before the answer has moved is foreseen as %q", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		shown, err = s.PreviewAbort(t.Context(), app)
		if got := foreseen(t, shown, err, "the probes decide again"); got != "ams→nyc " {
			t.Errorf("the abort after it is foreseen as %q", got)
		}
		if _, err := s.Abort(t.Context(), "ada", app); err != nil {
			t.Fatal(err)
		}
		if _, err := s.PreviewAbort(t.Context(), app); err == nil || !strings.Contains(err.Error(), "is not being moved") {
			t.Errorf("there is nothing to abort: %v", err)
		}

		s.put(api.OverrideRequest{Kind: "pin", Name: app, Pool: "ams", For: "90s"})
		s.move("nyc")
		shown, err = s.PreviewAbort(t.Context(), app)
		foreseen(t, shown, err, "pinned to ams again")
	})
}

// Where data is replicated, the stages say what is waited for and what may be lost.
func TestForeseeFence(t *testing.T) {
	b := newTable(5 * time.Second)
	fenced(t, "", b, func(t *testing.T, s *stage) {
		for loss, text := range map[bool]string{false: "the move is aborted, and writing begins again", true: "clients miss what has not arrived"} {
			shown, err := s.PreviewSwitch(t.Context(), "you", app, &api.SwitchRequest{To: "ams", Wait: "90s", AcceptLoss: loss})
			foreseen(t, shown, err, "the old one of 1m0s", "hook stop_writes ends writing in us", "awaited in eu for at most 1m30s", "accept_writes begins writing in eu", "The last clients follow")
			if err == nil && !strings.Contains(shown.Stages[2], text) {
				t.Errorf("accept_loss %t: %q", loss, shown.Stages[2])
			}
		}
		s.moveFenced(api.SwitchRequest{Wait: "90s"})
		time.Sleep(time.Minute + 3*time.Second)
		s.phase(api.SwitchAwaitsMarks, "")
		shown, err := s.PreviewAbort(t.Context(), app)
		foreseen(t, shown, err, "Writing begins again in us", "the probes decide again")
		time.Sleep(4 * time.Second)
		if _, err := s.PreviewAbort(t.Context(), app); err == nil || !strings.Contains(err.Error(), "has moved to ams") {
			t.Errorf("the answer has moved: %v", err)
		}
	})
}
