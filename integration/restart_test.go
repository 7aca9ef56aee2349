//go:build integration

package integration

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gslb/integration/parts"
)

// TestRestart restarts a server again and again under the eyes of clients: while it is away
// there is no answer, and never a wrong one.
func TestRestart(t *testing.T) {
	ctx := begin(t)
	s := setup{Zone: appZone, StateDir: t.TempDir()}.serve(t, ctx)
	asked := func(context.Context) error { return s.Restart(ctx) } // SIGTERM
	crashed := func(ctx context.Context) error {
		s.Kill()
		return s.Start(ctx)
	}
	for _, test := range []struct {
		name    string
		fault   parts.Fault // of nyc; empty: none
		restart func(context.Context) error
		region  string // the only one that clients see meanwhile
	}{
		{"healthy", "", asked, "nyc"},
		{"healthy, crashed", "", crashed, "nyc"},
		{"refusing", parts.LoadBalancerKilled, asked, "ams"},
		{"refusing, crashed", parts.LoadBalancerKilled, crashed, "ams"},
		{"hung", parts.LoadBalancerHung, asked, "ams"},
		{"hung, crashed", parts.LoadBalancerHung, crashed, "ams"},
		{"database hung, crashed", parts.DynamoDBHung, crashed, "ams"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := begin(t)
			clients := watch(t, s.Listen, app)
			clients.await(t, ctx, "nyc", time.Time{})
			if test.fault != "" {
				must(t, world.nyc.Inflict(ctx, test.fault))
			}
			from := clients.await(t, ctx, test.region, time.Now()).at
			// What is known is saved a moment later; a crash right now is not what this is about.
			awaitSaved(t, ctx, s, test.region)
			for range 3 {
				must(t, test.restart(ctx))
				clients.await(t, ctx, test.region, time.Now())
			}
			checkTurnsDespiteSilence(t, clients.since(from), test.region)
			checkDig(t, ctx, s.Listen, app, test.region)

			must(t, world.nyc.Heal(ctx))
			clients.await(t, ctx, "nyc", time.Now())
		})
	}
}

// awaitSaved waits until the state on disk has the name at the region.
func awaitSaved(t *testing.T, ctx context.Context, s *server, region string) {
	t.Helper()
	must(t, parts.Until(ctx, "the state is saved", func(context.Context) error {
		state, err := os.ReadFile(filepath.Join(s.setup.StateDir, "state.json"))
		if err == nil && !strings.Contains(string(state), `"answered":["`+region+`"]`) {
			err = os.ErrNotExist
		}
		return err
	}))
}

// TestStartWhileDown starts servers when the first region has been failing for a while, which
// none of them has seen happen: not one reply offers it.
func TestStartWhileDown(t *testing.T) {
	for _, test := range []struct {
		name    string
		fault   parts.Fault
		earlier bool // the server ran before, when all was well, and left its state
	}{
		{"refusing", parts.LoadBalancerKilled, false},
		{"hung", parts.LoadBalancerHung, false},
		{"database hung", parts.DynamoDBHung, false},
		{"table gone", parts.TableGone, false},
		{"refusing, with an earlier state", parts.LoadBalancerKilled, true},
		{"failing, with an earlier state", parts.AppFailing, true},
		{"hung, with an earlier state", parts.LoadBalancerHung, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := begin(t)
			lab := parts.ForTest(t)
			started := setup{Zone: appZone, StateDir: t.TempDir()}.complete(t, lab)
			if test.earlier {
				earlier := started.serve(t, ctx)
				checkDig(t, ctx, earlier.Listen, app, "nyc")
				must(t, earlier.Stop(ctx))
			}
			must(t, world.nyc.Inflict(ctx, test.fault))
			clients := watch(t, started.Listen, app) // before there is anybody to answer
			s := started.serve(t, ctx)
			clients.await(t, ctx, "ams", time.Time{})
			// Until each target, of which there are four and two, has been probed twice or so.
			const probes = "gslb_health_probe_duration_seconds_count"
			s.awaitMetric(t, ctx, probes+`{check="web",kind="http"}`, 8)
			s.awaitMetric(t, ctx, probes+`{check="table",kind="dynamodb"}`, 4)
			checkTurnsDespiteSilence(t, clients.end(), "ams")
			checkDig(t, ctx, s.Listen, app, "ams")
		})
	}
}
