package operate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gslb/admin/api"
	"gslb/alias"
	"gslb/health"
	"gslb/override"
	"gslb/steer"
	"gslb/zones"
	"gslb/zones/config"
)

// planner plans for what is live; probes come to what results says of the target, or pass.
func planner(live *steer.Outcome, results map[health.TargetID]health.Status) *Planner {
	return &Planner{
		Outcome: func() *steer.Outcome { return live },
		Load: func(path, content string, _ bool) (*zones.Set, error) {
			return config.Parse([]byte(content), path, config.LoadOptions{Now: noon})
		},
		Make: func() health.Maker {
			return func(t health.Target) (health.Probe, error) {
				return func(context.Context) health.Result {
					switch results[t.ID] {
					case health.Down:
						return health.Result{Verdict: health.Fail, Reason: "timeout", Detail: "no answer within 2s"}
					case health.Unknown:
						if _, said := results[t.ID]; said {
							return health.Result{Verdict: health.Indeterminate, Reason: "no descriptors"}
						}
					}
					return health.Result{Verdict: health.Pass, Reason: "ok", Detail: "connected"}
				}, nil
			}
		},
		LookUp: nobody,
	}
}

// TestPlanText has every kind of change in texts that people read.
func TestPlanText(t *testing.T) {
	archives(t, "plan", func(t *testing.T, file func(string) string) string {
		live := outcome(parse(t, whole(file("live.toml"))), nil, statuses(t, file("live")))
		p := planner(live, statuses(t, file("probes")))
		p.LookUp = func(_ context.Context, hosts []string, _ []netip.AddrPort) map[string]alias.Host {
			found := make(map[string]alias.Host)
			for _, host := range hosts {
				found[host] = alias.Host{Status: alias.Resolved, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.99")}}
			}
			return found
		}
		plan, err := p.Plan(t.Context(), false, &api.PlanRequest{Path: "zones.toml", Content: whole(file("next.toml"))})
		if err != nil {
			var problem *api.Problem
			if !errors.As(err, &problem) || problem.Status != 422 {
				t.Fatalf("not a problem: %v", err)
			}
			return problem.Detail + "\n" + strings.Join(problem.Errors, "\n") + "\n"
		}
		if plan.Nothing != strings.HasPrefix(plan.Text, "No changes") {
			t.Errorf("nothing: %v, and the text is\n%s", plan.Nothing, plan.Text)
		}
		return plan.Text
	})
}

const twoPools = `
[pools.nyc]
members = ["192.0.2.1"]
checks = ["web"]
[pools.ams]
members = ["192.0.2.2"]
checks = ["web"]
`

const oneZone = `
[zones."example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
[zones."example.com".names.app]
pools = ["nyc", "ams"]
`

// A pinned name is planned by itself, and an override about what is gone is told of.
func TestPlanWithOverrides(t *testing.T) {
	words := override.NewWords([]override.Override{
		{Kind: override.Pin, Name: "app.example.com.", Pool: "ams", Reason: "test", By: "root (socket)", Since: noon},
		{Kind: override.Drain, Pool: "lon", Reason: "test", By: "root (socket)", Since: noon},
	})
	set := parse(t, common+twoPools+oneZone)
	live := outcome(set, words, nil)
	plan, err := planner(live, nil).Plan(t.Context(), false, &api.PlanRequest{Path: "zones.toml", Content: common + strings.Replace(twoPools, "192.0.2.2", "192.0.2.3", 1) + oneZone})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Changes) != 1 || plan.Changes[0].From != "ams" || plan.Changes[0].To != "ams" || plan.Changes[0].ToMode != steer.Pinned || plan.Moved != 1 {
		t.Errorf("changes %+v, want that of the pinned name's addresses", plan.Changes)
	}
	if want := "the override drain/lon would be about nothing"; len(plan.Other) != 1 || plan.Other[0] != want {
		t.Errorf("other: %q, want %q", plan.Other, want)
	}
}

// Probes that do not end, and far too many targets, hold up a plan for a bounded time only.
func TestPlanIsBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := outcome(parse(t, common+twoPools+oneZone), nil, nil)
		p := planner(live, nil)
		var most, at atomic.Int64
		p.Make = func() health.Maker {
			return func(health.Target) (health.Probe, error) {
				return func(ctx context.Context) health.Result {
					if n := at.Add(1); n > most.Load() {
						most.Store(n)
					}
					defer at.Add(-1)
					<-ctx.Done()
					return health.Result{Verdict: health.Fail, Reason: "timeout", Detail: "no answer"}
				}, nil
			}
		}
		var members []string
		for i := range 1000 {
			members = append(members, fmt.Sprintf(`"198.51.%d.%d"`, 100+i/250, i%250))
		}
		began := time.Now()
		plan, err := p.Plan(t.Context(), false, &api.PlanRequest{Path: "zones.toml", Content: common + strings.Replace(twoPools, `"192.0.2.2"`, strings.Join(members, ","), 1) + oneZone})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 25*time.Second {
			t.Errorf("a plan took %s", took)
		}
		probed := 0
		for _, target := range plan.Targets {
			if target.Verdict != "" {
				probed++
			}
		}
		if plan.TargetsTotal != 1000 || probed == 0 || probed == 1000 || !strings.Contains(plan.Text, "was not probed") {
			t.Errorf("%d new targets, %d of them probed", plan.TargetsTotal, probed)
		}
		if most.Load() > probedAtOnce {
			t.Errorf("%d probes at once", most.Load())
		}
	})
}

// One plan is made at a time, and the others are told so at once. That of a refused configuration is in nobody's way.
func TestPlansDoNotPileUp(t *testing.T) {
	live := outcome(parse(t, common+twoPools+oneZone), nil, nil)
	p := planner(live, nil)
	began, goOn := make(chan struct{}), make(chan struct{})
	load := p.Load
	p.Load = func(path, content string, _ bool) (*zones.Set, error) {
		close(began)
		<-goOn
		return load(path, content, false)
	}
	first := make(chan error, 1)
	request := &api.PlanRequest{Path: "zones.toml", Content: common + twoPools + oneZone}
	go func() {
		_, err := p.Plan(t.Context(), false, request)
		first <- err
	}()
	<-began
	var problem *api.Problem
	if _, err := p.Plan(t.Context(), false, request); !errors.As(err, &problem) || problem.Type != api.Unavailable {
		t.Errorf("the second plan: %v", err)
	}
	if _, err := p.PlanRefused(t.Context(), live.Set()); err != nil {
		t.Errorf("the plan of a refused configuration: %v", err)
	}
	close(goOn)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// manyNames is a configuration of so many names, each steered in its own way.
func manyNames(n int, pools string) string {
	var b strings.Builder
	b.WriteString(common + twoPools + "[zones.\"example.com\"]\nnameservers = { ns1 = [\"192.0.2.53\"] }\n")
	for i := range n {
		fmt.Fprintf(&b, "[zones.\"example.com\".names.n%d]\npools = [%s]\nttl = \"%ds\"\n", i, pools, 60+i)
	}
	return b.String()
}

// BenchmarkPlan is a plan of 100,000 names that all move.
func BenchmarkPlan(b *testing.B) {
	const n = 100_000
	live := outcome(parse(b, manyNames(n, `"nyc", "ams"`)), nil, nil)
	p, next := planner(live, nil), manyNames(n, `"ams", "nyc"`)
	set := parse(b, next)
	p.Load = func(string, string, bool) (*zones.Set, error) { return set, nil }
	for b.Loop() {
		plan, err := p.Plan(b.Context(), false, &api.PlanRequest{Path: "zones.toml", Content: next})
		if err != nil || plan.Moved != n || len(plan.Changes) != 1 {
			b.Fatalf("%+v, %v", plan, err)
		}
	}
}
