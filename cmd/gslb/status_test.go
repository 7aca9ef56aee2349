package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"gslb/admin/api"
)

func TestPrintReplication(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	late, none := 90.4, 0.0
	var out bytes.Buffer
	printReplication(newScreen(&out), &api.Replication{
		Name: "orders", Table: "Orders", MaxLag: 30,
		Regions: []api.Copy{
			{Region: "eu-west-1", Condition: "ambiguous", Degraded: true, Since: now.Add(-time.Minute), Pools: []string{"ams", "fra"}, Why: "late", Failing: "write"},
			{Region: "us-east-1", Condition: "current", Since: now.Add(-time.Hour), Pools: []string{"nyc"}},
		},
		Lags: []api.Lag{
			{From: "eu-west-1", To: "us-east-1", Lag: &none, Arrival: "in time"},
			{From: "us-east-1", To: "eu-west-1", Lag: &late, Arrival: "late"},
			{From: "us-west-2", To: "eu-west-1", Arrival: "unmeasured"},
		},
	}, now)
	for _, want := range []string{
		"replication orders of Orders, at most 30s",
		"eu-west-1 ams, fra ambiguous, 1m us-east-1 90s, write fails: late degraded us-west-2 ?",
		"us-east-1 nyc current 1h eu-west-1 0s",
	} {
		if got := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwithout %q", out.String(), want)
		}
	}
}

// TestPrintStatusTellsOverridesOnce: one that an incident tells is a line above, any other a row below, and neither is
// both.
func TestPrintStatusTellsOverridesOnce(t *testing.T) {
	now := time.Now()
	drain := api.Override{ID: "drain/nyc", Kind: "drain", Pool: "nyc", By: "ada", Reason: "new disks", Since: now, Until: now.Add(time.Hour)}
	pin := api.Override{ID: "pin/www.example.com.", Kind: "pin", Name: "www.example.com.", Pool: "ams", By: "ada", Reason: "a trial", Since: now, Until: now.Add(time.Hour)}
	s := serverState{
		status: api.Status{Problems: []api.Trouble{
			{Text: "nyc is drained: by ada: new disks; app answers ams", Incident: "pool/nyc/1", Override: drain.ID},
			{Text: "Override: www.example.com is pinned to ams by ada: a trial", Override: pin.ID},
			{Text: "Overrides end with the program: no state_dir is set in zones.toml"},
		}},
		overrides: api.OverrideList{Overrides: []api.Override{drain, pin}, Total: 2},
	}
	var out bytes.Buffer
	s.print(newScreen(&out))
	for text, times := range map[string]int{"new disks": 1, "a trial": 1, "pin www.example.com to ams": 1, "drain nyc": 0, "more": 0, "no state_dir": 1} {
		if n := strings.Count(out.String(), text); n != times {
			t.Errorf("%q is said %d times, want %d:\n%s", text, n, times, out.String())
		}
	}
}
