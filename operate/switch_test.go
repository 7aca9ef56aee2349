package operate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gslb/admin/api"
	"gslb/journal"
)

const app = "app.gslb.example.com"

// move begins a planned move of app.
func (s *stage) move(to string) *api.Switch {
	s.t.Helper()
	shown, err := s.Switch(s.t.Context(), "ana (token)", app, &api.SwitchRequest{To: to, Reason: "new hardware"})
	if err != nil {
		s.t.Fatal(err)
	}
	return shown
}

func (s *stage) phase(want api.Phase, detail string) *api.Switch {
	s.t.Helper()
	shown, err := s.SwitchOf(s.t.Context(), strings.ToUpper(app))
	if err != nil {
		s.t.Fatal(err)
	}
	if shown.Phase != want || !strings.Contains(shown.Detail, detail) {
		s.t.Errorf("it is %s (%s), want %s (%s)", shown.Phase, shown.Detail, want, detail)
	}
	return shown
}

// heard is the phases that were told of.
func (s *stage) heard() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, e := range s.told {
		if e.Kind == journal.Switch {
			list = append(list, e.From+"→"+e.To+": "+e.Why)
		}
	}
	return strings.Join(list, "; ")
}

// First the TTL is low, until nobody has an answer with the old one; then the answer moves.
func TestSwitch(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		began := time.Now()
		shown := s.move("ams")
		if shown.From != "nyc" || shown.To != "ams" || shown.By != "ana (token)" || !shown.Move.Equal(began.Add(time.Minute)) || !shown.Settled.Equal(began.Add(2*time.Minute)) {
			t.Errorf("got %+v", shown)
		}
		s.phase(api.SwitchLowersTTL, "answers have a low TTL")
		s.expect(map[string]string{"app": "nyc normal 5s", "api": "nyc normal 1m0s"})
		time.Sleep(time.Minute - time.Millisecond)
		s.expect(map[string]string{"app": "nyc normal 5s"})
		time.Sleep(time.Millisecond)
		synctest.Wait()
		s.expect(map[string]string{"app": "ams pinned 1m0s", "api": "nyc normal 1m0s"})
		s.phase(api.SwitchWatches, "the last clients follow by")
		time.Sleep(time.Minute)
		s.phase(api.SwitchDone, "the pin stays until gslb unpin "+app)
		time.Sleep(time.Hour)
		s.expect(map[string]string{"app": "ams pinned 1m0s"})
		if got := s.heard(); strings.Count(got, "nyc→ams: ") != 2 {
			t.Errorf("told was %q", got)
		}
		if list := s.Overrides().Overrides; len(list) != 1 || list[0].Switch == nil || list[0].Switch.Phase != api.SwitchDone {
			t.Errorf("listed is %+v", list)
		}
	})
}

// A restart at any time goes on where the move was.
func TestSwitchOverARestart(t *testing.T) {
	dir := t.TempDir()
	var lived time.Duration
	for _, act := range []struct {
		answered string
		phase    api.Phase
		lasts    time.Duration // then the process ends
	}{
		{"nyc normal 5s", api.SwitchLowersTTL, 30 * time.Second},
		{"nyc normal 5s", api.SwitchLowersTTL, 45 * time.Second},
		{"ams pinned 1m0s", api.SwitchWatches, 45 * time.Second},
		{"ams pinned 1m0s", api.SwitchDone, time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) { // whose clock begins at the same time again
			time.Sleep(lived)
			s, end := open(t, dir, threePools)
			defer end()
			if lived == 0 {
				s.move("ams")
			}
			s.expect(map[string]string{"app": act.answered})
			s.phase(act.phase, "")
			time.Sleep(act.lasts)
		})
		lived += act.lasts
	}
}

func TestAbort(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		for _, at := range []time.Duration{10 * time.Second, 90 * time.Second, time.Hour} {
			s.move("ams")
			time.Sleep(at)
			shown, err := s.Abort(t.Context(), "ci (token)", app)
			if err != nil || shown.Phase != api.SwitchAborted || !strings.Contains(shown.Detail, "it is answered with nyc") {
				t.Errorf("after %s: %+v, %v", at, shown, err)
			}
			s.expect(map[string]string{"app": "nyc normal 1m0s"})
		}
		var problem *api.Problem
		if _, err := s.Abort(t.Context(), "ci (token)", app); !errors.As(err, &problem) || problem.Type != api.NotFound {
			t.Errorf("again: %v", err)
		}
	})
}

// A name that is pinned stays where it is until the move, and goes back there when that is aborted.
func TestSwitchOfAPinnedName(t *testing.T) {
	perform(t, t.TempDir(), threePools, func(t *testing.T, s *stage) {
		s.put(api.OverrideRequest{Kind: "pin", Name: app, Pool: "ams", For: "90s"})
		s.move("nyc")
		s.expect(map[string]string{"app": "ams pinned 5s"})
		if _, err := s.Abort(t.Context(), "ci (token)", app); err != nil {
			t.Fatal(err)
		}
		s.expect(map[string]string{"app": "ams pinned 1m0s"})
		if _, err := s.SwitchOf(t.Context(), app); err == nil || !strings.Contains(err.Error(), "is pinned to ams, and is not being moved") {
			t.Errorf("got %v", err)
		}
		s.move("nyc")
		s.health.fail("198.51.100.10")
		synctest.Wait()
		s.expect(map[string]string{"app": "nyc normal 5s"}) // a pin to a pool that is down is not followed
		s.health.fail()
		synctest.Wait()
		s.expect(map[string]string{"app": "ams pinned 5s"})
		time.Sleep(time.Minute + time.Second)
		s.expect(map[string]string{"app": "nyc pinned 1m0s"})
		time.Sleep(time.Minute) // the first pin would have ended
		if _, err := s.Abort(t.Context(), "ci (token)", app); err != nil {
			t.Fatal(err)
		}
		s.expect(map[string]string{"app": "nyc normal 1m0s"})
	})
}

func TestSwitchThatIsRefused(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		refused := func(name string, r api.SwitchRequest, kind, detail string) {
			t.Helper()
			var problem *api.Problem
			if _, err := s.Switch(t.Context(), "x", name, &r); !errors.As(err, &problem) || problem.Type != kind || !strings.Contains(problem.Detail, detail) {
				t.Errorf("%s %+v: got %v, want %s", name, r, err, kind)
			} else if _, again := s.PreviewSwitch(t.Context(), "x", name, &r); fmt.Sprint(again) != fmt.Sprint(err) {
				t.Errorf("%s %+v: the preview says %v, the move %v", name, r, again, err)
			}
		}
		refused(app, api.SwitchRequest{To: "nyc"}, api.Conflict, "answers with nyc already")
		refused(app, api.SwitchRequest{To: "sfo"}, api.Conflict, "there are nyc, ams")
		refused(app, api.SwitchRequest{To: "none"}, api.NotFound, "there is no pool")
		refused("none.gslb.example.com", api.SwitchRequest{To: "ams"}, api.NotFound, "there is no steered name")
		refused(app, api.SwitchRequest{To: "ams", Reason: " "}, api.BadRequest, "reason: it is missing")
		s.put(api.OverrideRequest{Kind: "drain", Pool: "ams", Force: true})
		refused(app, api.SwitchRequest{To: "ams"}, api.NotUsable, `pool "ams" is drained`)
		if _, err := s.Clear(t.Context(), "x", &api.RemoveRequest{}); err != nil {
			t.Fatal(err)
		}
		s.health.fail("198.51.100.10")
		synctest.Wait()
		refused(app, api.SwitchRequest{To: "ams"}, api.NotUsable, `pool "ams" is down`)
		if _, err := s.Switch(t.Context(), "x", app, &api.SwitchRequest{To: "ams", Reason: "test", Force: true}); err != nil {
			t.Error(err)
		}
		refused(app, api.SwitchRequest{To: "nyc"}, api.Conflict, "is about to move to ams")
		time.Sleep(2 * time.Minute)
		s.expect(map[string]string{"app": "ams pinned 1m0s"})
		var problem *api.Problem
		if _, err := s.SwitchOf(t.Context(), "api.gslb.example.com"); !errors.As(err, &problem) || problem.Type != api.NotFound {
			t.Errorf("got %v", err)
		}
	})
}

// A pool that fails when the time has come, or after it, is not answered, which is said.
func TestSwitchToAPoolThatFails(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		s.move("ams")
		s.health.fail("198.51.100.10")
		synctest.Wait()
		s.phase(api.SwitchLowersTTL, "the pool is down")
		time.Sleep(61 * time.Second)
		s.expect(map[string]string{"app": "nyc normal 1m0s"})
		s.phase(api.SwitchWatches, "ams is not answered, since it is down")
		s.health.fail()
		time.Sleep(2 * time.Second)
		s.expect(map[string]string{"app": "ams pinned 1m0s"})
		s.health.fail("198.51.100.10")
		time.Sleep(2 * time.Second)
		s.health.fail()
		time.Sleep(time.Hour)
		want := []string{"is not answered", "is answered; the last", "is not answered", "is answered; the last", "is answered, and all clients"}
		got := strings.Split(s.heard(), "nyc→ams: ")[1:]
		if len(got) != len(want) || slices.ContainsFunc([]int{0, 1, 2, 3, 4}, func(i int) bool { return !strings.Contains(got[i], want[i]) }) {
			t.Errorf("told was %q", got)
		}
	})
}

// A move whose name or pool a reload has removed says so, and harms nobody.
func TestSwitchOfWhatIsGone(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		s.move("ams")
		without := strings.ReplaceAll(threePools, "names.app", "names.other")
		if err := s.publisher.Use(t.Context(), parse(t, without)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		shown, err := s.SwitchOf(t.Context(), app)
		if err != nil || !strings.Contains(shown.Detail, "the configuration does not have the name") {
			t.Errorf("got %+v, %v", shown, err)
		}
		if shown, err = s.Abort(t.Context(), "x", app); err != nil || shown.Phase != api.SwitchAborted {
			t.Errorf("got %+v, %v", shown, err)
		}
	})
}
