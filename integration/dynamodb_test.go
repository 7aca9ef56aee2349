//go:build integration

package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gslb/integration/parts"
)

// databaseZone has a name whose regions are read, one whose regions are written as well, and one whose regions
// are taken for replicas of an MRSC table.
func databaseZone(gates [2]*parts.Gate) string {
	zone := appZone
	for kind, keys := range map[string]string{"reads": "", "writes": "write = true", "strong": `consistency = "mrsc"`} {
		zone += fmt.Sprintf(`
[checks.%[1]s]
type     = "dynamodb"
table    = "YourAppTable"
region   = "{region}"
key      = { id = "123" }
endpoint = "{endpoint}"
%[2]s
%[3]s
[pools.%[1]s_nyc]
region  = "us-east-1"
members = ["127.0.0.11", "fd00::11"]
checks  = [%[1]q]
vars    = { endpoint = %[4]q }

[pools.%[1]s_ams]
region  = "eu-west-1"
members = ["127.0.0.12", "fd00::12"]
checks  = [%[1]q]
vars    = { endpoint = %[5]q }

[zones."gslb.example.com".names.%[1]s]
pools   = ["%[1]s_nyc", "%[1]s_ams"]
ttl     = "%[6]ds"
ttl_min = "%[7]ds"
`, kind, keys, schedule, gates[0].URL, gates[1].URL, ttl, ttlMin)
	}
	return zone
}

// TestDatabases has the table of one region refuse what it is asked for, in ways that are told apart. What only
// that region refuses, though its credentials are those of all others, counts against it.
func TestDatabases(t *testing.T) {
	ctx := beside(t)
	gates := [2]*parts.Gate{parts.GateForTest(t, world.nyc.DynamoDB.Endpoint), parts.GateForTest(t, world.ams.DynamoDB.Endpoint)}
	s := setup{Server: `id = "ns1"`, Zone: databaseZone(gates)}.serve(t, ctx)
	clients := map[string]*client{}
	for _, kind := range []string{"reads", "writes", "strong"} {
		clients[kind] = watch(t, s.Listen, kind+".gslb.example.com.")
	}
	denied := parts.Refusal{Code: "AccessDeniedException", Message: "denied"}
	for _, step := range []struct {
		name    string
		refusal *parts.Refusal
		want    map[string]string // where clients are sent to in the end
	}{
		{"all is well", nil, map[string]string{"reads": "nyc", "writes": "nyc", "strong": "nyc"}},
		{"no writes", parts.Broken.Of("Put"), map[string]string{"reads": "nyc", "writes": "ams", "strong": "ams"}},
		{"well again", nil, map[string]string{"reads": "nyc", "writes": "nyc", "strong": "nyc"}},
		{"access denied to writes, in one region", denied.Of("Put"), map[string]string{"reads": "nyc", "writes": "ams", "strong": "ams"}},
		{"well once more", nil, map[string]string{"reads": "nyc", "writes": "nyc", "strong": "nyc"}},
		{"access denied, in one region", &denied, map[string]string{"reads": "ams", "writes": "ams", "strong": "ams"}},
	} {
		began := time.Now()
		gates[0].Refuse(step.refusal)
		for kind, region := range step.want {
			clients[kind].await(t, ctx, region, began)
		}
		if t.Failed() {
			t.Fatalf("after %q", step.name)
		}
	}
	checkTurns(t, clients["reads"].end(), "nyc ams")
	checkTurns(t, clients["writes"].end(), "nyc ams nyc ams nyc ams")
	checkTurns(t, clients["strong"].end(), "nyc ams nyc ams nyc ams")

	// What is written is gslb's own, and what is read is as it was.
	for _, region := range []*parts.Region{world.nyc, world.ams} {
		id := "123/write/" + region.DynamoDB.Region + "/ns1"
		item, err := region.DynamoDB.Item(ctx, "YourAppTable", map[string]string{"id": id})
		must(t, err)
		if at, err := time.Parse(time.RFC3339, item["gslb_time"]); err != nil || time.Since(at) > enough {
			t.Errorf("%s: item %v", region.Name, item)
		}
	}
}

// TestAppItemIsKept has an item of the app's where a check would write: it stays, and the check says so.
func TestAppItemIsKept(t *testing.T) {
	ctx := begin(t)
	item := map[string]string{"id": "123/write/us-east-1/ns2", "order": "7"}
	must(t, world.nyc.DynamoDB.PutItem(ctx, "YourAppTable", item))
	gates := [2]*parts.Gate{parts.GateForTest(t, world.nyc.DynamoDB.Endpoint), parts.GateForTest(t, world.ams.DynamoDB.Endpoint)}
	s := setup{Server: `id = "ns2"`, Zone: databaseZone(gates)}.serve(t, ctx)
	s.awaitLines(t, ctx, 0, line{"probe cannot judge; its target keeps its status",
		map[string]string{"level": "WARN", "target": "writes@us-east-1", "reason": "conflict", "detail": "has an item of the app's"}})
	got, err := world.nyc.DynamoDB.Item(context.Background(), "YourAppTable", map[string]string{"id": item["id"]})
	must(t, err)
	if got["order"] != "7" {
		t.Errorf("the app's item is %v, was %v", got, item)
	}
}
