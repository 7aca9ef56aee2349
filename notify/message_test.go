package notify

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/incident"
	"gslb/zones"
)

func failover() incident.Incident {
	return incident.Incident{
		ID: "failover/nyc/1764345600", Kind: incident.Failover, Subject: "nyc", Critical: true, Since: noon,
		Text:    "nyc is down since 12:00:00: load balancer times out; app and www answer ams; clients have moved by 12:01:10",
		Summary: "nyc is down: load balancer times out",
		Why:     "load balancer times out", Do: "see whether the load balancer of nyc runs",
		Moves: []incident.Move{{
			At: noon, Names: []string{"app.gslb.example.com.", "www.gslb.example.com."}, NamesTotal: 12, From: "nyc", To: "ams",
			Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.10"), netip.MustParseAddr("2001:db8::10")},
		}},
		MovesTotal: 3, Moved: noon.Add(70 * time.Second),
	}
}

func TestCompose(t *testing.T) {
	from := source{"ns1", "https://ns1.example.com:8053/", "https://wiki.example.com/runbook"}
	amsterdam, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	refused := incident.Incident{ID: "r", Kind: incident.Refused, Subject: "zones.toml", Since: noon, Why: "pools.nyc.min_up: found 3",
		Summary: "The last reload of the configuration failed: pools.nyc.min_up: found 3; the one before goes on serving"}
	recovered := over(failover(), noon.Add(3725*time.Second))
	recovered.Outcome = "nyc is up, and answered as usual again"
	brief := recovered
	brief.Until = noon.Add(65 * time.Second)
	older := refused // by a gslb that made no summaries
	older.Summary, older.Text = "", "The last reload of the configuration failed at 12:00:00 UTC"
	for _, test := range []struct {
		name        string
		items       []item
		from        source
		in          *time.Location
		title, body string
	}{
		{"it begins", []item{{what: began, incident: failover()}}, from, amsterdam, "[CRITICAL] nyc is out, and its names answer something else (ns1)", `
nyc is down: load balancer times out

Since:   2026-11-28 13:00:00 CET
Answer:  app.gslb.example.com, www.gslb.example.com and 10 more: ams (198.51.100.10, 2001:db8::10) instead of nyc
Answer:  and 2 more
Clients: have moved by 13:01:10 CET
Do:      see whether the load balancer of nyc runs
Runbook: https://wiki.example.com/runbook#failover
Page:    https://ns1.example.com:8053/
`},
		{"it is over", []item{{what: ended, incident: recovered}}, source{host: "ns1", runbook: from.runbook}, time.UTC, "[RESOLVED] nyc is up, and answered as usual again (ns1)", `
It was: nyc is down: load balancer times out

From:    2026-11-28 12:00:00 UTC
Until:   2026-11-28 13:02:05 UTC, after 1h2m
`},
		{"several", []item{{what: was, incident: brief}, {what: lasts, incident: refused}}, source{host: "ns1"}, time.UTC, "[WARNING] the configuration was not reloaded, and 1 more (ns1)", `
[WARNING] the configuration was not reloaded
The last reload of the configuration failed: pools.nyc.min_up: found 3; the one before goes on serving

Since:   2026-11-28 12:00:00 UTC, and it lasts

[RESOLVED] nyc is up, and answered as usual again
It was: nyc is down: load balancer times out

From:    2026-11-28 12:00:00 UTC
Until:   2026-11-28 12:01:05 UTC, after 1m5s
`},
		{"of an older gslb", []item{{what: began, incident: older}}, source{host: "ns1"}, time.UTC, "[WARNING] the configuration was not reloaded (ns1)", `
The last reload of the configuration failed at 12:00:00 UTC

Since:   2026-11-28 12:00:00 UTC
Why:     pools.nyc.min_up: found 3
`},
		{"a test", []item{trial(noon)}, from, time.UTC, "[TEST] this is a test (ns1)", `
This is a test: a person has asked gslb to send it. Nothing is wrong.

Since:   2026-11-28 12:00:00 UTC
Do:      nothing; close it, if this service keeps it open
Page:    https://ns1.example.com:8053/
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := compose(test.items, test.from, test.in)
			if got.Title != test.title {
				t.Errorf("title %q, want %q", got.Title, test.title)
			}
			if diff := cmp.Diff(strings.TrimPrefix(test.body, "\n"), got.Body); diff != "" {
				t.Errorf("body (-want +got)\n%s", diff)
			}
		})
	}
}

// Of a failover the title says what is answered, and for whom.
func TestTitleOfFailover(t *testing.T) {
	i := failover()
	i.MovesTotal = 1
	text := compose([]item{{what: began, incident: i}}, source{host: "ns1"}, time.UTC)
	if want := "[CRITICAL] nyc is out: ams is answered instead, for app.gslb.example.com and 11 more (ns1)"; text.Title != want || strings.Contains(text.Body, "2 more\n") {
		t.Errorf("%s\n%s\nwant the title %s", text.Title, text.Body, want)
	}
	i.Moves[0].From = i.Moves[0].To
	if text := compose([]item{{what: began, incident: i}}, source{host: "ns1"}, time.UTC); !strings.Contains(text.Body, "2001:db8::10), as before\n") {
		t.Errorf("what is answered as before:\n%s", text.Body)
	}
}

// A message about very many incidents stays short.
func TestComposeMany(t *testing.T) {
	var items []item
	for range mostAtOnce {
		items = append(items, item{what: began, incident: failover()})
	}
	text := compose(items, source{host: "ns1"}, time.UTC)
	if !strings.Contains(text.Title, "and 49 more") || strings.Count(text.Body, "Since:") != fullIncidents || strings.Count(text.Body, "[CRITICAL]") != mostAtOnce {
		t.Errorf("%s\n%s", text.Title, text.Body)
	}
	if text.ID != "" {
		t.Errorf("it is said to be about %s alone", text.ID)
	}
}

// Every kind can be asked for, and has words of its own.
func TestKinds(t *testing.T) {
	var kinds []string
	for _, kind := range incident.Kinds {
		kinds = append(kinds, string(kind))
	}
	slices.Sort(kinds)
	if diff := cmp.Diff(kinds, zones.NotifyKinds()); diff != "" {
		t.Errorf("what a target can ask for (-incident.Kinds +got)\n%s", diff)
	}
	said := make(map[string]string)
	for _, kind := range zones.NotifyKinds() {
		line := headline(&incident.Incident{Kind: incident.Kind(kind), Subject: "nyc"})
		if line == kind+" nyc" || said[line] != "" {
			t.Errorf("%s: %q, as %q", kind, line, said[line])
		}
		said[line] = kind
	}
}

func TestQuiet(t *testing.T) {
	amsterdam, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	night, lunch := zones.Quiet{From: 22 * time.Hour, To: 7 * time.Hour}, zones.Quiet{From: 12 * time.Hour, To: 13 * time.Hour}
	clockBack := zones.Quiet{From: time.Hour, To: 2*time.Hour + 30*time.Minute} // on 25 October 2026, 3:00 was 2:00 again
	for _, test := range []struct {
		quiet     zones.Quiet
		at, until string // in UTC; empty: it is not quiet
	}{
		{night, "2026-11-28T20:59:59Z", ""},
		{night, "2026-11-28T21:00:00Z", "2026-11-29T06:00:00Z"},
		{night, "2026-11-30T23:30:00Z", "2026-12-01T06:00:00Z"},
		{night, "2026-12-31T22:00:00Z", "2027-01-01T06:00:00Z"},
		{night, "2026-11-29T05:59:59Z", "2026-11-29T06:00:00Z"},
		{night, "2026-11-29T06:00:00Z", ""},
		{night, "2026-03-28T21:00:00Z", "2026-03-29T05:00:00Z"}, // the clock is set on in this night
		{lunch, "2026-11-28T11:00:00Z", "2026-11-28T12:00:00Z"},
		{lunch, "2026-11-28T12:00:00Z", ""},
		{clockBack, "2026-10-25T00:10:00Z", "2026-10-25T01:30:00Z"},
		{clockBack, "2026-10-25T01:10:00Z", "2026-10-25T01:30:00Z"},
	} {
		at, _ := time.Parse(time.RFC3339, test.at)
		got := ""
		if until := test.quiet.Until(at.In(amsterdam)); !until.IsZero() {
			got = until.UTC().Format(time.RFC3339)
		}
		if got != test.until {
			t.Errorf("%v at %s: until %q, want %q", test.quiet, test.at, got, test.until)
		}
	}
}
