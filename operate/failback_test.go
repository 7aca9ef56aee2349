package operate

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gslb/admin/api"
	"gslb/journal"
)

// recovered has nyc recover a moment ago, where names have some keys beside those of threePools.
func recovered(t *testing.T, keys string, play func(t *testing.T, s *stage)) {
	text := strings.ReplaceAll(threePools, `pools = ["nyc", "ams"]`, `pools = ["nyc", "ams"]`+"\n"+keys)
	perform(t, "", text, func(t *testing.T, s *stage) {
		s.health.fail("203.0.113.10", "203.0.113.11")
		synctest.Wait()
		time.Sleep(time.Hour)
		s.health.fail()
		synctest.Wait()
		play(t, s)
	})
}

// A name whose failback is manual returns alone, and says who had it do so.
func TestManualFailback(t *testing.T) {
	recovered(t, `failback = "manual"`, func(t *testing.T, s *stage) {
		time.Sleep(24 * time.Hour)
		s.expect(map[string]string{"app": "ams normal 1m0s", "api": "ams normal 1m0s"})
		shown, err := s.PreviewFailback(t.Context(), strings.ToUpper(app))
		if err != nil || changes(shown.Changes) != "app ams→nyc" || shown.NamesTotal != 1 {
			t.Fatalf("the preview is %+v, %v", shown, err)
		}
		s.expect(map[string]string{"app": "ams normal 1m0s", "api": "ams normal 1m0s"})
		result, err := s.Failback(t.Context(), "ana (token)", strings.ToUpper(app))
		if err != nil || changes(result.Changes) != "app ams→nyc" || answers(result.Answers) != "app nyc normal" || result.NamesTotal != 1 {
			t.Fatalf("got %+v, %v", result, err)
		}
		s.expect(map[string]string{"app": "nyc normal 1m0s", "api": "ams normal 1m0s"})
		if e := s.told[len(s.told)-1]; e.Kind != journal.Failback || e.By != "ana (token)" || e.From != "ams" || e.To != "nyc" || e.Subject != app+"." {
			t.Errorf("told was %+v", e)
		}
		if shown, err = s.PreviewFailback(t.Context(), app); err != nil || len(shown.Changes) > 0 || !hasNote(shown.Notes, "nothing waits") {
			t.Errorf("the preview again: %+v, %v", shown, err)
		}
		if result, err = s.Failback(t.Context(), "ana (token)", app); err != nil || len(result.Changes) > 0 || !hasNote(result.Notes, "nothing was waiting") {
			t.Errorf("again: %+v, %v", result, err)
		}
	})
}

// Names that share their routes return together.
func TestFailbackEndsTheWait(t *testing.T) {
	recovered(t, `failback_after = "1h"`, func(t *testing.T, s *stage) {
		s.expect(map[string]string{"app": "ams normal 1m0s"})
		result, err := s.Failback(t.Context(), "ana (token)", app)
		if err != nil || changes(result.Changes) != "api,app ams→nyc" || short(result.Names) != "api,app" || !hasNote(result.Notes, "have returned with it") {
			t.Fatalf("got %+v, %v", result, err)
		}
		s.expect(map[string]string{"app": "nyc normal 1m0s", "api": "nyc normal 1m0s"})
	})
}

func TestFailbackOfAPinnedName(t *testing.T) {
	recovered(t, `failback = "manual"`, func(t *testing.T, s *stage) {
		s.put(api.OverrideRequest{Kind: "pin", Name: app, Pool: "ams"})
		if result, err := s.Failback(t.Context(), "ana (token)", app); err != nil || !hasNote(result.Notes, "is pinned to ams, which is stronger") {
			t.Errorf("got %+v, %v", result, err)
		}
		s.expect(map[string]string{"app": "ams pinned 1m0s"})
	})
}

func TestFailbackOfNothing(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		var problem *api.Problem
		if _, err := s.Failback(t.Context(), "x", "none.gslb.example.com"); !errors.As(err, &problem) || problem.Type != api.NotFound {
			t.Errorf("got %v", err)
		}
	})
}
