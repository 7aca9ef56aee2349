//go:build integration

package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gslb/integration/parts"
)

// copiedZone is a name whose regions work with copies of one table.
func copiedZone() string {
	return appZone + fmt.Sprintf(`
[replication.orders]
table    = "Orders"
key      = { id = "gslb-heartbeat" }
regions  = ["us-east-1", "eu-west-1"]
endpoint = { us-east-1 = %q, eu-west-1 = %q }
interval = "1s"
max_lag  = "3s"

[checks.copied]
type = "http"
url  = "http://{address}:8080/health"
host = "app.example.com"
%s
[pools.copied_nyc]
region      = "us-east-1"
members     = ["127.0.0.11", "fd00::11"]
checks      = ["copied"]
replication = "orders"

[pools.copied_ams]
region      = "eu-west-1"
members     = ["127.0.0.12", "fd00::12"]
checks      = ["copied"]
replication = "orders"

[zones."gslb.example.com".names.copied]
pools          = ["copied_nyc", "copied_ams"]
ttl            = "%ds"
ttl_min        = "%ds"
failback_after = "1s"
`, world.nyc.DynamoDB.Endpoint, world.ams.DynamoDB.Endpoint, schedule, ttl, ttlMin)
}

// TestReplication has a region fail while its copy falls behind: clients do not return before it has what was
// written meanwhile, over a restart too.
func TestReplication(t *testing.T) {
	ctx := begin(t)
	table, err := parts.StartGlobalTable(ctx, "Orders", "id", world.nyc.DynamoDB, world.ams.DynamoDB)
	must(t, err)
	t.Cleanup(func() { must(t, table.Close()) })
	s := setup{Server: `id = "ns1"`, Zone: copiedZone(), StateDir: t.TempDir()}.serve(t, ctx)
	clients := watch(t, s.Listen, "copied.gslb.example.com.")
	clients.await(t, ctx, "nyc", time.Time{})
	condition := func(region, condition string, degraded float64) {
		t.Helper()
		s.awaitMetric(t, ctx, fmt.Sprintf(`gslb_replication_condition{condition=%q,region=%q,replication="orders"}`, condition, region), 1)
		s.checkMetrics(t, ctx, map[string]float64{fmt.Sprintf(`gslb_replication_degraded{region=%q,replication="orders"}`, region): degraded})
	}
	condition("us-east-1", "current", 0)
	condition("eu-west-1", "current", 0)

	// What is behind goes on serving where it serves.
	table.Halt("eu-west-1", "us-east-1")
	condition("us-east-1", "behind", 1)
	condition("eu-west-1", "silent", 0)
	if lag := s.metric(t, ctx, `gslb_replication_lag_seconds{from="eu-west-1",replication="orders",to="us-east-1"}`); lag < 3 {
		t.Errorf("the lag of what is behind by 3 s at least is %v s", lag)
	}

	// Once left, it is not returned to.
	from := time.Now()
	must(t, world.nyc.App503())
	from = clients.await(t, ctx, "ams", from).at
	must(t, world.nyc.Heal(ctx))
	s.awaitLines(t, ctx, 0, line{"pool down", map[string]string{"pool": "copied_nyc"}}, line{"pool up", map[string]string{"pool": "copied_nyc"}})
	awaitSaved(t, ctx, s, "copied_ams")
	must(t, s.Restart(ctx))
	clients.await(t, ctx, "ams", time.Now())
	s.checkMetrics(t, ctx, map[string]float64{`gslb_replication_degraded{region="us-east-1",replication="orders"}`: 1})
	held := time.Now().Add(3 * time.Second) // longer than failback_after
	must(t, parts.Until(ctx, "a while has passed", func(context.Context) error {
		if time.Now().Before(held) {
			return fmt.Errorf("%s are left", time.Until(held))
		}
		return nil
	}))
	checkTurnsDespiteSilence(t, clients.since(from), "ams")

	resumed := time.Now()
	table.Resume("eu-west-1", "us-east-1")
	clients.await(t, ctx, "nyc", resumed)
	condition("us-east-1", "current", 0)
	s.awaitLines(t, ctx, 0,
		line{"copy behind: no clients are moved to its region", map[string]string{"level": "ERROR", "replication": "orders", "region": "us-east-1"}},
		line{"copy current", map[string]string{"level": "INFO", "region": "us-east-1"}})
}
