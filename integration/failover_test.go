//go:build integration

package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gslb/integration/parts"
)

const (
	webTarget   = "web@127.0.0.11"
	tableTarget = "table@us-east-1"
)

// TestFailover inflicts every fault on the first region of two while clients ask: the
// answer turns to the second region within the time that the settings promise, and back.
func TestFailover(t *testing.T) {
	ctx := begin(t)
	s := setup{Zone: appZone}.serve(t, ctx)
	const refused, slow = 0, timeout // how long a probe takes to fail
	for _, test := range []struct {
		fault  parts.Fault
		probe  time.Duration
		target string // that it turns down
		reason string
	}{
		{parts.LoadBalancerKilled, refused, webTarget, "refused"},
		{parts.LoadBalancerHung, slow, webTarget, "timeout"},
		{parts.AppFailing, refused, webTarget, "status"},
		{parts.DynamoDBStopped, refused, tableTarget, "refused"},
		{parts.DynamoDBHung, slow, tableTarget, "timeout"},
		{parts.TableGone, refused, tableTarget, "missing_table"},
	} {
		t.Run(string(test.fault), func(t *testing.T) {
			ctx := begin(t)
			clients := watch(t, s.Listen, app)
			settled := awaitSettled(t, ctx, clients)
			logged := s.logged(t)

			must(t, world.nyc.Inflict(ctx, test.fault))
			inflicted := time.Now()
			turned := clients.await(t, ctx, "ams", inflicted)
			took := turned.at.Sub(inflicted)
			bound := interval + (fall-1)*max(fastInterval, test.probe) + test.probe
			t.Logf("turned after %v, bound %v", took, bound)
			if took > bound+slack {
				t.Errorf("the answer turned after %v, want %v at most", took, bound+slack)
			}
			checkDig(t, ctx, s.Listen, app, "ams")
			checkShortened(t, clients.since(settled))
			s.awaitLines(t, ctx, logged,
				line{"target down", map[string]string{"level": "WARN", "target": test.target, "reason": test.reason}},
				line{"pool down", map[string]string{"level": "WARN", "pool": "nyc", "why": "is down: "}},
				line{"answer changed", map[string]string{"names": app, "from": "nyc", "pool": "ams", "why": "nyc down"}},
			)
			check, _, _ := strings.Cut(test.target, "@")
			s.awaitMetric(t, ctx, `gslb_health_probes_total{check="`+check+`",kind="`+kindOf[check]+`",reason="`+test.reason+`",verdict="fail"}`, fall)
			s.checkMetrics(t, ctx, map[string]float64{
				`gslb_name_pool{name="` + app + `",pool="ams",zone="gslb.example.com."}`:        1,
				`gslb_pool_status{pool="nyc",region="us-east-1"}`:                               0,
				`gslb_pool_status{pool="ams",region="eu-west-1"}`:                               1,
				`gslb_health_target_status{check="` + check + `",target="` + test.target + `"}`: 0,
			})
			checkExplained(t, s.status(t, ctx))

			must(t, world.nyc.Heal(ctx))
			healed := time.Now()
			back := clients.await(t, ctx, "nyc", turned.at)
			// The last probe before the recovery may have been a slow one.
			if took := back.at.Sub(healed); took > interval+timeout+(rise-1)*fastInterval+slack {
				t.Errorf("the answer came back after %v, which is too late", took)
			}
			checkDig(t, ctx, s.Listen, app, "nyc")
			checkTurns(t, clients.since(settled), "nyc ams nyc")
		})
	}
}

var kindOf = map[string]string{"web": "http", "table": "dynamodb"}

// awaitSettled waits until nyc is answered with the ordinary TTL, so that no target is still
// recovering, and returns when that was.
func awaitSettled(t *testing.T, ctx context.Context, clients *client) time.Time {
	t.Helper()
	var settled time.Time
	must(t, parts.Until(ctx, "all is well", func(context.Context) error {
		seen := clients.since(time.Time{})
		if len(seen) == 0 || seen[len(seen)-1].region != "nyc" || seen[len(seen)-1].ttl != ttl {
			return fmt.Errorf("clients see %s", turns(seen))
		}
		settled = seen[len(seen)-1].at
		return nil
	}))
	return settled
}

// checkShortened checks the TTL up to the turn to ams: it was the short one before that.
func checkShortened(t *testing.T, seen []sighting) {
	t.Helper()
	turned := slices.IndexFunc(seen, func(s sighting) bool { return s.region == "ams" })
	short := slices.ContainsFunc(seen[:turned], func(s sighting) bool { return s.ttl == ttlMin })
	if !short {
		t.Errorf("the TTL was never %d before the answer turned", ttlMin)
	}
	for _, s := range seen {
		if s.err == nil && s.ttl != ttl && s.ttl != ttlMin {
			t.Errorf("TTL %d, want %d or %d", s.ttl, ttl, ttlMin)
		}
	}
}

// checkExplained checks that the API says why ams is answered.
func checkExplained(t *testing.T, st status) {
	t.Helper()
	name := st.Names[0]
	if name.Name != app || name.Pool != "ams" || name.Mode != "normal" || len(name.Reasons) != 2 {
		t.Fatalf("/api/status: name %+v, want app answered with ams", name)
	}
	nyc, ams := name.Reasons[0], name.Reasons[1]
	if nyc.Pool != "nyc" || nyc.Status != "down" || nyc.Chosen || !strings.Contains(nyc.Why, " is down: ") {
		t.Errorf("/api/status: reasons begin with %+v, want nyc down and why", nyc)
	}
	if ams.Pool != "ams" || ams.Status != "up" || !ams.Chosen {
		t.Errorf("/api/status: reasons end with %+v, want ams up and chosen", ams)
	}
}
