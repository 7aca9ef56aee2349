package slo

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"gslb/answer"
	"gslb/health"
	"gslb/override"
	"gslb/publish"
	"gslb/replication"
	"gslb/steer"
	"gslb/zones"
	"gslb/zones/config"
)

const twoRegions = `
[server]
listen = ["127.0.0.1:0"]
[checks.web]
type = "tcp"
address = "{address}:80"
[pools]
nyc = { members = ["203.0.113.10"], checks = ["web"], region = "us-east-1", replication = "orders" }
sfo = { members = ["203.0.113.20"], checks = ["web"] }
ams = { members = ["198.51.100.10"], checks = ["web"] }
[replication.orders]
table   = "Orders"
key     = { id = "gslb" }
regions = ["us-east-1", "eu-west-1"]
writer  = "ns1"
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
[zones."gslb.example.com".names.app]
pools = ["nyc", "ams"]
failback = "manual"
[zones."gslb.example.com".names.both]
policy = "weighted"
pools = [["nyc", "sfo"], "ams"]
failback_after = "0s"
`

// world decides as the publisher does, for what a test makes of the targets.
type world struct {
	t       *testing.T
	set     *zones.Set
	down    []string // pools
	words   []override.Override
	behind  bool // the data of nyc
	back    bool // clients return with the next decision
	outcome *steer.Outcome
	table   *answer.Table
}

func newWorld(t *testing.T, text string) *world {
	t.Helper()
	set, err := config.Parse([]byte(text), "zones.toml", config.LoadOptions{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, set: set}
	w.decide()
	return w
}

// decide decides anew, and returns what is published of it.
func (w *world) decide() []publish.Event {
	now := time.Now()
	states := make(map[health.TargetID]health.State)
	for _, target := range w.set.Targets {
		states[target.ID] = health.State{Status: health.Up, Since: now.Add(-time.Hour), Cause: health.Result{Verdict: health.Pass}}
		for _, pool := range w.down {
			if p := w.set.Pool(pool); len(p.Members) > 0 && slices.Contains(p.Members[0].Targets, target.ID) {
				states[target.ID] = health.State{Status: health.Down, Since: now, Cause: health.Result{Verdict: health.Fail}}
			}
		}
	}
	in := steer.Input{Snapshot: health.NewSnapshot(now, states), Words: override.NewWords(w.words), Now: now}
	if w.behind {
		in.Copies = replication.NewView(map[replication.Region]replication.State{{Group: "orders", Region: "us-east-1"}: {Condition: replication.Behind, Degraded: true, Since: now}})
	}
	if w.back {
		for _, r := range w.set.Routes {
			in.Failback = append(in.Failback, r.Index)
		}
		w.back = false
	}
	memory := steer.Memory{}
	if w.outcome != nil {
		memory = w.outcome.Memory()
	}
	w.outcome = steer.Step(w.set, in, memory)
	before := w.table
	w.table = answer.NewIndex(w.set).Compile(w.outcome).PublishedAt(now)
	if before == nil {
		return nil
	}
	var events []publish.Event
	for _, change := range publish.Compare(before, w.table) {
		events = append(events, publish.Event{At: now, Answer: change})
	}
	return events
}

func TestMoves(t *testing.T) {
	drain := override.Override{Kind: override.Drain, Pool: "nyc", Reason: "a test", By: "me"}
	pin := override.Override{Kind: override.Pin, Name: "app.gslb.example.com.", Pool: "ams", Reason: "a test", By: "me", Anyway: true}
	for _, test := range []struct {
		name         string
		before, then func(*world)
		want         string // of app and both
	}{
		{"a pool fails", nil, func(w *world) { w.down = []string{"nyc"} }, "app left: down, both left: down"},
		{"one that shares fails", nil, func(w *world) { w.down = []string{"sfo"} }, "both left: down"},
		{"the tier fails", nil, func(w *world) { w.down = []string{"nyc", "sfo"} }, "app left: down, both left: down"},
		{"one that is not answered fails", nil, func(w *world) { w.down = []string{"ams"} }, ""},
		{"one that shares comes back", func(w *world) { w.down = []string{"sfo"} }, func(w *world) { w.down = nil }, "both came: recovered"},
		{"the tier comes back, and app waits", func(w *world) { w.down = []string{"nyc", "sfo"} }, func(w *world) { w.down = nil }, "both came: recovered"},
		{"a person has it return", func(w *world) { w.down = []string{"nyc"}; w.decide(); w.down = nil }, func(w *world) { w.back = true }, "app came: command"},
		{"drained", nil, func(w *world) { w.words = []override.Override{drain} }, "app left: drain, both left: drain"},
		{"undrained", func(w *world) { w.words = []override.Override{drain} }, func(w *world) { w.words = nil }, "app came: drain, both came: drain"},
		{"pinned", nil, func(w *world) { w.words = []override.Override{pin} }, "app left: pin"},
		{"unpinned", func(w *world) { w.words = []override.Override{pin} }, func(w *world) { w.words = nil }, "app came: pin"},
		{"everything fails: nobody is moved", nil, func(w *world) { w.down = []string{"nyc", "sfo", "ams"} }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, twoRegions)
			if test.before != nil {
				test.before(w)
				w.decide()
			}
			test.then(w)
			var got []string
			for _, e := range w.decide() {
				if to, cause := moveOf(e.Answer); to != stayed {
					word := map[direction]string{left: "left", came: "came"}[to]
					got = append(got, fmt.Sprintf("%s %s: %s", strings.TrimSuffix(e.Answer.Names[0].Name, ".gslb.example.com."), word, cause))
				}
			}
			slices.Sort(got)
			if text := strings.Join(got, ", "); text != test.want {
				t.Errorf("got %q, want %q", text, test.want)
			}
		})
	}
}

// values is what a registry has, without what is 0.
func values(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			labels := make([]string, len(m.Label))
			for i, l := range m.Label {
				labels[i] = l.GetValue()
			}
			value := m.GetCounter().GetValue()
			if h := m.GetHistogram(); h != nil {
				value = h.GetSampleSum()
			}
			if value != 0 {
				got[strings.TrimSpace(f.GetName()+" "+strings.Join(labels, " "))] = value
			}
		}
	}
	return got
}

func TestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, twoRegions)
		r := prometheus.NewRegistry()
		c := New(func() *answer.Table { return w.table }, r)
		c.Notice(nil) // the first publication
		time.Sleep(10 * time.Second)
		w.down = []string{"nyc"}
		events := w.decide()
		for i := range events {
			events[i].Answer.Failed = time.Now().Add(-3 * time.Second)
		}
		c.Notice(events)
		time.Sleep(20 * time.Second)
		w.down = []string{"nyc", "sfo", "ams"}
		c.Notice(w.decide())
		time.Sleep(5 * time.Second)
		want := map[string]float64{
			"gslb_failovers_total down app.gslb.example.com.":               1,
			"gslb_failovers_total down both.gslb.example.com.":              1,
			"gslb_failover_duration_seconds":                                6,
			"gslb_name_mode_seconds_total normal app.gslb.example.com.":     30,
			"gslb_name_mode_seconds_total normal both.gslb.example.com.":    30,
			"gslb_name_mode_seconds_total assume_up app.gslb.example.com.":  5,
			"gslb_name_mode_seconds_total assume_up both.gslb.example.com.": 5,
		}
		if diff := cmp.Diff(want, values(t, r)); diff != "" {
			t.Error(diff)
		}
		// A name that goes takes its series with it.
		next := newWorld(t, strings.Replace(twoRegions, "names.both]", "names.all]", 1))
		w.table, w.outcome, w.set = next.table, next.outcome, next.set
		c.Notice(nil)
		for name := range values(t, r) {
			if strings.Contains(name, "both") {
				t.Errorf("%s is still there", name)
			}
		}
	})
}

func TestManyNamesAreCountedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := twoRegions
		for i := range mostNames + 10 {
			text += fmt.Sprintf("[zones.\"gslb.example.com\".names.n%04d]\npools = [\"sfo\", \"ams\"]\n", i)
		}
		w := newWorld(t, text)
		r := prometheus.NewRegistry()
		c := New(func() *answer.Table { return w.table }, r)
		c.Notice(nil)
		time.Sleep(time.Second)
		w.words = []override.Override{{Kind: override.Pin, Name: "n1009.gslb.example.com.", Pool: "ams", Reason: "a test", By: "me"}}
		c.Notice(w.decide())
		time.Sleep(time.Second)
		w.down = []string{"sfo"}
		c.Notice(w.decide())
		got := values(t, r)
		// In the order of the configuration app and both are the first two, so that the last twelve have no series.
		for name, want := range map[string]float64{
			"gslb_failovers_total pin other":                              1,
			"gslb_failovers_total down other":                             11,
			"gslb_name_mode_seconds_total normal other":                   12 + 11,
			"gslb_name_mode_seconds_total pinned other":                   1,
			"gslb_failovers_total down n0000.gslb.example.com.":           1,
			"gslb_name_mode_seconds_total normal n0997.gslb.example.com.": 2,
		} {
			if got[name] != want {
				t.Errorf("%s is %v, want %v", name, got[name], want)
			}
		}
		if got["gslb_name_mode_seconds_total normal n0998.gslb.example.com."] != 0 {
			t.Error("a name beyond the first has a series of its own")
		}
	})
}
