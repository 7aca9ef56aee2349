package admin

import (
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/alias"
	"gslb/answer"
	"gslb/health"
	"gslb/history"
	"gslb/incident"
	"gslb/journal"
	"gslb/override"
	"gslb/publish"
	"gslb/replication"
	"gslb/steer"
	"gslb/zones"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// world is what a server under test is told.
type world struct {
	set     *zones.Set
	reports []health.Report
	hosts   *alias.Addresses
	words   *override.Words
	aliases []alias.Report
	copies  []replication.Report
	view    *replication.View // of them
	table   *answer.Table
	waiting []string
	notes   []string
	history []history.Report
	reload  ConfigStatus
	admin   zones.Admin
	started time.Time
	now     time.Time // stands still: nothing gets old while a busy machine draws a page

	incidents []incident.Incident
}

// Pools of the fixture, by their place in the set.
const (
	ams = iota
	nyc
)

// newWorld is two regions, with an HTTP check a member and a table check a region, and two
// names. Every target is up, and was judged a second ago.
func newWorld(now time.Time) *world {
	web := func(address string) health.Target {
		return health.Target{
			ID: health.TargetID("web@" + address), Check: "web", Subject: address,
			Spec:     &health.HTTP{URL: "http://" + address + ":8080/health"},
			Interval: 5 * time.Second, FastInterval: time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3,
		}
	}
	table := func(region string) health.Target {
		return health.Target{
			ID: health.TargetID("table@" + region), Check: "table", Subject: region,
			Spec:     &health.DynamoDB{Table: "YourAppTable", Region: region},
			Interval: 5 * time.Second, FastInterval: time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3,
		}
	}
	member := func(address string) zones.Member {
		return zones.Member{
			Address: netip.MustParseAddr(address),
			Targets: []health.TargetID{health.TargetID("web@" + address)},
		}
	}
	w := &world{started: now.Add(-time.Hour), now: now}
	w.set = &zones.Set{
		Path: "zones.toml", Hash: strings.Repeat("0123456789abcdef", 4), Loaded: now.Add(-time.Hour),
		Targets: []health.Target{
			table("eu-west-1"), table("us-east-1"),
			web("198.51.100.10"), web("2001:db8::10"), web("203.0.113.10"),
		},
		Pools: []*zones.Pool{
			{Name: "ams", Region: "eu-west-1", MinUp: zones.Quorum{Count: 1}, Targets: []health.TargetID{"table@eu-west-1"},
				Members: []zones.Member{member("198.51.100.10")}},
			{Index: 1, Name: "nyc", Region: "us-east-1", MinUp: zones.Quorum{Count: 1}, Targets: []health.TargetID{"table@us-east-1"},
				Members: []zones.Member{member("203.0.113.10"), member("2001:db8::10")}},
		},
	}
	zone := &zones.Zone{Name: "gslb.example.com.", Serial: 2026112301}
	w.set.Zones = []*zones.Zone{zone}
	w.addName("app", nyc, ams)
	w.addName("www", ams)
	for _, target := range w.set.Targets {
		w.reports = append(w.reports, passing(target, now))
	}
	return w
}

// addName steers one more name of the zone by its pools in order.
func (w *world) addName(label string, pools ...int) *zones.Name {
	steering := &zones.Steering{
		Index: len(w.set.Steerings), Key: label, Policy: zones.Failover,
		TTL: 20 * time.Second, TTLMin: 5 * time.Second, WhenAllDown: zones.AssumeUp,
	}
	for _, i := range pools {
		steering.Pools = append(steering.Pools, w.set.Pools[i])
	}
	w.set.Steerings = append(w.set.Steerings, steering)
	route := &zones.Route{Index: len(w.set.Routes), Key: label, Steering: steering}
	for _, pool := range steering.Pools {
		route.Tiers = append(route.Tiers, zones.Tier{Shares: []zones.Share{{Pool: pool, Weight: 1}}})
	}
	steering.Routes = []*zones.Route{route}
	w.set.Routes = append(w.set.Routes, route)
	zone := w.set.Zones[0]
	name := &zones.Name{Name: label + "." + zone.Name, Zone: zone, Steering: steering}
	zone.Names = append(zone.Names, name)
	return name
}

// addNames steers n more names, all alike.
func (w *world) addNames(n int, pools ...int) {
	shared := w.addName("many", pools...).Steering
	zone := w.set.Zones[0]
	for i := range n - 1 {
		zone.Names = append(zone.Names, &zones.Name{Name: fmt.Sprintf("n%06d.%s", i, zone.Name), Zone: zone, Steering: shared})
	}
}

// report is what is reported of a target, to be changed.
func (w *world) report(id health.TargetID) *health.Report {
	for i := range w.reports {
		if w.reports[i].Target.ID == id {
			return &w.reports[i]
		}
	}
	panic("the fixture has no target " + id)
}

// fail turns a target down.
func (w *world) fail(id health.TargetID, now time.Time, reason, detail string) {
	r := w.report(id)
	r.Last = health.Result{Verdict: health.Fail, Reason: reason, Detail: detail}
	r.State = health.State{Status: health.Down, Since: now.Add(-90 * time.Second), Cause: r.Last}
}

// snapshot is the health that the reports tell of.
func (w *world) snapshot(now time.Time) *health.Snapshot {
	states := make(map[health.TargetID]health.State)
	for _, r := range w.reports {
		states[r.Target.ID] = r.State
	}
	return health.NewSnapshot(now, states)
}

// publish decides by the reports, as publish.Publisher does.
func (w *world) publish(now time.Time) {
	w.now = now
	outcome := steer.Step(w.set, steer.Input{Snapshot: w.snapshot(now), Hosts: w.hosts, Words: w.words, Copies: w.view, Now: now}, steer.Memory{})
	w.table = answer.NewIndex(w.set).Compile(outcome)
}

// server is a server that shows the world, and the registry of its metrics.
func (w *world) server() (*Server, *prometheus.Registry) {
	registry := prometheus.NewPedanticRegistry()
	w.admin.Hosts = append(w.admin.Hosts, "example.com") // httptest asks by this name
	s := New(Options{
		Table:        func() *answer.Table { return w.table },
		Reports:      func() []health.Report { return w.reports },
		Aliases:      func() []alias.Report { return w.aliases },
		Copies:       func() []replication.Report { return w.copies },
		Incidents:    func() []incident.Incident { return w.incidents },
		Readiness:    func() []string { return w.waiting },
		Notes:        func() []string { return w.notes },
		History:      func() []history.Report { return w.history },
		ConfigStatus: func() ConfigStatus { return w.reload },
		Settings:     func() *zones.Admin { return &w.admin },
		Host:         "ns1.example.net",
		Gatherer:     registry,
		Registerer:   registry,
		Logger:       slog.New(slog.DiscardHandler),
		Version:      "v1.2.3",
		Started:      w.started,
	})
	s.now = func() time.Time { return w.now }
	return s, registry
}

// get asks a server for a path.
func get(t *testing.T, s *Server, path string) *httptest.ResponseRecorder {
	t.Helper()
	return do(t, s, http.MethodGet, path)
}

func do(t *testing.T, s *Server, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	recorder := httptest.NewRecorder()
	s.Handler().ServeHTTP(recorder, httptest.NewRequest(method, path, nil))
	return recorder
}

// record has a server remember what was published.
func record(s *Server, events []publish.Event) { journal.New(0, s.Record).Notice(events) }
