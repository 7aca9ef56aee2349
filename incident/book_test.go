package incident

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"gslb/health"
	"gslb/override"
	"gslb/publish/publishtest"
	"gslb/safety"
)

// brief is changes as a test compares them.
func brief(changes []Change) string {
	var list []string
	for _, c := range changes {
		list = append(list, fmt.Sprintf("%s %s %s", c.What, c.Incident.Kind, c.Incident.Subject))
	}
	return strings.Join(list, ", ")
}

// A pool that flaps is one incident: nobody is told of each turn.
func TestFlappingIsOneIncident(t *testing.T) {
	d := newDiary(newWorld(t, twoRegions), Kept{})
	if got := brief(d.write(d.turn(time.Second, nyc))); got != "began failover nyc" {
		t.Fatalf("at first: %s", got)
	}
	first := d.lasting()[0]
	for i := range 5 {
		if got := brief(d.write(d.turn(10 * time.Second))); got != "" {
			t.Errorf("turn %d up: %s", i, got)
		}
		if got := brief(d.write(d.turn(10*time.Second, nyc))); got != "" {
			t.Errorf("turn %d down: %s", i, got)
		}
	}
	last := d.lasting()[0]
	if last.ID != first.ID || last.Turns != 6 || !last.Since.Equal(first.Since) {
		t.Errorf("ID %s, since %v, %d turns; it began as %s, since %v", last.ID, last.Since, last.Turns, first.ID, first.Since)
	}
	if want := "; it went down 6 times since 12:00:01 UTC"; !strings.HasSuffix(last.Text, want) {
		t.Errorf("the text is %q, want that it ends with %q", last.Text, want)
	}
}

// What is gone is shown as over at once, and told of when it has stayed so for its hold.
func TestEndIsHeld(t *testing.T) {
	d := newDiary(newWorld(t, twoRegions), Kept{})
	d.write(d.turn(time.Second, ams2))
	paused := d.write(d.turn(10 * time.Second))
	if brief(paused) != "paused member-down ams" || !paused[0].Incident.Until.IsZero() || !paused[0].Incident.Paused.Equal(noon.Add(11*time.Second)) {
		t.Errorf("at once: %+v", paused)
	}
	list := d.List()
	if len(list) != 1 || !list[0].Until.Equal(noon.Add(11*time.Second)) {
		t.Fatalf("the list is %+v", list)
	}
	if want := "1 of the 2 members of ams is down: web@198.51.100.11: it does not answer"; list[0].Summary != want {
		t.Errorf("the summary is\n%s\nwant\n%s", list[0].Summary, want)
	}
	want := "Every member of ams is up again; ended at 12:00:11 UTC, after 10s; it was: 1 of the 2 members of ams is down since 12:00:01 UTC: web@198.51.100.11: it does not answer"
	if list[0].Text != want {
		t.Errorf("the text is\n%s\nwant\n%s", list[0].Text, want)
	}
	d.Now = d.Now.Add(hold - time.Second)
	if got := brief(d.write(nil)); got != "" {
		t.Errorf("before the hold: %s", got)
	}
	d.Now = d.Now.Add(time.Second)
	told := d.write(nil)
	if brief(told) != "ended member-down ams" || told[0].Incident.Text != want {
		t.Errorf("after the hold: %+v", told)
	}
	d.Now = d.Now.Add(keptFor)
	if d.write(nil); len(d.List()) != 0 {
		t.Errorf("after a day: %+v", d.List())
	}
}

// The text of an incident that is over says what is so again, for one name and for several.
func TestTextOfAnEnd(t *testing.T) {
	panics := strings.Replace(twoRegions, `pools = ["lab"]`, `policy = "weighted"
pools = [["lab", "nyc", "ams"]]
panic_below = "60%"`, 1)
	for name, test := range map[string]struct {
		configuration string
		down          []health.TargetID
		want          string
	}{
		"one name":    {twoRegions, []health.TargetID{lab}, "lab has a pool again; ended at 12:00:08 UTC, after 7s; it was: lab has no pool left since 12:00:01 UTC: "},
		"names":       {twoRegions, []health.TargetID{nyc, ams1, ams2}, "api, app and www have a pool again; ended at 12:00:08 UTC, after 7s; it was: api, app and www have no pool left since 12:00:01 UTC: "},
		"panic_below": {panics, []health.TargetID{lab, nyc}, "Enough is up again of what lab answers; ended at 12:00:08 UTC, after 7s; it was: Too little is up of what lab answers since 12:00:01 UTC: "},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDiary(newWorld(t, test.configuration), Kept{})
			d.write(d.turn(time.Second, test.down...))
			d.write(d.turn(7 * time.Second))
			if list := d.List(); len(list) == 0 || !slices.ContainsFunc(list, func(i Incident) bool { return strings.HasPrefix(i.Text, test.want) }) {
				t.Errorf("the incidents are %+v, want one with\n%s", list, test.want)
			}
		})
	}
}

// What is missing for less than its hold has not ended for listeners, who would say that it has.
func TestAnnounced(t *testing.T) {
	d := newDiary(newWorld(t, twoRegions), Kept{})
	d.write(d.turn(time.Second, ams2))
	before := d.Announced()
	d.write(d.turn(10 * time.Second))
	if diff := cmp.Diff(before, d.Announced(), cmpopts.EquateComparable(netip.Addr{}), cmpopts.IgnoreFields(Incident{}, "Paused")); diff != "" || len(before) != 1 {
		t.Errorf("as it is missing (-before +after)\n%s", diff)
	}
	if at := d.Announced()[0].Paused; !at.Equal(noon.Add(11 * time.Second)) {
		t.Errorf("it is paused since %v", at)
	}
	if got := brief(d.write(d.turn(time.Second, ams2))); got != "resumed member-down ams" || !d.Announced()[0].Paused.IsZero() {
		t.Errorf("as it is there again: %s, %+v", got, d.Announced())
	}
	d.write(d.turn(-time.Second))
	d.Now = d.Now.Add(hold)
	d.write(nil)
	if list := d.Announced(); len(list) != 1 || !list[0].Until.Equal(noon.Add(11*time.Second)) {
		t.Errorf("when it has ended: %+v", list)
	}
}

// A pool whose names have no pool left is no news beside that, and none when they have one again.
func TestWhatIsPartOfMoreIsNoNews(t *testing.T) {
	d := newDiary(newWorld(t, twoRegions), Kept{})
	for i, step := range []struct {
		down []health.TargetID
		want string
	}{
		{[]health.TargetID{nyc}, "began failover nyc"},
		{[]health.TargetID{nyc, ams1, ams2}, "began all-down ams+nyc"},
		{[]health.TargetID{nyc}, "paused all-down ams+nyc"}, // and nyc is as it was told of
		{nil, "ended all-down ams+nyc"},                     // and nyc has recovered, and is not answered yet
	} {
		if got := brief(d.write(d.turn(time.Minute, step.down...))); got != step.want {
			t.Errorf("step %d: told of %q, want %q", i, got, step.want)
		}
	}
	d.write(d.turn(time.Minute))
	d.Back = []int{0, 1, 2, 3, 4}
	d.write(d.turn(time.Minute))
	told := d.write(d.turn(time.Minute))
	want := "nyc is up, and answered as usual again; ended at 12:06:00 UTC, after 5m0s; it was: nyc is down since 12:01:00 UTC: web@203.0.113.10: it does not answer; api, app and www answer ams"
	if len(told) != 1 || !strings.HasPrefix(told[0].Incident.Text, want) || told[0].Incident.Why != "web@203.0.113.10: it does not answer" {
		t.Errorf("at the end: %+v, want\n%s", told, want)
	}
}

// That a pool is drained goes on while its names have no pool left, and is not said to be over when they are
// pinned.
func TestDrainedPoolStaysDrained(t *testing.T) {
	d := newDiary(newWorld(t, twoRegions), Kept{})
	d.Words = []override.Override{drain("nyc", d.Now, time.Time{})}
	for i, step := range []struct {
		down []health.TargetID
		want string
	}{
		{nil, "began failover nyc"},
		{[]health.TargetID{ams1, ams2}, "began all-down ams+nyc"},
		{[]health.TargetID{ams1, ams2}, "changed all-down ams+nyc"}, // slow follows
		{nil, "paused all-down ams+nyc"},
		{nil, "ended all-down ams+nyc"},
		{nil, ""},
	} {
		if got := brief(d.write(d.turn(time.Minute, step.down...))); got != step.want {
			t.Errorf("step %d: told of %q, want %q", i, got, step.want)
		}
	}
	for _, name := range []string{"app", "www", "api"} {
		d.Words = append(d.Words, override.Override{Kind: override.Pin, Name: name + ".gslb.example.com.", Pool: "ams", Reason: "x", By: "root (socket)", Since: d.Now})
	}
	d.write(d.turn(time.Minute))
	told := d.write(d.turn(time.Minute))
	if brief(told) != "ended failover nyc" || !strings.HasPrefix(told[0].Incident.Text, "nyc is still drained, and nothing is answered otherwise for it; ended at 12:07:00 UTC") {
		t.Errorf("with pins: %s: %+v", brief(told), told)
	}
}

// A pool that the configuration has no more has not recovered.
func TestRemovedPool(t *testing.T) {
	d := newDiary(newWorld(t, twoRegions), Kept{})
	d.Words = []override.Override{drain("nyc", d.Now, time.Time{})}
	d.write(d.Decide())
	other := newWorld(t, strings.NewReplacer("pools.nyc", "pools.sfo", `"nyc"`, `"sfo"`).Replace(twoRegions))
	d.Table, d.Outcome = other.Table, other.Outcome
	d.write(nil)
	if list := d.List(); len(list) != 1 || list[0].Outcome != "nyc is not in the configuration any more" || !strings.HasPrefix(list[0].Text, list[0].Outcome) {
		t.Errorf("%+v", list)
	}
}

// The moves of an incident are those of the events: from what, when, and how long caches have the old answer.
func TestMoves(t *testing.T) {
	d := newDiary(newWorld(t, twoRegions), Kept{})
	d.write(nil)
	d.write(d.turn(10*time.Second, nyc))
	got := d.lasting()[0]
	if len(got.Moves) != 1 || !got.Moves[0].At.Equal(noon.Add(10*time.Second)) {
		t.Fatalf("moves %+v", got.Moves)
	}
	m := got.Moves[0]
	if text := fmt.Sprint(m.From, " to ", m.To, " ", m.Names, m.NamesTotal); text != "nyc to ams [api.gslb.example.com. app.gslb.example.com. www.gslb.example.com.] 3" {
		t.Errorf("the move is %s", text)
	}
	if fmt.Sprint(m.Addresses) != "[198.51.100.10 198.51.100.11]" || got.MovesTotal != 1 || !got.Moved.Equal(noon.Add(30*time.Second)) {
		t.Errorf("addresses %v, %d moves, moved by %v", m.Addresses, got.MovesTotal, got.Moved)
	}
}

// Names that lose their last pool go on with it: nobody moves, unless clients were on the way there.
func TestNobodyMoves(t *testing.T) {
	for _, test := range []struct {
		name  string
		first []health.TargetID // down ten seconds before all are
		want  string
	}{
		{"at once", nil, "nyc to nyc at 12:00:20, moved by -"},
		{"while clients move", []health.TargetID{nyc}, "ams to ams at 12:00:20, moved by 12:00:30"},
	} {
		d := newDiary(newWorld(t, twoRegions), Kept{})
		d.write(nil)
		d.write(d.turn(10*time.Second, test.first...))
		d.write(d.turn(10*time.Second, nyc, ams1, ams2))
		all := d.lasting()[0]
		moved := "-"
		if !all.Moved.IsZero() {
			moved = all.Moved.Format(time.TimeOnly)
		}
		m := all.Moves[0]
		if got := fmt.Sprintf("%s to %s at %s, moved by %s", m.From, m.To, m.At.Format(time.TimeOnly), moved); all.Kind != AllDown || got != test.want {
			t.Errorf("%s: %s %s, want %s", test.name, all.Kind, got, test.want)
		}
	}
}

// After a restart nothing is announced anew, and what the events told is still known.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, twoRegions)
	d := newDiary(w, Kept{})
	d.write(d.turn(10*time.Second, nyc))
	before := d.lasting()
	if err := os.WriteFile(filepath.Join(dir, fileName), d.kept(), 0o644); err != nil {
		t.Fatal(err)
	}
	kept, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	d = newDiary(w, kept)
	w.Now = w.Now.Add(time.Hour)
	if got := brief(d.write(nil)); got != "" {
		t.Errorf("after the restart: %s", got)
	}
	if diff := cmp.Diff(before, d.lasting(), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("the incident (-before +after):\n%s", diff)
	}
	if got := brief(d.write(w.turn(0))) + brief(d.write(w.turn(2*time.Minute))); got != "changed failback-waits nyc" {
		t.Errorf("as it goes on: %s", got)
	}
}

// A file that can't be used is set aside, and said.
func TestLoadDamaged(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": `{"version":1,"open":[{`, "another version": `{"version":9}`, "empty": "",
		"twice": `{"version":1,"open":[{"key":"a","id":"a/1"},{"key":"a","id":"a/2"}]}`, "no key": `{"version":1,"open":[{"id":"x"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, fileName)
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if kept, err := Load(dir); err == nil || !strings.Contains(err.Error(), path) || len(kept.Open) > 0 {
				t.Errorf("kept %+v, error %v", kept, err)
			}
			if kept, err := Load(dir); err != nil || len(kept.Open) > 0 {
				t.Errorf("the second time: kept %+v, error %v", kept, err)
			}
			if aside, err := os.ReadFile(path + ".damaged"); err != nil || string(aside) != text {
				t.Errorf("set aside: %q, %v", aside, err)
			}
		})
	}
}

// TestRun: the book looks soon after an event, and now and then; it saves; it ends.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, twoRegions)
		registry := prometheus.NewPedanticRegistry()
		var told []Change
		var looks atomic.Int64
		b := NewBook(Options{
			Look: func() Look { looks.Add(1); return w.seen() }, Dir: dir, Logger: slog.New(slog.DiscardHandler), Registerer: registry,
			Listeners: []func([]Change){func(c []Change) { told = append(told, c...) }},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Run(ctx) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := looks.Load(); n < 10 || n > 13 {
			t.Errorf("%d looks in a quiet minute", n)
		}
		looks.Store(0)
		events := w.turn(time.Second, nyc)
		for range 100 { // a storm
			b.Notice(events)
		}
		synctest.Wait()
		if brief(told) != "began failover nyc" || looks.Load() != 1 {
			t.Errorf("told of %q after %d looks", brief(told), looks.Load())
		}
		if got, err := testutil.GatherAndCount(registry, "gslb_incidents", "gslb_incidents_total"); err != nil || got != 2*len(Kinds) {
			t.Errorf("%d series, want %d: %v", got, 2*len(Kinds), err)
		}
		if got := testutil.ToFloat64(b.began.WithLabelValues(string(Failover))); got != 1 {
			t.Errorf("%v incidents have begun, want 1", got)
		}
		if err := os.RemoveAll(dir); err != nil { // somebody cleans up
			t.Fatal(err)
		}
		time.Sleep(2 * lookEvery)
		synctest.Wait()
		if kept, err := Load(dir); err != nil || len(kept.Open) != 1 {
			t.Errorf("after the directory was removed there is %+v, %v", kept, err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(dir, fileName+".123"), nil, 0o600); err != nil { // of a save that a crash interrupted
		t.Fatal(err)
	}
	kept, err := Load(dir)
	if err != nil || len(kept.Open) != 1 || kept.Open[0].Key != "pool/nyc" {
		t.Errorf("the file has %+v, %v", kept, err)
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
		t.Errorf("the directory has %v, %v; want the file alone", all, err)
	}
}

// TestBookProperties: whatever happens, in whatever order and with restarts at any step, no two incidents of
// one cause last, no ID comes twice, and every incident that began ends once when all is well.
func TestBookProperties(t *testing.T) {
	set := publishtest.Parse(t, twoRegions, noon)
	rapid.Check(t, func(t *rapid.T) {
		w := newWorldOf(set)
		d := newDiary(w, Kept{})
		began, over := make(map[string]bool), make(map[string]bool)
		take := func(changes []Change) {
			for _, c := range changes {
				id := c.Incident.ID
				switch c.What {
				case Began:
					if began[id] {
						t.Fatalf("%s began twice", id)
					}
					began[id] = true
				case Changed:
					if !began[id] || over[id] {
						t.Fatalf("%s changed, began: %t, over: %t", id, began[id], over[id])
					}
				case Ended:
					if !began[id] || over[id] {
						t.Fatalf("%s ended, began: %t, over: %t", id, began[id], over[id])
					}
					if over[id] = true; c.Incident.Until.Before(c.Incident.Since) {
						t.Fatalf("%s ended before it began: %+v", id, c.Incident)
					}
				}
				if c.Incident.Text == "" || strings.Contains(c.Incident.Text, "\n") {
					t.Fatalf("the text of %s is %q", id, c.Incident.Text)
				}
			}
			causes := make(map[string]bool)
			for _, i := range d.lasting() {
				cause := strings.TrimRight(i.ID, "0123456789")
				if causes[cause] {
					t.Fatalf("two incidents of %s last: %+v", cause, d.lasting())
				}
				causes[cause] = true
				if !began[i.ID] || over[i.ID] {
					t.Fatalf("%s lasts, began: %t, over: %t", i.ID, began[i.ID], over[i.ID])
				}
			}
		}
		targets := []health.TargetID{nyc, ams1, ams2, lab}
		step := func(name string, do func(t *rapid.T)) func(*rapid.T) {
			return func(t *rapid.T) {
				w.Now = w.Now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, name+" after")) * time.Second)
				do(t)
				take(d.write(w.Decide()))
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"turn": step("turn", func(t *rapid.T) {
				id := rapid.SampledFrom(targets).Draw(t, "target")
				w.Down[id] = !w.Down[id]
			}),
			"drain": step("drain", func(t *rapid.T) {
				pool := rapid.SampledFrom([]string{"nyc", "ams", "lab"}).Draw(t, "pool")
				is := func(o override.Override) bool { return o.Pool == pool }
				if slices.ContainsFunc(w.Words, is) {
					w.Words = slices.DeleteFunc(w.Words, is)
				} else {
					w.Words = append(w.Words, drain(pool, w.Now, w.Now.Add(10*time.Minute)))
				}
			}),
			"doubt": step("doubt", func(t *rapid.T) {
				w.look.Doubt.Rule = rapid.SampledFrom([]string{"", safety.Blind, safety.Suspect}).Draw(t, "rule")
			}),
			"refuse": step("refuse", func(t *rapid.T) {
				w.look.Refused.Path = rapid.SampledFrom([]string{"", "zones.toml"}).Draw(t, "path")
			}),
			"fail back": step("fail back", func(*rapid.T) { w.Back = []int{0, 1, 2, 3, 4} }),
			"wait":      step("wait", func(*rapid.T) {}),
			"restart": step("restart", func(t *rapid.T) {
				var c content
				if err := json.Unmarshal(d.kept(), &c); err != nil {
					t.Fatal(err)
				}
				d = newDiary(w, Kept{c.Open, c.Ended})
			}),
		})
		w.Words, w.look = nil, Look{}
		take(d.write(w.turn(time.Minute)))
		w.Back = []int{0, 1, 2, 3, 4}
		take(d.write(w.turn(5 * time.Minute)))
		for range 2 {
			take(d.write(w.turn(mostHold)))
		}
		for id := range began {
			if !over[id] {
				t.Fatalf("%s has not ended: %+v", id, d.List())
			}
		}
	})
}

// What a listener is told of a burst of thousands of pools is bounded, and so is what is kept.
func TestBounds(t *testing.T) {
	b := NewBook(Options{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	w := newWorld(t, twoRegions)
	l := w.seen()
	var found []finding
	for i := range 3 * mostOpen {
		found = append(found, finding{key: fmt.Sprint("pool/p", i), kind: PoolDown, subject: fmt.Sprint("p", i), what: "it is down"})
	}
	if changes := b.compare(&l, found); len(changes) != mostOpen {
		t.Errorf("%d changes, want %d", len(changes), mostOpen)
	}
	// What is critical finds room although it comes last.
	if changes := b.compare(&l, append(found, finding{key: "doubt", kind: Blind, critical: true})); brief(changes) != "began blind " {
		t.Errorf("what is critical: %s", brief(changes))
	}
	l.Now = l.Now.Add(time.Minute)
	b.compare(&l, nil)
	l.Now = l.Now.Add(hold)
	if changes := b.compare(&l, nil); len(changes) != mostOpen+1 || len(b.ended) != mostEnded || len(b.open) != 0 {
		t.Errorf("%d changes, %d ended and %d open are kept", len(changes), len(b.ended), len(b.open))
	}
}

// After a pause of the process alone nobody is told that its verdicts are old: they are given a round. What goes
// on then begins, and so does it where every look is late.
func TestPauseOfTheProcessIsNoStaleness(t *testing.T) {
	judged := func(w *world) {
		w.look.Reports = []health.Report{report(nyc, w.Now, health.Result{Verdict: health.Pass})}
	}
	pass := func(d *diary, steps ...time.Duration) (all []Change) {
		for _, step := range steps {
			d.Now = d.Now.Add(step)
			all = append(all, d.write(nil)...)
		}
		return all
	}
	const round = 5*time.Second + 2*time.Second + staleMargin
	d := newDiary(newWorld(t, twoRegions), Kept{})
	judged(d.world)
	d.write(nil)
	if got := brief(pass(d, time.Minute, lookAgain, lookEvery)); got != "" {
		t.Errorf("right after a pause: %s", got)
	}
	judged(d.world)
	if got := brief(pass(d, lookEvery, lookEvery)); got != "" {
		t.Errorf("after a round: %s", got)
	}
	if got := brief(pass(d, time.Minute, round-lookEvery, lookEvery, lookAgain)); got != "began stale web@203.0.113.10" {
		t.Errorf("when the round after a pause ends with no verdict: %q", got)
	}
	if got := brief(pass(d, time.Minute, lookEvery)); got != "" {
		t.Errorf("a pause of what is stale already: %s", got)
	}
	d = newDiary(newWorld(t, twoRegions), Kept{})
	judged(d.world)
	d.write(nil)
	if got := brief(pass(d, 4*lookEvery, 4*lookEvery)); got != "began stale web@203.0.113.10" {
		t.Errorf("where every look is late: %q", got)
	}
	d = newDiary(newWorld(t, twoRegions), Kept{})
	judged(d.world)
	d.write(nil)
	const late = lookAgain + lookEvery + 2*staleMargin
	if got := brief(pass(d, late, lookEvery, late, lookEvery, late)); got != "began stale web@203.0.113.10" {
		t.Errorf("where every second look is late: %q", got)
	}
}

// A look may come between a table and the events that say what it changed: clients who moved long before did not
// move because of this.
func TestLookBeforeTheEventsOfItsTable(t *testing.T) {
	d := newDiary(newWorld(t, twoRegions), Kept{})
	for _, r := range d.Table.Set().Routes {
		d.shifts[r.Key] = shift{at: noon, gone: noon}
	}
	d.write(nil)
	events := d.turn(time.Minute, lab)
	d.Book.look()
	d.Now = d.Now.Add(time.Second)
	d.write(events)
	if list := d.lasting(); len(list) != 1 || !list[0].Moved.IsZero() || strings.Contains(list[0].Text, "clients have moved") {
		t.Errorf("%+v, want one incident by which nobody was moved", list)
	}
}
