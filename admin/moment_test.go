package admin

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/admin/api"
	"gslb/answer"
	"gslb/health"
	"gslb/override"
	"gslb/publish"
	"gslb/steer"
	"gslb/zones"
)

// TestModes follows one name through every way in which its answer can come about.
func TestModes(t *testing.T) {
	down := func(w *world, regions ...health.TargetID) {
		for _, id := range regions {
			w.fail(id, time.Now(), "timeout", "")
		}
	}
	const east, west = "table@us-east-1", "table@eu-west-1"
	nycDown := "nyc: 2 of 2 members up, 1 needed: table@us-east-1 is down: timeout"
	amsDown := "ams: 1 of 1 members up, 1 needed: table@eu-west-1 is down: timeout"
	tests := []struct {
		name      string
		prepare   func(w *world, s *zones.Steering)
		mode      steer.Mode
		pool      string
		preferred int
		why       string
	}{
		{"the first is up", func(*world, *zones.Steering) {},
			steer.Normal, "nyc", 1, "nyc: 2 of 2 members up, 1 needed"},
		{"the second is up", func(w *world, _ *zones.Steering) { down(w, east) },
			steer.Normal, "ams", 0, nycDown},
		{"nothing is known", func(w *world, _ *zones.Steering) {
			w.report(east).State = health.State{}
			down(w, west)
		}, steer.Untested, "nyc", 0, "nyc: 2 of 2 members up, 1 needed: table@us-east-1 has no verdict yet; " + amsDown},
		{"none is left: assume_up", func(w *world, _ *zones.Steering) { down(w, east, west) },
			steer.AssumeUp, "nyc", 0, nycDown + "; " + amsDown},
		{"none is left: servfail", func(w *world, s *zones.Steering) {
			down(w, east, west)
			s.WhenAllDown = zones.ServFail
		}, steer.ServFail, "", 0, nycDown + "; " + amsDown},
		{"none is left: fallback", func(w *world, s *zones.Steering) {
			down(w, east)
			s.Pools, s.Routes[0].Tiers = s.Pools[:1], s.Routes[0].Tiers[:1]
			s.WhenAllDown, s.Fallback = zones.UseFallback, w.set.Pools[ams]
		}, steer.Fallback, "ams", 0, nycDown + "; ams: the fallback: 1 of 1 members up, 1 needed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(time.Now())
			app := w.set.Zones[0].Names[0]
			w.set.Zones[0].Names = []*zones.Name{app}
			tt.prepare(w, app.Steering)
			w.publish(time.Now())
			s, _ := w.server()
			record(s, []publish.Event{{Answer: &publish.AnswerChange{To: *w.table.Decisions()[0], Names: []*zones.Name{app}}}})

			st := status(t, s, "/api/status?name=app.gslb.example.com")
			if got := st.Names[0]; got.Mode != tt.mode || got.Pool != tt.pool {
				t.Errorf("mode %s, pool %q, want %s, %q", got.Mode, got.Pool, tt.mode, tt.pool)
			}
			wantCounts := api.NameCounts{Total: 1, Preferred: tt.preferred, Modes: map[steer.Mode]int{tt.mode: 1}}
			if diff := cmp.Diff(wantCounts, st.Summary.Names); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.why, st.Events[0].Why); diff != "" {
				t.Errorf("cause of the event (-want +got):\n%s", diff)
			}
			if got := transform(st.Pools, func(p api.Pool) string { return p.Name }); !cmp.Equal(got, []string{"ams", "nyc"}) {
				t.Errorf("pools of the name are %v, want both", got)
			}
		})
	}
}

// TestFailbackToCome: why the second pool is answered although the first is up, and until
// when, can be read.
func TestFailbackToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		w, _ := failedOver(now)
		steering := w.set.Steerings[0]
		steering.FailbackAfter = 5 * time.Minute
		memory := steer.Step(w.set, steer.Input{Snapshot: w.snapshot(now), Now: now}, steer.Memory{}).Memory()
		w.report("table@us-east-1").State.Status = health.Up
		back := now.Add(time.Minute)
		outcome := steer.Step(w.set, steer.Input{Snapshot: w.snapshot(back), Now: back}, memory)
		w.table = answer.Compile(w.set, outcome.Pools, outcome.Decisions)

		s, _ := w.server()
		app := status(t, s, "/api/status").Names[0]
		if want := back.Add(5 * time.Minute); app.Pool != "ams" || !app.Revisit.Equal(want) {
			t.Errorf("answered with %s, revisited at %s, want ams and %s", app.Pool, app.Revisit, want)
		}
		wantText(t, "the row of the name", render(t, s, "/").rows["app.gslb.example.com."], "Decided again in 6 min 0 s.")
	})
}

func TestStale(t *testing.T) {
	const threshold = 3*5*time.Second + 2*time.Second
	tests := []struct {
		name   string
		change func(w *world, r *health.Report, now time.Time)
		want   bool
	}{
		{"judged a moment ago", func(*world, *health.Report, time.Time) {}, false},
		{"judged just in time", func(_ *world, r *health.Report, now time.Time) { r.Judged = now.Add(-threshold) }, false},
		{"judged too long ago", func(_ *world, r *health.Report, now time.Time) { r.Judged = now.Add(-threshold - 1) }, true},
		{"probed, but not judged, for too long", func(_ *world, r *health.Report, now time.Time) {
			r.Judged = now.Add(-threshold - 1)
			r.Last = health.Result{Verdict: health.Indeterminate, Reason: "credentials"}
		}, true},
		{"never judged since a start an hour ago", func(_ *world, r *health.Report, _ time.Time) { r.Judged = time.Time{} }, true},
		{"never judged since a start a moment ago", func(w *world, r *health.Report, now time.Time) {
			r.Judged, w.started, w.set.Loaded = time.Time{}, now.Add(-time.Second), now.Add(-time.Hour)
		}, false},
		{"never judged since a reload a moment ago", func(w *world, r *health.Report, now time.Time) {
			r.Judged, w.set.Loaded = time.Time{}, now.Add(-time.Second)
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(time.Now())
				tt.change(w, w.report("web@203.0.113.10"), time.Now())
				w.publish(time.Now())
				s, _ := w.server()
				st := status(t, s, "/api/status?q=web@203.0.113.10")
				if got := st.Targets[0].Stale; got != tt.want {
					t.Errorf("stale is %t, want %t", got, tt.want)
				}
				if got := st.Summary.Targets.Stale == 1; got != tt.want {
					t.Errorf("the summary counts %d stale", st.Summary.Targets.Stale)
				}
				if got := st.Targets[0].StaleAfter; got != threshold.Seconds() {
					t.Errorf("stale after %v s, want %v", got, threshold.Seconds())
				}
			})
		})
	}
}

// A name that is pinned has a row, a place in the counts and metrics of its own beside those that are
// steered alike.
func TestPinnedNames(t *testing.T) {
	now := time.Now()
	w := newWorld(now)
	w.addNames(3, nyc, ams) // many, n000000 and n000001
	names := w.set.Zones[0].Names
	slices.SortFunc(names, func(a, b *zones.Name) int { return strings.Compare(a.Name, b.Name) })
	pinned := "n000001.gslb.example.com."
	w.words = override.NewWords([]override.Override{{Kind: override.Pin, Name: pinned, Pool: "ams", By: "me", Reason: "a test"}})
	w.publish(now)
	s, _ := w.server()

	st := status(t, s, "/api/status")
	got := make(map[string]string)
	for _, n := range st.Names {
		got[n.Name] = string(n.Mode) + " " + n.Pool
	}
	want := map[string]string{
		"app.gslb.example.com.": "normal nyc", "www.gslb.example.com.": "normal ams", "many.gslb.example.com.": "normal nyc",
		"n000000.gslb.example.com.": "normal nyc", pinned: "pinned ams",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	counts := api.NameCounts{Total: 5, Preferred: 4, Modes: map[steer.Mode]int{steer.Normal: 4, steer.Pinned: 1}}
	if diff := cmp.Diff(counts, st.Summary.Names); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if found := status(t, s, "/api/status?q=pinned+to+ams").Names; len(found) != 1 || found[0].Name != pinned {
		t.Errorf("found by its reason: %d names", len(found))
	}
	body := get(t, s, "/?name="+pinned).Body.String()
	if !strings.Contains(body, "pinned to ams by me: a test") {
		t.Errorf("the page does not say why:\n%s", body)
	}
	metrics := get(t, s, "/metrics").Body.String()
	for _, line := range []string{
		`gslb_names{mode="pinned"} 1`, `gslb_names{mode="normal"} 4`, `gslb_pool_names{pool="ams"} 2`, `gslb_pool_names{pool="nyc"} 3`,
		`gslb_name_mode{mode="pinned",name="` + pinned + `",zone="gslb.example.com."} 1`,
		`gslb_name_pool{name="` + pinned + `",pool="ams",zone="gslb.example.com."} 1`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("no %s in\n%s", line, metrics)
		}
	}
	if strings.Contains(metrics, `gslb_name_pool{name="`+pinned+`",pool="nyc"`) {
		t.Error("the metrics have what the others are answered with")
	}
}
