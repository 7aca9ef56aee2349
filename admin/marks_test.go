package admin

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"gslb/answer"
	"gslb/health"
	"gslb/override"
	"gslb/safety"
	"gslb/steer"
	"gslb/zones"
)

// TestMarks: what persons said and what is held stands in the rows of the page and of the API, and is
// counted.
func TestMarks(t *testing.T) {
	now := time.Now()
	w := newWorld(now)
	member := netip.MustParseAddr("203.0.113.10")
	said := func(o override.Override) override.Override {
		o.By, o.Reason, o.Since = "ada (socket)", "new disks", now
		return o
	}
	w.words = override.NewWords([]override.Override{
		said(override.Override{Kind: override.Drain, Pool: "nyc", Member: member, Until: now.Add(time.Hour)}),
		said(override.Override{Kind: override.Force, Pool: "ams", Status: health.Down}),
		said(override.Override{Kind: override.Pin, Name: "app.gslb.example.com.", Pool: "nyc"}),
	})
	w.report("web@203.0.113.10").Failed, w.report("web@203.0.113.10").Of = 3, 20
	w.publish(now)
	s, _ := w.server()
	s.options.Doubt = func() safety.Doubt {
		return safety.Doubt{Rule: "suspect", Since: now, Until: now.Add(time.Minute), Why: "4 of 5 silent", Targets: []health.TargetID{"table@us-east-1"}}
	}

	st := status(t, s, "/api/status")
	app, nycRow, amsRow := st.Names[0], st.Pools[1], st.Pools[0]
	if app.Mode != steer.Pinned || app.Pin == nil || app.Pin.ID != "pin/app.gslb.example.com." || app.Pin.By != "ada (socket)" {
		t.Errorf("the name: %+v", app)
	}
	if drain := nycRow.Members[0].Drain; nycRow.Drain != nil || drain == nil || drain.Member != member {
		t.Errorf("the drained member: %+v", nycRow.Members)
	}
	if amsRow.Status != health.Down || amsRow.Probed != health.Up || amsRow.Force == nil {
		t.Errorf("the forced pool: %+v", amsRow)
	}
	if sum := st.Summary.Pools; sum.Drained != 1 || sum.Forced != 1 {
		t.Errorf("counts: %+v", sum)
	}
	if len(st.Held) != 1 || st.Held[0].Rule != "suspect" || !st.Problems[0].Critical || !strings.Contains(st.Problems[0].Text, "suspect") {
		t.Errorf("held: %+v, first problem %+v", st.Held, st.Problems[0])
	}
	for _, target := range st.Targets {
		if (target.Held != nil) != (target.ID == "table@us-east-1") {
			t.Errorf("target %s is held: %+v", target.ID, target.Held)
		}
		if target.ID == "web@203.0.113.10" && (target.RecentFailed != 3 || target.Recent != 20) {
			t.Errorf("failures of %s: %d of %d", target.ID, target.RecentFailed, target.Recent)
		}
	}

	page := render(t, s, "/")
	wantText(t, "the row of the name", page.rows["app.gslb.example.com."], "pinned", "is pinned to nyc by ada (socket) without an end: new disks")
	wantText(t, "the row of the drained member's pool", page.rows["nyc"], "drained", "is drained by ada (socket) until")
	wantText(t, "the row of the forced pool", page.rows["ams"], "forced", "its probes say up")
	wantText(t, "the row of the target", page.rows["table@us-east-1"], "held: suspect")
	wantText(t, "the row of the other target", page.rows["web@203.0.113.10"], "3 of the last 20 failed")
}

// TestWaitingForFailback: a name that waits for a person says so, and is counted.
func TestWaitingForFailback(t *testing.T) {
	now := time.Now()
	w, _ := failedOver(now)
	w.set.Steerings[0].Failback = zones.FailbackManual
	memory := steer.Step(w.set, steer.Input{Snapshot: w.snapshot(now), Now: now}, steer.Memory{}).Memory()
	w.report("table@us-east-1").State.Status = health.Up
	outcome := steer.Step(w.set, steer.Input{Snapshot: w.snapshot(now), Now: now.Add(time.Minute)}, memory)
	w.table = answer.NewIndex(w.set).Compile(outcome)
	s, _ := w.server()
	st := status(t, s, "/api/status")
	if st.Summary.Names.Waiting != 1 || len(st.Names[0].Held) != 1 || st.Names[0].Held[0].Rule != steer.FailbackManual {
		t.Errorf("counts %+v, the name %+v", st.Summary.Names, st.Names[0])
	}
	page := render(t, s, "/")
	wantText(t, "the row of the name", page.rows["app.gslb.example.com."], "nyc has recovered and waits for gslb failback")
	if got := get(t, s, v1+"names?state=waiting").Body.String(); !strings.Contains(got, "\"total\": 1") {
		t.Errorf("names that wait: %s", got)
	}
}
