package admin

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/admin/api"
	"gslb/replication"
)

// TestReplication: the copies and their lags are on the page as a matrix, in the status and in the API.
func TestReplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		w := newWorld(now)
		group := &replication.Group{Name: "orders", Table: "Orders", Regions: []string{"eu-west-1", "us-east-1"}, Writer: "ns1", Interval: 5 * time.Second, MaxLag: 30 * time.Second}
		for _, pool := range w.set.Pools {
			pool.Replication = group
		}
		since := now.Add(-time.Minute)
		behind := replication.State{Condition: replication.Behind, Degraded: true, Proven: true, Since: since, Why: "what is written in us-east-1 does not arrive here within 30s"}
		w.copies = []replication.Report{{
			Group: group,
			Regions: []replication.RegionReport{
				{Region: "eu-west-1", State: behind, Wrote: since, Read: now, Unwritten: true},
				{Region: "us-east-1", State: replication.State{Condition: replication.Silent, Since: since}, Wrote: now, Read: now},
			},
			Lags: replication.Lags{
				{From: "eu-west-1", To: "us-east-1", Arrival: replication.Unmeasured},
				{From: "us-east-1", To: "eu-west-1", Lag: 90 * time.Second, Known: true, Arrival: replication.Late, Read: now},
			},
		}}
		w.view = replication.NewView(map[replication.Region]replication.State{{Group: "orders", Region: "eu-west-1"}: behind})
		w.publish(now)
		s, _ := w.server()

		lag := 90.0
		want := api.ReplicationList{Replications: []api.Replication{{
			Name: "orders", Table: "Orders", Writer: "ns1", Interval: 5, MaxLag: 30,
			Regions: []api.Copy{
				{Region: "eu-west-1", Condition: "behind", Since: utc(since), Degraded: true, Why: behind.Why, Pools: []string{"ams"}, Wrote: utc(since), Read: utc(now), Failing: "write"},
				{Region: "us-east-1", Condition: "silent", Since: utc(since), Pools: []string{"nyc"}, Wrote: utc(now), Read: utc(now)},
			},
			Lags: []api.Lag{
				{From: "eu-west-1", To: "us-east-1", Arrival: "unmeasured"},
				{From: "us-east-1", To: "eu-west-1", Lag: &lag, Arrival: "late", Read: utc(now)},
			},
		}}}
		var got api.ReplicationList
		if err := json.Unmarshal(get(t, s, "/api/v1/replication").Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("/api/v1/replication (-want +got):\n%s", diff)
		}
		var status api.Status
		if err := json.Unmarshal(get(t, s, "/api/v1/status").Body.Bytes(), &status); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Replications, status.Replications); diff != "" {
			t.Errorf("/api/v1/status (-want +got):\n%s", diff)
		}
		const trouble = "Replication orders: the copy in eu-west-1 is behind, so that no clients are moved to ams (" + "what is written in us-east-1 does not arrive here within 30s)"
		if len(status.Problems) < 2 || status.Problems[0].Text != trouble || !strings.Contains(status.Problems[1].Text, "us-east-1 is silent") {
			t.Errorf("the problems are %+v", status.Problems)
		}

		var pools api.PoolList
		if err := json.Unmarshal(get(t, s, "/api/v1/pools?state=degraded").Body.Bytes(), &pools); err != nil {
			t.Fatal(err)
		}
		if len(pools.Pools) != 1 || pools.Pools[0].Name != "ams" || !pools.Pools[0].Degraded.Equal(now) {
			t.Errorf("the degraded pools are %+v", pools.Pools)
		}

		page := render(t, s, "/")
		wantText(t, "the row of the pool", page.rows["ams"], "degraded")
		wantText(t, "the row of what is written in eu-west-1", page.rows["eu-west-1"], "ams", "– not known", "behind for 1 min 0 s", "write fails", behind.Why)
		wantText(t, "the row of what is written in us-east-1", page.rows["us-east-1"], "nyc", "1 min 30 s –", "silent")
	})
}
