package daemon

import (
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gslb/admin/api"
	"gslb/health"
	"gslb/incident"
	"gslb/internal/logs"
	"gslb/journal"
	"gslb/publish"
	"gslb/steer"
	"gslb/zones"
)

// logged is the lines that events make, without their times.
func logged(t *testing.T, format, level string, events ...publish.Event) []string {
	t.Helper()
	var out strings.Builder
	logger, err := logs.New(&out, format, level, false)
	must(t, err)
	logEvents(logger)(events)
	var lines []string
	for line := range strings.Lines(out.String()) {
		if _, rest, cut := strings.Cut(line, `,"level":`); cut {
			line = `"level":` + rest
		} else if _, rest, cut := strings.Cut(line, " level="); cut {
			line = "level=" + rest
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

func TestEventLines(t *testing.T) {
	nyc, ams := &zones.Pool{Name: "nyc", Region: "us-east-1"}, &zones.Pool{Name: "ams", Region: "eu-west-1"}
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	aws, moved := &zones.Pool{Name: "aws", CNAME: "lb-1.example.net."}, &zones.Pool{Name: "aws", CNAME: "lb-2.example.net."}
	considered := func(ofAms health.Status) []steer.Considered {
		why := map[health.Status]string{health.Up: "1 of 1", health.Down: "0 of 1"}
		return []steer.Considered{{Pool: "nyc", Status: health.Up, Chosen: true, Why: "1 of 1"}, {Pool: "ams", Status: ofAms, Chosen: ofAms == health.Up, Why: why[ofAms]}}
	}
	route := &zones.Route{Steering: &zones.Steering{Policy: zones.Weighted}, Tiers: []zones.Tier{{}}}
	decision := func(mode steer.Mode, pool *zones.Pool, addrs ...netip.Addr) steer.Decision {
		d := steer.Decision{Route: route, Mode: mode, TTL: 5 * time.Second}
		if pool != nil {
			d.Shares = []steer.Share{{Pool: pool, Weight: 1, Addresses: addrs}}
		}
		return d
	}
	at := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	answer := func(from, to steer.Decision, names ...string) publish.Event {
		change := &publish.AnswerChange{From: from, To: to}
		for _, name := range names {
			change.Names = append(change.Names, &zones.Name{Name: name})
		}
		return publish.Event{At: at, Answer: change}
	}
	both := func(weight int) steer.Decision { // one of nyc, and this of ams
		d := decision(steer.Normal, nyc, one)
		d.Shares = append(d.Shares, steer.Share{Pool: ams, Weight: weight, Addresses: []netip.Addr{two}})
		d.Reasons = considered(health.Up)
		return d
	}
	alone := decision(steer.Normal, nyc, one)
	alone.Reasons = considered(health.Down)
	viewed := func(e publish.Event, views int) publish.Event {
		for i := range views {
			e.Answer.Routes = append(e.Answer.Routes, &zones.Route{Views: []string{fmt.Sprintf("asn:%d", i+1), "default"}})
		}
		return e
	}
	var many []netip.Addr
	var listed string
	for i := range 5000 {
		many = append(many, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	for _, text := range addresses(many)[:20] {
		listed += fmt.Sprintf("%q,", text)
	}
	for _, test := range []struct {
		name  string
		event publish.Event
		want  string
	}{
		{"a target falls",
			publish.Event{Target: &health.Transition{Target: health.Target{ID: "web@a", Check: "web"}, From: health.Up, To: health.Down, At: at,
				Lasted: 90 * time.Minute, Cause: health.Result{Reason: "status", Detail: "503"}}},
			`"level":"WARN","msg":"target down","target":"web@a","check":"web","from":"up","up_for":"1h30m0s","reason":"status","detail":"503","at":"2026-01-02T12:00:00Z"}`},
		{"a target recovers",
			publish.Event{Target: &health.Transition{Target: health.Target{ID: "web@a", Check: "web"}, From: health.Down, To: health.Up, At: at,
				Lasted: 190 * time.Second, Cause: health.Result{Reason: "ok", Detail: "200"}}},
			`"level":"INFO","msg":"target up","target":"web@a","check":"web","from":"down","down_for":"3m10s","reason":"ok","detail":"200","at":"2026-01-02T12:00:00Z"}`},
		{"a pool recovers",
			publish.Event{Pool: &publish.PoolChange{From: health.Down, Lasted: time.Minute, To: steer.PoolState{Pool: nyc, Status: health.Up, Why: "1 of 1"}}},
			`"level":"INFO","msg":"pool up","pool":"nyc","region":"us-east-1","from":"down","down_for":"1m0s","why":"1 of 1"}`},
		{"a pool's first status",
			publish.Event{Pool: &publish.PoolChange{Lasted: time.Minute, To: steer.PoolState{Pool: nyc, Status: health.Down, Why: "0 of 1"}}},
			`"level":"WARN","msg":"pool down","pool":"nyc","region":"us-east-1","from":"unknown","why":"0 of 1"}`},
		{"another pool", answer(decision(steer.Normal, nyc, one), decision(steer.Normal, ams, two), "app."),
			`"level":"INFO","msg":"answer changed","why":"","names":["app."],"changed":"pool","from":"nyc","pool":"ams","mode":"normal","addresses":["192.0.2.2"],"ttl":"5s","clients_moved_by":"2026-01-02T12:00:05Z"}`},
		{"another mode", answer(decision(steer.Normal, nyc, one), decision(steer.AssumeUp, nyc, one), "app."),
			`"level":"ERROR","msg":"answer changed","why":"","names":["app."],"changed":"mode","from_mode":"normal","pool":"nyc","mode":"assume_up","addresses":["192.0.2.1"],"ttl":"5s"}`},
		{"other addresses", answer(decision(steer.Normal, nyc, one), decision(steer.Normal, nyc, two), "app."),
			`"level":"INFO","msg":"answer changed","why":"","names":["app."],"changed":"addresses","added":["192.0.2.2"],"removed":["192.0.2.1"],"pool":"nyc","mode":"normal","addresses":["192.0.2.2"],"ttl":"5s","clients_moved_by":"2026-01-02T12:00:05Z"}`},
		{"one pool less of two that share", answer(both(3), alone, "app."),
			`"level":"INFO","msg":"answer changed","why":"ams down (0 of 1); nyc up, chosen (1 of 1)","names":["app."],"changed":"pool","from":"nyc 25 % + ams 75 %","pool":"nyc","mode":"normal","addresses":["192.0.2.1"],"ttl":"5s","clients_moved_by":"2026-01-02T12:00:05Z"}`},
		{"other weights", answer(both(3), both(1), "app."),
			`"level":"INFO","msg":"answer changed","why":"nyc up, chosen (1 of 1); ams up, chosen (1 of 1)","names":["app."],"changed":"weights","from":"nyc 25 % + ams 75 %","pool":"nyc+ams","mode":"normal","addresses":["192.0.2.1","192.0.2.2"],"ttl":"5s"}`},
		{"another CNAME", answer(decision(steer.Normal, aws), decision(steer.Normal, moved), "app."),
			`"level":"INFO","msg":"answer changed","why":"","names":["app."],"changed":"addresses","added":["lb-2.example.net."],"removed":["lb-1.example.net."],"pool":"aws","mode":"normal","addresses":["lb-2.example.net."],"ttl":"5s","clients_moved_by":"2026-01-02T12:00:05Z"}`},
		{"for some views", viewed(answer(decision(steer.Normal, nyc, one), decision(steer.Panic, ams, two), "app."), 7),
			`"level":"ERROR","msg":"answer changed","why":"","names":["app."],"views":["asn:1","asn:2","asn:3","asn:4","asn:5","and 2 others"],"changed":"pool","from":"nyc","from_mode":"normal","pool":"ams","mode":"panic","addresses":["192.0.2.2"],"ttl":"5s","clients_moved_by":"2026-01-02T12:00:05Z"}`},
		{"a pool that is down is held", answer(decision(steer.Normal, nyc, one), decision(steer.Held, nyc, one), "app."),
			`"level":"WARN","msg":"answer changed","why":"","names":["app."],"changed":"mode","from_mode":"normal","pool":"nyc","mode":"held","addresses":["192.0.2.1"],"ttl":"5s"}`},
		{"clients that no view has", answer(steer.Decision{}, steer.Decision{Route: &zones.Route{Steering: &zones.Steering{}}, Mode: steer.NoData}, "app."),
			`"level":"INFO","msg":"first answer","why":"","names":["app."],"pool":"","mode":"nodata","addresses":[],"ttl":"0s"}`},
		{"a pool with many addresses", answer(steer.Decision{}, decision(steer.Normal, nyc, many...), "app."),
			`"level":"INFO","msg":"first answer","why":"","names":["app."],"pool":"nyc","mode":"normal","addresses":[` + listed + `"and 4980 others"],"ttl":"5s"}`},
		{"no pool any more", answer(decision(steer.Normal, nyc, one), decision(steer.ServFail, nil), "app."),
			`"level":"ERROR","msg":"answer changed","why":"","names":["app."],"changed":"pool","from":"nyc","from_mode":"normal","pool":"","mode":"servfail","addresses":[],"ttl":"5s","clients_moved_by":"2026-01-02T12:00:05Z"}`},
		{"a first answer, and all is down", answer(steer.Decision{}, decision(steer.AssumeUp, nyc, one), "1.", "2.", "3.", "4.", "5.", "6.", "7."),
			`"level":"ERROR","msg":"first answer","why":"","names":["1.","2.","3.","4.","5.","and 2 others"],"pool":"nyc","mode":"assume_up","addresses":["192.0.2.1"],"ttl":"5s"}`},
		{"a certificate to renew", publish.Event{Expiry: &publish.Expiry{Target: "web@192.0.2.1", Until: time.Date(2026, 1, 9, 12, 0, 0, 0, time.UTC)}},
			`"level":"WARN","msg":"certificate must be renewed","target":"web@192.0.2.1","valid_until":"2026-01-09T12:00:00Z"}`},
		{"a certificate that was renewed", publish.Event{Expiry: &publish.Expiry{Target: "web@192.0.2.1"}},
			`"level":"INFO","msg":"certificate renewed","target":"web@192.0.2.1"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := logged(t, "json", "info", test.event); !slices.Equal(got, []string{test.want}) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), test.want)
			}
		})
	}
}

// Each incident is a line that a person understands without the others.
func TestIncidentLines(t *testing.T) {
	i := incident.Incident{ID: "pool/nyc/1", Kind: incident.Failover, Subject: "nyc", Text: "nyc is down since 01:06:02 UTC: timeout; app answers ams", Do: "mend nyc"}
	all := i
	all.ID, all.Kind, all.Critical, all.Text, all.Do = "names/nyc/2", incident.AllDown, true, "app has no pool left", ""
	over := i
	over.Text = "nyc is up, and answered as usual again"
	var out strings.Builder
	logger, err := logs.New(&out, "text", "info", false)
	must(t, err)
	logIncidents(logger)([]incident.Change{{What: incident.Began, Incident: i}, {What: incident.Changed, Incident: all}, {What: incident.Ended, Incident: over}})
	got := regexp.MustCompile(`(?m)^time=\S+ `).ReplaceAllString(out.String(), "")
	want := `level=WARN msg="incident began" what="nyc is down since 01:06:02 UTC: timeout; app answers ams" do="mend nyc" kind=failover incident=pool/nyc/1
level=ERROR msg="incident changed" what="app has no pool left" kind=all-down incident=names/nyc/2
level=INFO msg="incident ended" what="nyc is up, and answered as usual again" kind=failover incident=pool/nyc/1
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Events that are too many for the memory come from the disk.
func TestEventsFromTheDisk(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	for i := range 3000 {
		s.journal.Add(journal.Event{Kind: journal.Pool, Subject: fmt.Sprintf("p%04d", i), From: "up", To: "down"})
	}
	s.Eventually("all of them", func() bool {
		var list api.EventList
		must(t, s.overSocket().do(http.MethodGet, "events?limit=2500", nil, &list))
		return len(list.Events) == 2500 && list.Events[0].Subject == "p0500" && list.Events[2499].Subject == "p2999"
	})
}
