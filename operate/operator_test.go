package operate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gslb/admin/api"
	"gslb/answer"
	"gslb/override"
	"gslb/publish"
	"gslb/steer"
)

// A preview says what Put does, and does nothing.
func TestPreview(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		r := &api.OverrideRequest{Kind: "drain", Pool: "nyc", Reason: "maintenance", For: "2h"}
		preview, err := s.Preview(t.Context(), "root (socket)", r)
		if err != nil {
			t.Fatal(err)
		}
		const want = "api,app nyc→ams; shop nyc 75 % + sfo 25 %→sfo"
		if got := changes(preview.Changes); got != want || !preview.Preview || len(preview.Answers) > 0 {
			t.Errorf("it would change %q, want %q (%+v)", got, want, preview)
		}
		if len(s.book.Words().All()) > 0 {
			t.Error("the preview was kept")
		}
		s.expect(map[string]string{"app": "nyc normal 1m0s"})

		result, err := s.Put(t.Context(), "root (socket)", r)
		if err != nil {
			t.Fatal(err)
		}
		if got := changes(result.Changes); got != want || result.Preview {
			t.Errorf("it changed %q, want %q", got, want)
		}
		if got, want := answers(result.Answers), "api,app ams normal; shop sfo normal"; got != want {
			t.Errorf("answered is %q, want %q", got, want)
		}
		s.expect(map[string]string{"app": "ams normal 1m0s", "www": "ams normal 1m0s"})
		o := result.Overrides[0]
		if o.ID != "drain/nyc" || o.By != "root (socket)" || o.Until.Sub(o.Since) != 2*time.Hour || !o.Since.Equal(time.Now()) {
			t.Errorf("made is %+v", o)
		}
		time.Sleep(2*time.Hour + time.Second)
		s.expect(map[string]string{"app": "nyc normal 1m0s"})
	})
}

// A drain that leaves a name with nothing is refused, and says which; with force it is made.
func TestDrainThatLeavesNothing(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		problem := s.refused(api.OverrideRequest{Kind: "drain", Pool: "ams"}, api.LeavesNothing)
		if problem.Status != 409 || short(problem.Names) != "www" || problem.NamesTotal != 1 || !strings.Contains(problem.Detail, "nothing: www.gslb.example.com;") {
			t.Errorf("got %+v", problem)
		}
		s.put(api.OverrideRequest{Kind: "drain", Pool: "nyc"})
		problem = s.refused(api.OverrideRequest{Kind: "drain", Pool: "ams", Member: "198.51.100.10"}, api.LeavesNothing)
		if short(problem.Names) != "api,app,www" {
			t.Errorf("left with nothing: %v", problem.Names)
		}
		preview, err := s.Preview(t.Context(), "root (socket)", &api.OverrideRequest{Kind: "drain", Pool: "ams", Reason: "test"})
		if err != nil || !hasNote(preview.Notes, "3 names would be left with nothing") {
			t.Errorf("the preview says %q (%v)", preview.Notes, err)
		}
		result := s.put(api.OverrideRequest{Kind: "drain", Pool: "ams", Force: true})
		if got, want := changes(result.Changes), "api,app,www ams→ams assume_up (nothing left)"; got != want {
			t.Errorf("it changed %q, want %q", got, want)
		}
		for _, c := range result.Changes { // as the event and the log have it
			if !strings.Contains(c.Why, "ams: everything is drained, so that when_all_down decides: drained by root (socket)") {
				t.Errorf("%v: %s", c.Names, c.Why)
			}
		}
		s.expect(map[string]string{"www": "ams assume_up 5s", "app": "ams assume_up 5s", "shop": "sfo normal 1m0s"})
	})
}

// What is down already is not something that a drain takes away.
func TestDrainOfANameThatHasNothing(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		s.health.fail("203.0.113.10", "203.0.113.11", "198.51.100.10")
		synctest.Wait()
		if problem := s.refused(api.OverrideRequest{Kind: "drain", Pool: "sfo"}, api.LeavesNothing); short(problem.Names) != "shop" {
			t.Errorf("left with nothing: %v", problem.Names)
		}
		s.put(api.OverrideRequest{Kind: "drain", Pool: "nyc"})
	})
}

// A drain of a pool beside one that is down would end in an emergency.
func TestDrainBesideAPoolThatIsDown(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		s.health.fail("198.51.100.10")
		synctest.Wait()
		if problem := s.refused(api.OverrideRequest{Kind: "drain", Pool: "nyc"}, api.LeavesNothing); short(problem.Names) != "api,app" {
			t.Errorf("left with nothing: %v", problem.Names)
		}
		result := s.put(api.OverrideRequest{Kind: "drain", Pool: "nyc", Force: true})
		if got, want := changes(result.Changes), "api,app nyc→ams assume_up (nothing left); shop nyc 75 % + sfo 25 %→sfo"; got != want {
			t.Errorf("it changed %q, want %q", got, want)
		}
	})
}

// Of two drains that together leave nothing, one is refused, however close they come.
func TestDrainsAtOnce(t *testing.T) {
	perform(t, "", strings.Replace(threePools, `pools = ["ams"]`, `pools = ["nyc", "ams"]`, 1), func(t *testing.T, s *stage) {
		var wg sync.WaitGroup
		errs := make([]error, 2)
		for i, pool := range []string{"nyc", "ams"} {
			wg.Go(func() {
				_, errs[i] = s.Put(t.Context(), "root (socket)", &api.OverrideRequest{Kind: "drain", Pool: pool, Reason: "test"})
			})
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Errorf("got %v and %v, want one refusal", errs[0], errs[1])
		}
	})
}

func TestMembers(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		result := s.put(api.OverrideRequest{Kind: "drain", Pool: "nyc", Member: "::ffff:203.0.113.10"})
		if o := result.Overrides[0]; o.ID != "drain/nyc/203.0.113.10" {
			t.Errorf("made is %+v", o)
		}
		if len(result.Answers) == 0 || len(result.Answers[0].Addresses) != 1 || result.Answers[0].Addresses[0] != netip.MustParseAddr("203.0.113.11") {
			t.Errorf("answered is %+v", result.Answers)
		}
		problem := s.refused(api.OverrideRequest{Kind: "drain", Pool: "nyc", Member: "203.0.113.99"}, api.NotFound)
		if !strings.Contains(problem.Detail, "203.0.113.11") {
			t.Errorf("it does not say which there are: %s", problem.Detail)
		}
		if _, err := s.Remove(t.Context(), "root (socket)", "drain/nyc", &api.RemoveRequest{}); err == nil || !strings.Contains(err.Error(), "there is drain/nyc/203.0.113.10") {
			t.Errorf("got %v", err)
		}
	})
}

func TestForce(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		s.put(api.OverrideRequest{Kind: "force", Pool: "nyc", Status: "down"})
		s.expect(map[string]string{"app": "ams normal 1m0s"})
		s.health.fail("203.0.113.10", "203.0.113.11")
		synctest.Wait()
		result := s.put(api.OverrideRequest{Kind: "force", Pool: "nyc", Status: "up"})
		if !hasNote(result.Notes, "the probes say that the pool is down") || !hasNote(result.Notes, "it takes the place of one by root (socket)") {
			t.Errorf("the notes are %q", result.Notes)
		}
		s.expect(map[string]string{"app": "nyc normal 1m0s"})
		// Without an answer that changes, and so without a name that is concerned.
		if result := s.put(api.OverrideRequest{Kind: "force", Pool: "sfo", Status: "up"}); len(result.Changes) > 0 || !hasNote(result.Notes, "nothing is answered otherwise") {
			t.Errorf("got %+v", result)
		}
	})
}

func TestPin(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		result := s.put(api.OverrideRequest{Kind: "pin", Name: "App.gslb.Example.com", Pool: "ams"})
		if got := changes(result.Changes); got != "app nyc→ams pinned" {
			t.Errorf("it changed %q", got)
		}
		s.expect(map[string]string{"app": "ams pinned 1m0s", "api": "nyc normal 1m0s"})
		if drained := s.put(api.OverrideRequest{Kind: "drain", Pool: "ams", Force: true}); !hasNote(drained.Notes, "app.gslb.example.com is pinned to the pool") {
			t.Errorf("the notes are %q", drained.Notes)
		}
		s.expect(map[string]string{"app": "ams pinned 1m0s"})
		if problem := s.refused(api.OverrideRequest{Kind: "pin", Name: "app.gslb.example.com.", Pool: "sfo"}, api.Conflict); !strings.Contains(problem.Detail, "there are nyc, ams") {
			t.Errorf("it does not say which there are: %s", problem.Detail)
		}

		s.health.fail("203.0.113.10", "203.0.113.11")
		synctest.Wait()
		result = s.put(api.OverrideRequest{Kind: "pin", Name: "api.gslb.example.com", Pool: "nyc"})
		if !hasNote(result.Notes, "the pin is not followed at present, since the pool is down") {
			t.Errorf("the notes are %q", result.Notes)
		}
		s.put(api.OverrideRequest{Kind: "pin", Name: "api.gslb.example.com", Pool: "nyc", Force: true})
		s.expect(map[string]string{"api": "nyc pinned 1m0s"})
	})
}

func TestRemove(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		s.put(api.OverrideRequest{Kind: "drain", Pool: "nyc"})
		s.put(api.OverrideRequest{Kind: "pin", Name: "app.gslb.example.com", Pool: "ams"})
		preview, err := s.Remove(t.Context(), "ci (token)", "drain/nyc", &api.RemoveRequest{Preview: true})
		const want = "api ams→nyc; shop sfo→nyc 75 % + sfo 25 %"
		if err != nil || !preview.Preview || changes(preview.Changes) != want || len(s.book.Words().All()) != 2 {
			t.Fatalf("got %+v, %v", preview, err)
		}
		result, err := s.Remove(t.Context(), "ci (token)", "drain/nyc", &api.RemoveRequest{Reason: "done"})
		if err != nil || changes(result.Changes) != want || answers(result.Answers) != "api nyc normal; shop nyc 75 % + sfo 25 % normal" {
			t.Fatalf("got %+v, %v", result, err)
		}
		if result, err = s.Remove(t.Context(), "ci (token)", "pin/APP.gslb.example.com", &api.RemoveRequest{}); err != nil || result.Total != 1 {
			t.Errorf("got %+v, %v", result, err)
		}
		s.expect(map[string]string{"app": "nyc normal 1m0s"})
		var problem *api.Problem
		if _, err = s.Remove(t.Context(), "ci (token)", "drain/nyc", &api.RemoveRequest{}); !errors.As(err, &problem) || problem.Type != api.NotFound {
			t.Errorf("got %v", err)
		}
		if _, err = s.Remove(t.Context(), "ci (token)", "drain/nyc", &api.RemoveRequest{Reason: "a\nb"}); !errors.As(err, &problem) || problem.Type != api.BadRequest {
			t.Errorf("got %v", err)
		}
	})
}

func TestClear(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		if result, err := s.Clear(t.Context(), "ci (token)", &api.RemoveRequest{}); err != nil || result.Total != 0 {
			t.Errorf("got %+v, %v", result, err)
		}
		s.put(api.OverrideRequest{Kind: "drain", Pool: "nyc"})
		s.put(api.OverrideRequest{Kind: "force", Pool: "sfo", Status: "down"})
		result, err := s.Clear(t.Context(), "ci (token)", &api.RemoveRequest{})
		if err != nil || result.Total != 2 || len(s.Overrides().Overrides) != 0 {
			t.Errorf("got %+v, %v", result, err)
		}
		s.expect(map[string]string{"app": "nyc normal 1m0s"})
	})
}

func TestRequestsThatAreNotValid(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		for _, test := range []struct {
			want string
			r    api.OverrideRequest
		}{
			{`kind: "" is not`, api.OverrideRequest{Pool: "nyc"}},
			{`kind: "slow" is not`, api.OverrideRequest{Kind: "slow", Pool: "nyc"}},
			{"pool: it is missing", api.OverrideRequest{Kind: "drain"}},
			{"name: a drain is about a pool", api.OverrideRequest{Kind: "drain", Pool: "nyc", Name: "app.gslb.example.com"}},
			{"name: it is missing", api.OverrideRequest{Kind: "pin", Pool: "nyc"}},
			{"member: a pin", api.OverrideRequest{Kind: "pin", Name: "app.gslb.example.com", Pool: "nyc", Member: "203.0.113.10"}},
			{`member: "x" is not`, api.OverrideRequest{Kind: "drain", Pool: "nyc", Member: "x"}},
			{`member: "fe80::1%eth0" is not`, api.OverrideRequest{Kind: "drain", Pool: "nyc", Member: "fe80::1%eth0"}},
			{"status: a force is up or down", api.OverrideRequest{Kind: "force", Pool: "nyc"}},
			{`status: "unknown" is not`, api.OverrideRequest{Kind: "force", Pool: "nyc", Status: "unknown"}},
			{"status: a drain has none", api.OverrideRequest{Kind: "drain", Pool: "nyc", Status: "down"}},
			{`for: "2 hours" is not`, api.OverrideRequest{Kind: "drain", Pool: "nyc", For: "2 hours"}},
			{"for: an override that ends lasts", api.OverrideRequest{Kind: "drain", Pool: "nyc", For: "0.5s"}},
			{"for: an override that ends lasts", api.OverrideRequest{Kind: "drain", Pool: "nyc", For: "-1h"}},
			{"for: an override that ends lasts", api.OverrideRequest{Kind: "drain", Pool: "nyc", For: "8761h"}},
			{"for: there is until", api.OverrideRequest{Kind: "drain", Pool: "nyc", For: "1h", Until: time.Now().Add(time.Hour)}},
			{"until: an override that ends lasts", api.OverrideRequest{Kind: "drain", Pool: "nyc", Until: time.Now()}},
			{"reason: it has a line break", api.OverrideRequest{Kind: "drain", Pool: "nyc", Reason: "a\nb"}},
			{"reason: it is missing", api.OverrideRequest{Kind: "drain", Pool: "nyc", Reason: " "}},
		} {
			if problem := s.refused(test.r, api.BadRequest); !strings.HasPrefix(problem.Detail, test.want) {
				t.Errorf("%+v: got %q, want %q", test.r, problem.Detail, test.want)
			}
		}
		if problem := s.refused(api.OverrideRequest{Kind: "drain", Pool: "NYC"}, api.NotFound); !strings.Contains(problem.Detail, "there are ams, nyc, sfo") {
			t.Errorf("got %q", problem.Detail)
		}
		s.refused(api.OverrideRequest{Kind: "pin", Name: "none.gslb.example.com", Pool: "nyc"}, api.NotFound)
	})
}

// What lacks an end, or what it is about, is said.
func TestOverridesList(t *testing.T) {
	dir := t.TempDir()
	perform(t, dir, threePools, func(t *testing.T, s *stage) {
		result, err := s.Put(t.Context(), "ci (token)", &api.OverrideRequest{Kind: "drain", Pool: "nyc", Reason: "test"})
		if err != nil || !hasNote(result.Notes, "it has no end") || hasNote(result.Notes, "a restart forgets it") {
			t.Fatalf("got %+v, %v", result, err)
		}
		s.put(api.OverrideRequest{Kind: "pin", Name: "app.gslb.example.com", Pool: "ams"})
		without := strings.ReplaceAll(threePools, "nyc", "lon")
		if err := s.publisher.Use(t.Context(), parse(t, without)); err != nil {
			t.Fatal(err)
		}
		list := s.Overrides()
		if len(list.Overrides) != 2 || list.Total != 2 || !list.Kept || list.SetAside != "" {
			t.Fatalf("got %+v", list)
		}
		if o := list.Overrides[0]; o.ID != "drain/nyc" || !o.Unmatched || !o.Until.IsZero() || o.By != "ci (token)" {
			t.Errorf("got %+v", o)
		}
		if o := list.Overrides[1]; o.ID != "pin/app.gslb.example.com." || o.Unmatched {
			t.Errorf("got %+v", o)
		}
	})
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		if result := s.put(api.OverrideRequest{Kind: "drain", Pool: "nyc"}); !hasNote(result.Notes, "a restart forgets it") || s.Overrides().Kept {
			t.Errorf("the notes are %q", result.Notes)
		}
	})
}

// Nothing is kept before something is served.
func TestBeforeTheStart(t *testing.T) {
	op := New(Options{Book: brokenBook{}, Publisher: idle{}, Logger: slog.New(slog.DiscardHandler)})
	var problem *api.Problem
	if _, err := op.Put(t.Context(), "x", &api.OverrideRequest{Kind: "drain", Pool: "nyc", Reason: "test"}); !errors.As(err, &problem) || problem.Type != api.Unavailable {
		t.Errorf("got %v", err)
	}
	if list := op.Overrides(); len(list.Overrides) != 0 {
		t.Errorf("got %+v", list)
	}
}

// brokenBook keeps nothing.
type brokenBook struct{ err error }

func (brokenBook) Words() *override.Words                         { return nil }
func (b brokenBook) Put(context.Context, override.Override) error { return b.err }
func (b brokenBook) Advance(context.Context, *override.Override, *override.Override) error {
	return b.err
}
func (b brokenBook) Remove(context.Context, []string, string, string) ([]override.Override, error) {
	return nil, b.err
}
func (brokenBook) Kept() bool         { return true }
func (brokenBook) SetAside() []string { return nil }

// idle serves nothing.
type idle struct{}

func (idle) Table() *answer.Table         { return nil }
func (idle) Outcome() *steer.Outcome      { return nil }
func (idle) Settle(context.Context) error { return nil }

func (idle) Failback(context.Context, ...string) ([]*publish.AnswerChange, error) { return nil, nil }

// What the disk does not take is refused, and what is served late is said.
func TestKeptAndServed(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		r := &api.OverrideRequest{Kind: "drain", Pool: "nyc", Reason: "test"}
		for _, test := range []struct {
			err  error
			want string
		}{
			{fmt.Errorf("%w: it hangs", override.ErrDisk), api.NotKept},
			{fmt.Errorf("%w: 10000", override.ErrFull), api.Conflict},
			{context.Canceled, api.Unavailable},
		} {
			op := New(Options{Book: brokenBook{test.err}, Publisher: s.publisher, Logger: slog.New(slog.DiscardHandler)})
			var problem *api.Problem
			if _, err := op.Put(t.Context(), "x", r); !errors.As(err, &problem) || problem.Type != test.want {
				t.Errorf("%v: got %v", test.err, err)
			}
		}
		op := New(Options{Book: s.book, Publisher: busy{s.publisher}, Logger: slog.New(slog.DiscardHandler)})
		began := time.Now()
		result, err := op.Put(t.Context(), "x", r)
		if err != nil || !hasNote(result.Notes, "it is kept, and not answered yet") || time.Since(began) > settleWait {
			t.Errorf("got %+v, %v after %s", result, err, time.Since(began))
		}
	})
}

// busy does not come to publish.
type busy struct{ Publisher }

func (busy) Settle(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// A command waits for the one before, and no longer than its caller does.
func TestCommandsWait(t *testing.T) {
	perform(t, "", threePools, func(t *testing.T, s *stage) {
		_, end, err := s.begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var problem *api.Problem
		if _, err := s.Put(ctx, "x", &api.OverrideRequest{Kind: "drain", Pool: "nyc", Reason: "test"}); !errors.As(err, &problem) || problem.Type != api.Unavailable {
			t.Errorf("got %v", err)
		}
		end()
		s.put(api.OverrideRequest{Kind: "drain", Pool: "nyc"})
	})
}
