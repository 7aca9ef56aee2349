package override

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gslb/health"
)

// drawOverride draws one of few subjects, so that they meet.
func drawOverride(t *rapid.T, now time.Time) Override {
	o := Override{Reason: fmt.Sprint(now.UnixNano()), By: "x", Since: now, Pool: rapid.SampledFrom([]string{"ams", "nyc"}).Draw(t, "pool")}
	switch o.Kind = rapid.SampledFrom([]Kind{Pin, Drain, Force}).Draw(t, "kind"); o.Kind {
	case Pin:
		o.Name = rapid.SampledFrom([]string{"app.example.com.", "*.example.com."}).Draw(t, "name")
		o.Anyway = rapid.Bool().Draw(t, "anyway")
		if rapid.Bool().Draw(t, "planned") {
			o.Switch = &Switch{From: "ams", Move: now.Add(time.Minute)}
		}
	case Force:
		o.Status = rapid.SampledFrom([]health.Status{health.Up, health.Down}).Draw(t, "status")
		fallthrough
	case Drain:
		if rapid.Bool().Draw(t, "member") {
			o.Member = netip.MustParseAddr("192.0.2.1")
		}
	}
	if rapid.Bool().Draw(t, "ends") {
		o.Until = now.Add(time.Duration(rapid.IntRange(1, 7200).Draw(t, "seconds")) * time.Second)
	}
	return o
}

// TestBookIsAsItWasTold plays random commands, clocks that are set, crashes at any step of a write, and
// restarts: what is in force is what was acknowledged, without what was taken back or has ended; each
// change is told once; and no file is ever damaged.
func TestBookIsAsItWasTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clock, d := new(wallClock), newMemDisk()
		b := Open(options(d, clock))
		want := make(map[string]Override) // acknowledged
		var doubtful map[string]Override  // what the file may have instead, since a write failed
		told := make(map[string]bool)     // in force, as the changes have it

		settle := func() {
			b.look()
			b.turn <- struct{}{} // the disk is not used any more
			<-b.turn
		}
		restart := func(renamed bool) {
			d = d.crash(renamed)
			b = Open(options(d, clock))
			if len(b.SetAside()) > 0 {
				t.Fatalf("set aside: %q", b.SetAside())
			}
			if doubtful != nil && inForce(b.list, clock.now()) != inForce(want, clock.now()) {
				want = doubtful
			}
			doubtful = nil
			told = make(map[string]bool)
			for id := range want {
				told[id] = true
			}
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch what := rapid.SampledFrom([]string{"put", "put", "put", "remove", "clock", "restart", "crash"}).Draw(t, "what"); what {
			case "put", "crash":
				o := drawOverride(t, clock.now())
				if what == "crash" {
					d.steps, d.fail = 0, rapid.IntRange(1, 8).Draw(t, "at")
				}
				after := maps.Clone(want)
				after[o.ID()] = o
				if err := b.Put(t.Context(), o); err == nil {
					want = after
				} else if what == "put" {
					t.Fatalf("put: %v", err)
				} else {
					doubtful = after
				}
				if what == "crash" {
					restart(rapid.Bool().Draw(t, "renamed"))
				}
			case "remove":
				id := rapid.SampledFrom(append(slices.Sorted(maps.Keys(want)), "none")).Draw(t, "id")
				if _, err := b.Remove(t.Context(), []string{id}, "x", "test"); err != nil {
					t.Fatal(err)
				}
				delete(want, id)
			case "clock":
				clock.jump(time.Duration(rapid.IntRange(-3600, 3600).Draw(t, "by")) * time.Second)
			case "restart":
				restart(true)
			}
			words, changes := b.Take()
			for id, o := range want { // what has ended never comes back
				if !o.InForce(clock.now()) {
					delete(want, id)
				}
			}
			for _, c := range changes {
				if c.Gone && !told[c.ID()] {
					t.Fatalf("%s is told to end, and was not in force", c.ID())
				}
				told[c.ID()] = !c.Gone
			}
			if got, all := inForce(b.list, clock.now()), inForce(want, clock.now()); got != all || len(words.All()) != len(want) {
				t.Fatalf("in force is %q, want %q", got, all)
			}
			for id, is := range told {
				if _, in := want[id]; in != is {
					t.Fatalf("%s: told that it is in force: %v", id, is)
				}
			}
			settle()
		}
	})
}

// inForce is the IDs and reasons of those that have not ended.
func inForce(list map[string]Override, now time.Time) string {
	var ids []string
	for id, o := range list {
		if o.InForce(now) {
			ids = append(ids, id+" "+o.Reason)
		}
	}
	slices.Sort(ids)
	return strings.Join(ids, ", ")
}
