package admin

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gslb/admin/api"
	"gslb/steer"
)

// refusedReload is a configuration that could be loaded, and not taken into use.
func refusedReload(now time.Time) *api.RefusedConfig {
	return &api.RefusedConfig{
		Path: "zones.toml", Hash: strings.Repeat("fed", 22)[:64], Since: now.Add(-2 * time.Minute), ProblemsTotal: 1,
		Problems: []api.ConfigProblem{{File: "zones.toml", Message: "server.listen: changed from [:53] to [:54], which needs a restart"}},
		Plan: &api.Plan{
			Path: "zones.toml", Added: []api.PlannedName{}, Removed: []api.PlannedName{}, Moved: 1, Names: 2,
			Changes:      []api.Change{{Names: []string{"app.gslb.example.com."}, NamesTotal: 1, From: "nyc", To: "ams", FromMode: steer.Normal, ToMode: steer.Normal, Why: "the configuration says so"}},
			ChangesTotal: 1, Targets: []api.PlannedTarget{}, RemovedTargets: []string{}, Restart: []string{"server.listen: changed"}, Other: []string{}, Warnings: []string{},
			Text: "zones.toml would change this:\n\n  ~ app.gslb.example.com\n      nyc -> ams\n\n  ! server.listen: changed: a reload is refused\n",
		},
	}
}

// TestRefusedReload: the page and the API say what is wrong with a configuration that is not taken into use, where,
// what it would change, and what is served instead, since when.
func TestRefusedReload(t *testing.T) {
	served := "0123456789ab, loaded 1999-12-31 23:00:00 UTC, goes on serving"
	tests := []struct {
		name   string
		change func(*api.RefusedConfig)
		want   []string
		not    string
	}{
		{"it can be loaded", func(*api.RefusedConfig) {},
			[]string{"zones.toml fedfedfedfed since", "2 min 0 s ago: 1 problem", "server.listen: changed from [:53] to [:54]", "~ app.gslb.example.com nyc -> ams", "! server.listen: changed: a reload is refused"}, "being compared"},
		{"its plan is not made yet", func(r *api.RefusedConfig) { r.Plan = nil },
			[]string{"it is being compared with what is served"}, "nyc -> ams"},
		{"it cannot be loaded", func(r *api.RefusedConfig) {
			r.Plan, r.Unplanned, r.Hash = nil, "it can't be loaded", ""
			r.Problems = []api.ConfigProblem{
				{File: "zones.toml", Line: 4, Key: "checks.web.type", Message: `found "tcpp"; did you mean "tcp"?`},
				{File: "zones.toml", Line: 9, Key: "zones.a.records", Source: "a.zone:12", Message: "found x"},
				{File: "zones.toml", Line: 12, Column: 7, Message: "expected value"},
			}
			r.ProblemsTotal = 10
		}, []string{"zones.toml since", ": 10 problems", `zones.toml:4 checks.web.type: found "tcpp"; did you mean "tcp"?`, "zones.toml:9 zones.a.records: a.zone:12 found x",
			"zones.toml:12:7 expected value", "and 7 more, which show when some of these are mended", "it can't be loaded"}, "fedfed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				w := newWorld(now)
				w.publish(now)
				refused := refusedReload(now)
				tt.change(refused)
				w.reload = ConfigStatus{At: now.Add(-time.Minute), Err: errors.New("refused"), Failures: 2, Refused: refused}
				s, _ := w.server()
				text := render(t, s, "/").text
				wantText(t, "the page", text, append(tt.want, served)...)
				if strings.Contains(text, tt.not) {
					t.Errorf("the page says %q", tt.not)
				}
				var got api.Status
				if err := json.Unmarshal(get(t, s, "/api/v1/status").Body.Bytes(), &got); err != nil {
					t.Fatal(err)
				}
				if r := got.Config.Refused; r == nil || len(r.Problems) != len(refused.Problems) || (r.Plan == nil) != (refused.Plan == nil) || r.Unplanned != refused.Unplanned {
					t.Errorf("the API says of it %+v", r)
				}
			})
		})
	}
}
