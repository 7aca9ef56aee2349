package operate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/admin/api"
	"gslb/health"
	"gslb/zones/config"
	"gslb/zones/problem"
)

// TestRefused: each way in which a configuration is refused, as people are told of it.
func TestRefused(t *testing.T) {
	parsed := func(content string) error {
		_, err := config.Parse([]byte(content), "zones.toml", config.LoadOptions{Now: noon})
		if err == nil {
			t.Fatalf("this is valid:\n%s", content)
		}
		return err
	}
	at := strings.Count(common+twoPools, "\n") + 1 // the line of what is appended
	many := &problem.Errors{More: 900}
	for i := range problem.Shown {
		many.Problems = append(many.Problems, &problem.Problem{File: "zones.toml", Line: i + 1, Message: "bad"})
	}
	tests := []struct {
		name  string
		err   error
		want  []api.ConfigProblem // the first of them
		total int
	}{
		{"it does not parse", parsed("[server]\nlisten = [\n[a]\n"),
			[]api.ConfigProblem{{File: "zones.toml", Line: 3, Column: 2, Message: `expected value but found "a" instead`}}, 1},
		{"it is not valid", parsed(common + twoPools + "min_upp = 1\n" + oneZone),
			[]api.ConfigProblem{{File: "zones.toml", Line: at, Key: "pools.ams.min_upp", Message: `unknown key "min_upp"; did you mean "min_up"?`}}, 1},
		{"more is wrong than is shown", many, []api.ConfigProblem{{File: "zones.toml", Line: 1, Message: "bad"}}, 1000},
		{"it needs a restart", errors.Join(NeedsRestart(
			parse(t, common+twoPools+oneZone), parse(t, strings.Replace(common, "[server]", "[server]\ntcp = { connections = 9 }", 1)+twoPools+oneZone))...),
			[]api.ConfigProblem{{File: "zones.toml", Message: "server.tcp: changed from"}}, 1},
		{"a file of it cannot be read", fmt.Errorf("notify.pager.url_file: %w", fs.ErrNotExist),
			[]api.ConfigProblem{{File: "zones.toml", Message: "notify.pager.url_file: file does not exist"}}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Refused("zones.toml", "abc", noon, true, tt.err)
			got := slices.Clone(r.Problems[:min(len(tt.want), len(r.Problems))])
			for i := range got {
				got[i].Message = got[i].Message[:min(len(got[i].Message), len(tt.want[i].Message))]
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if r.ProblemsTotal != tt.total || len(r.Problems) != min(tt.total, problem.Shown) || !r.Loaded || r.Hash != "abc" || !r.Since.Equal(noon) {
				t.Errorf("%d of %d problems, hash %q, since %s", len(r.Problems), r.ProblemsTotal, r.Hash, r.Since)
			}
		})
	}
}

// TestPlanRefused: of a configuration that could be loaded it is said what it would change, though it can't be
// taken into use, and probes of some targets can't be made. Each list is short.
func TestPlanRefused(t *testing.T) {
	names := oneZone
	for i := range 2 * mostKept {
		names += fmt.Sprintf("[zones.\"example.com\".names.n%d]\npools = [\"ams\"]\n", i)
	}
	next := parse(t, strings.Replace(common, "[server]", "[server]\ntcp = { connections = 9 }", 1)+strings.ReplaceAll(twoPools, "192.0.2.1", "192.0.2.9")+names)
	p := planner(outcome(parse(t, common+twoPools+oneZone), nil, nil), nil)
	p.Make = func() health.Maker {
		return func(health.Target) (health.Probe, error) { return nil, errors.New("ca_file: no certificate in it") }
	}
	plan, err := p.PlanRefused(t.Context(), next)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Added) != mostKept || plan.AddedTotal != 2*mostKept {
		t.Errorf("%d of %d names that are added, want %d of %d", len(plan.Added), plan.AddedTotal, mostKept, 2*mostKept)
	}
	for _, want := range []string{"zones.toml would change this:", "and 20 more names", "target web@192.0.2.9: indeterminate, ca_file: no certificate in it", "! server.tcp: changed from"} {
		if !strings.Contains(plan.Text, want) {
			t.Errorf("the plan has no %q:\n%s", want, plan.Text)
		}
	}
	if _, err := p.Plan(t.Context(), false, &api.PlanRequest{Path: "zones.toml", Content: common + strings.Replace(twoPools, "192.0.2.1", "192.0.2.9", 1) + oneZone}); err == nil || !strings.Contains(fmt.Sprint(err.(*api.Problem).Errors), "ca_file") {
		t.Errorf("gslb plan says %v of a target that no probe can be made of", err)
	}
	p.Make = func() health.Maker {
		return func(health.Target) (health.Probe, error) {
			return func(context.Context) health.Result { panic("a fault") }, nil
		}
	}
	if plan, err = p.PlanRefused(t.Context(), next); err != nil || !strings.Contains(plan.Text, "target web@192.0.2.9: indeterminate, a fault") {
		t.Errorf("with a probe that panics: %v, %+v", err, plan)
	}
	given, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	if plan, err := p.PlanRefused(given, next); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one that is given up has the plan %v and the error %v", plan, err)
	}
}
