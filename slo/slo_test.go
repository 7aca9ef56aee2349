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
	"gslb/override"
	"gslb/publish"
	"gslb/publish/publishtest"
	"gslb/replication"
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

// world is a server whose pools a test turns by hand.
type world struct{ *publishtest.World }

func newWorld(t *testing.T, text string) *world {
	t.Helper()
	return &world{publishtest.New(publishtest.Parse(t, text, time.Now()), time.Now())}
}

// fall turns pools down, and all others up.
func (w *world) fall(pools ...string) {
	clear(w.Down)
	for _, name := range pools {
		for _, id := range w.Set.Pool(name).Members[0].Targets {
			w.Down[id] = true
		}
	}
}

// fallBehind has the data of nyc arrive late, or not any more.
func (w *world) fallBehind(is bool) {
	s := replication.State{Condition: replication.Current, Since: w.Now, Good: w.Now}
	if is {
		s = replication.State{Condition: replication.Behind, Degraded: true, Since: w.Now}
	}
	w.Copies = map[replication.Region]replication.State{{Group: "orders", Region: "us-east-1"}: s}
}

// failBack has everybody return with the next decision.
func (w *world) failBack() {
	for _, r := range w.Set.Routes {
		w.Back = append(w.Back, r.Index)
	}
}

// decide decides by now.
func (w *world) decide() []publish.Event {
	w.Now = time.Now()
	return w.Decide()
}

func TestMoves(t *testing.T) {
	drain := override.Override{Kind: override.Drain, Pool: "nyc", Reason: "a test", By: "me"}
	pin := override.Override{Kind: override.Pin, Name: "app.gslb.example.com.", Pool: "ams", Reason: "a test", By: "me", Anyway: true}
	for _, test := range []struct {
		name         string
		before, then func(*world)
		want         string // of app and both
	}{
		{"a pool fails", nil, func(w *world) { w.fall("nyc") }, "app left: down, both left: down"},
		{"one that shares fails", nil, func(w *world) { w.fall("sfo") }, "both left: down"},
		{"the tier fails", nil, func(w *world) { w.fall("nyc", "sfo") }, "app left: down, both left: down"},
		{"one that is not answered fails", nil, func(w *world) { w.fall("ams") }, ""},
		{"one that shares comes back", func(w *world) { w.fall("sfo") }, func(w *world) { w.fall() }, "both came: recovered"},
		{"the tier comes back, and app waits", func(w *world) { w.fall("nyc", "sfo") }, func(w *world) { w.fall() }, "both came: recovered"},
		{"a person has it return", func(w *world) { w.fall("nyc"); w.decide(); w.fall() }, func(w *world) { w.failBack() }, "app came: command"},
		{"drained", nil, func(w *world) { w.Words = []override.Override{drain} }, "app left: drain, both left: drain"},
		{"undrained", func(w *world) { w.Words = []override.Override{drain} }, func(w *world) { w.Words = nil }, "app came: drain, both came: drain"},
		{"its data is behind when it comes back", func(w *world) { w.fall("nyc"); w.decide(); w.fallBehind(true) }, func(w *world) { w.fall() }, ""},
		{"its data is current again", func(w *world) { w.fall("nyc"); w.decide(); w.fallBehind(true); w.decide(); w.fall() }, func(w *world) { w.fallBehind(false) }, "both came: recovered"},
		{"pinned", nil, func(w *world) { w.Words = []override.Override{pin} }, "app left: pin"},
		{"unpinned", func(w *world) { w.Words = []override.Override{pin} }, func(w *world) { w.Words = nil }, "app came: pin"},
		{"everything fails: nobody is moved", nil, func(w *world) { w.fall("nyc", "sfo", "ams") }, ""},
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
		c := New(func() *answer.Table { return w.Table }, r)
		c.Notice(nil) // the first publication
		time.Sleep(10 * time.Second)
		w.fall("nyc")
		events := w.decide()
		for i := range events {
			events[i].Answer.Failed = time.Now().Add(-3 * time.Second)
		}
		c.Notice(events)
		time.Sleep(20 * time.Second)
		w.fall("nyc", "sfo", "ams")
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
		w.World = next.World
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
		c := New(func() *answer.Table { return w.Table }, r)
		c.Notice(nil)
		time.Sleep(time.Second)
		w.Words = []override.Override{{Kind: override.Pin, Name: "n1009.gslb.example.com.", Pool: "ams", Reason: "a test", By: "me"}}
		c.Notice(w.decide())
		time.Sleep(time.Second)
		w.fall("sfo")
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
