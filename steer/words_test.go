package steer

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"gslb/alias"
	"gslb/health"
	"gslb/override"
	"gslb/zones"
)

// said reads overrides as people write them: "drain a", "drain a/2" (its second member), "force a down",
// "force a/1 up", and of the name "app." "pin b", "pin b anyway", "pin b 10s" (it moves in 10 s).
func (w *world) said(lines ...string) *world {
	var list []override.Override
	for _, line := range lines {
		list = append(list, w.word(line))
	}
	w.words = override.NewWords(list)
	return w
}

func (w *world) word(line string) override.Override {
	kind, subject, _ := strings.Cut(line, " ")
	subject, rest, _ := strings.Cut(subject, " ")
	o := override.Override{Kind: override.Kind(kind), Pool: subject[:1], Reason: "told", By: "me"}
	if len(subject) > 2 {
		o.Member = w.set.Pools[subject[0]-'a'].Members[subject[2]-'1'].Address
	}
	switch {
	case o.Kind == override.Pin:
		o.Name, o.Anyway = "app.", rest == "anyway"
		if move, err := time.ParseDuration(rest); err == nil {
			o.Switch = &override.Switch{Move: w.now.Add(move)}
		}
	case rest == "up":
		o.Status = health.Up
	case rest == "down":
		o.Status = health.Down
	}
	return o
}

// TestAssessWords: what a person says of a pool with two members, of which one is needed.
func TestAssessWords(t *testing.T) {
	tests := []struct {
		own, first, second health.Status
		words              []string
		want               health.Status
		usable             string
		why                string
	}{
		{health.Up, health.Up, health.Up, []string{"force a down"}, health.Down, "0.1 0.2",
			"forced down by me: told; the probes say up: 2 of 2 members up, 1 needed"},
		{health.Down, health.Down, health.Down, []string{"force a up"}, health.Up, "0.1 0.2",
			"forced up by me: told; the probes say down: 0 of 2 members up, 1 needed: pool@a is down: told"},
		{health.Up, health.Up, health.Down, []string{"force a up"}, health.Up, "0.1",
			"forced up by me: told; the probes say up: 1 of 2 members up, 1 needed: web@192.0.0.2 is down: told"},
		{health.Up, health.Up, health.Up, []string{"force a/1 down"}, health.Up, "0.2",
			"1 of 2 members up, 1 needed: 192.0.0.1 is forced down by me: told"},
		{health.Up, health.Up, health.Down, []string{"force a/1 down"}, health.Down, "0.1 0.2",
			"0 of 2 members up, 1 needed: 192.0.0.1 is forced down by me: told"},
		{health.Up, health.Down, health.Down, []string{"force a/2 up"}, health.Up, "0.2",
			"1 of 2 members up, 1 needed: web@192.0.0.1 is down: told"},
		{health.Down, health.Down, health.Down, []string{"force a/2 up"}, health.Down, "0.2",
			"1 of 2 members up, 1 needed: pool@a is down: told"},
		{health.Up, health.Up, health.Up, []string{"drain a/1"}, health.Up, "0.2",
			"2 of 2 members up, 1 needed, 1 drained"},
		// A drained member counts for the pool, but another that is down is not answered for it.
		{health.Up, health.Up, health.Down, []string{"drain a/1"}, health.Up, "0.2 spent",
			"1 of 2 members up, 1 needed, 1 drained: web@192.0.0.2 is down: told"},
		{health.Up, health.Up, health.Unknown, []string{"drain a/1"}, health.Up, "0.2 spent",
			"1 of 2 members up, 1 needed, 1 drained: web@192.0.0.2 has no verdict yet"},
		{health.Unknown, health.Up, health.Unknown, []string{"drain a/1"}, health.Unknown, "0.2",
			"1 of 2 members up, 1 needed, 1 drained: pool@a has no verdict yet"},
		{health.Up, health.Unknown, health.Down, []string{"drain a/1"}, health.Unknown, "0.2 spent",
			"0 of 2 members up, 1 needed, 1 drained: web@192.0.0.1 has no verdict yet"},
		{health.Down, health.Up, health.Down, []string{"drain a/1"}, health.Down, "0.2",
			"1 of 2 members up, 1 needed, 1 drained: pool@a is down: told"},
		{health.Up, health.Up, health.Down, []string{"drain a/1", "force a up"}, health.Up, "0.2",
			"forced up by me: told; the probes say up: 1 of 2 members up, 1 needed, 1 drained: web@192.0.0.2 is down: told"},
		{health.Up, health.Up, health.Down, []string{"drain a/1", "force a/2 up"}, health.Up, "0.2",
			"2 of 2 members up, 1 needed, 1 drained"},
		{health.Up, health.Up, health.Down, []string{"drain a/1", "drain a/2"}, health.Up, "0.1 drained",
			"1 of 2 members up, 1 needed, 2 drained: web@192.0.0.2 is down: told"},
		{health.Up, health.Up, health.Down, []string{"drain a"}, health.Up, "0.1 drained",
			"drained by me: told; 1 of 2 members up, 1 needed: web@192.0.0.2 is down: told"},
		{health.Up, health.Up, health.Up, []string{"drain a", "drain a/1", "force a down"}, health.Down, "0.2 drained",
			"drained by me: told; forced down by me: told; the probes say up: 2 of 2 members up, 1 needed, 1 drained"},
	}
	for _, tt := range tests {
		w := newWorld(2)
		pool := w.set.Pools[0]
		w.is(tt.own, "pool@a").is(tt.first, "web@192.0.0.1").is(tt.second, "web@192.0.0.2").said(tt.words...)
		for id, state := range w.states {
			if state.Status == health.Unknown {
				delete(w.states, id)
			}
		}
		got := Assess(pool, Input{Snapshot: health.NewSnapshot(noon, w.states), Words: w.words})
		usable := brief(&Decision{Shares: []Share{{Addresses: got.usable, Pool: pool}}})
		usable = usable[len(" a [") : len(usable)-len("] 0s")]
		if got.Drained() {
			usable += " drained"
		}
		if got.spent {
			usable += " spent"
		}
		if got.Status != tt.want || usable != tt.usable || got.Why != tt.why {
			t.Errorf("%v %v %v, %v:\ngot  %v, %s, %q\nwant %v, %s, %q", tt.own, tt.first, tt.second, tt.words, got.Status, usable, got.Why, tt.want, tt.usable, tt.why)
		}
	}
}

// What a person has forced does not wait for verdicts, and no rule holds it.
func TestAForcedPoolIsNotAwaited(t *testing.T) {
	w := newWorld(1)
	w.states["pool@a"] = health.State{Status: health.Up, Turning: true, Awaited: true, Stale: true, Held: health.Hold{Rule: "blind"}}
	w.states["web@192.0.0.1"] = w.states["pool@a"]
	snap := health.NewSnapshot(noon, w.states)
	got := Assess(w.set.Pools[0], Input{Snapshot: snap})
	if !got.Turning || !got.Awaited || !got.Stale || got.Held.Rule != "blind" {
		t.Errorf("without words: %+v", got)
	}
	for _, words := range [][]string{{"force a up"}, {"force a down"}} {
		got := Assess(w.set.Pools[0], Input{Snapshot: snap, Words: w.said(words...).words})
		if got.Turning || got.Awaited || got.Stale || got.Held.Rule != "" || got.Probed != health.Up {
			t.Errorf("%s: %+v", words, got)
		}
	}
	member := &zones.Pool{Name: "a", MinUp: zones.Quorum{Count: 1}, Members: []zones.Member{{Address: netip.MustParseAddr("192.0.0.1"), Targets: []health.TargetID{"pool@a"}}}}
	if got := Assess(member, Input{Snapshot: snap, Words: w.said("force a/1 up").words}); got.Turning || got.Awaited || got.Stale || got.Held.Rule != "" {
		t.Errorf("a member that is forced: %+v", got)
	}
}

// app steers the name "app." as the world's steering says.
func (w *world) app() *world {
	zone := &zones.Zone{Name: "app."}
	zone.Names = []*zones.Name{{Name: "app.", Zone: zone, Steering: w.steering()}}
	w.set.Zones = []*zones.Zone{zone}
	return w
}

// of is what the name "app." answers to the clients of its first route.
func (o *Outcome) ofApp() *Decision {
	if len(o.Apart) == 0 {
		return o.Decisions[0]
	}
	return o.Apart[0].Decisions[0]
}

// TestStrengths is the truth table of the four: for each pin, drain, force and status by probes of pool a,
// and each status of pool b, what a name answers that prefers a.
//
//	pin         │ a is                                │ then
//	────────────┼─────────────────────────────────────┼────────────────────────
//	to a, anyway│ any                                 │ a, pinned
//	to a        │ not down                            │ a, pinned
//	to a        │ down                                │ as without a pin
//	to b        │ (b is not down)                     │ b, pinned
//	none        │ drained, and b is not               │ as if there were only b
//	none        │ drained, and so is b                │ a, by when_all_down
//	none        │ forced                              │ by what it is forced to
//	none        │ neither                             │ by its probes
func TestStrengths(t *testing.T) {
	type pool struct {
		drained bool
		force   string
		probes  health.Status
	}
	status := func(p pool) health.Status {
		return map[string]health.Status{"up": health.Up, "down": health.Down, "": p.probes}[p.force]
	}
	ordinary := func(a, b pool) string {
		if a.drained && b.drained {
			return "assume_up a"
		}
		for _, want := range []health.Status{health.Up, health.Unknown, health.Down} {
			mode := map[health.Status]Mode{health.Up: Normal, health.Unknown: Untested, health.Down: AssumeUp}[want]
			switch {
			case !a.drained && status(a) == want:
				return string(mode) + " a"
			case !b.drained && status(b) == want:
				return string(mode) + " b"
			}
		}
		return ""
	}
	expected := func(pin string, a, b pool) string {
		switch {
		case pin == "pin a anyway", pin == "pin a" && status(a) != health.Down:
			return "pinned a"
		case pin == "pin b" && status(b) != health.Down:
			return "pinned b"
		}
		return ordinary(a, b)
	}
	var pools []pool
	for _, drained := range []bool{false, true} {
		for _, force := range []string{"", "up", "down"} {
			for _, probes := range []health.Status{health.Unknown, health.Up, health.Down} {
				pools = append(pools, pool{drained, force, probes})
			}
		}
	}
	words := func(name string, p pool, byMembers bool) (list []string) {
		switch {
		case p.drained && byMembers:
			list = append(list, "drain "+name+"/1", "drain "+name+"/2")
		case p.drained:
			list = append(list, "drain "+name)
		}
		if p.force != "" {
			list = append(list, "force "+name+" "+p.force)
		}
		return list
	}
	for _, pin := range []string{"", "pin a", "pin a anyway", "pin b"} {
		for _, a := range pools {
			for _, b := range pools {
				for _, byMembers := range []bool{false, true} {
					w := newWorld(2, 2).app()
					said := append(words("a", a, byMembers), words("b", b, false)...)
					if pin != "" {
						said = append(said, pin)
					}
					out, _ := w.is(a.probes, "a").is(b.probes, "b").said(said...).step()
					d := out.ofApp()
					got := string(d.Mode) + " " + d.PoolName()
					if want := expected(pin, a, b); got != want {
						t.Errorf("a %s, b %s, %q: got %s, want %s\n%v", a.probes, b.probes, said, got, want, d.Reasons)
					}
					if without, want := out.Decisions[0], ordinary(a, b); string(without.Mode)+" "+without.PoolName() != want {
						t.Errorf("%q is said of others that are steered alike: %s, want %s", said, brief(without), want)
					}
					if len(d.Addresses()) != 2 {
						t.Errorf("a %s, b %s, %q: %s", a.probes, b.probes, said, brief(d))
					}
				}
			}
		}
	}
}

// TestDecidePinned is the table above decidePinned, for a name that prefers a to b, and has c as its
// fallback.
func TestDecidePinned(t *testing.T) {
	tests := []struct {
		name, health string
		words        []string
		want, why    string // why: of the pool that is pinned
	}{
		{"a pool that is up", "a+ b+ c+", []string{"pin b"}, "pinned b [1.1 1.2] 20s", "pinned to b by me: told; 2 of 2 members up, 1 needed"},
		{"one that is preferred anyway", "a+ b+ c+", []string{"pin a"}, "pinned a [0.1 0.2] 20s", "pinned to a by me: told; 2 of 2 members up, 1 needed"},
		{"the fallback", "a+ b+ c+", []string{"pin c"}, "pinned c [2.1 2.2] 20s", "pinned to c by me: told; 2 of 2 members up, 1 needed"},
		{"one that is unknown", "a+ b? c+", []string{"pin b"}, "pinned b [1.1 1.2] 20s", "pinned to b by me: told; 0 of 2 members up, 1 needed: pool@b is unknown: told"},
		{"one that is down", "a+ b- c+", []string{"pin b"}, "normal a [0.1 0.2] 20s",
			"pinned to b by me: told; not followed, since the pool is down; not needed: 0 of 2 members up, 1 needed: pool@b is down: told"},
		{"a fallback that is down", "a+ b+ c-", []string{"pin c"}, "normal a [0.1 0.2] 20s",
			"pinned to c by me: told; not followed, since the pool is down; 0 of 2 members up, 1 needed: pool@c is down: told"},
		{"one that is down, anyway", "a+ b- c+", []string{"pin b anyway"}, "pinned b [1.1 1.2] 20s", "pinned to b by me: told; 0 of 2 members up, 1 needed: pool@b is down: told"},
		{"one that is forced down", "a+ b+ c+", []string{"pin b", "force b down"}, "normal a [0.1 0.2] 20s",
			"pinned to b by me: told; not followed, since the pool is down; not needed: forced down by me: told; the probes say up: 2 of 2 members up, 1 needed"},
		{"one that is drained", "a+ b+ c+", []string{"pin b", "drain b"}, "pinned b [1.1 1.2] 20s", "pinned to b by me: told; drained by me: told; 2 of 2 members up, 1 needed"},
		{"one with a member that is drained", "a+ b+ c+", []string{"pin b", "drain b/1"}, "pinned b [1.2] 20s", "pinned to b by me: told; 2 of 2 members up, 1 needed, 1 drained"},
		{"one that only a drained member bears", "a+ b+ c+", []string{"pin b", "drain b/1", "force b/2 down"}, "pinned b [1.1] 20s",
			"pinned to b by me: told; 1 of 2 members up, 1 needed, 1 drained: 192.0.1.2 is forced down by me: told"},
		{"one that is awaited", "a+ b+! c+", []string{"pin b"}, "pending - [] 20s", "pinned to b by me: told; 2 of 2 members up, 1 needed"},
		{"one that is awaited, anyway", "a+ b+! c+", []string{"pin b anyway"}, "pinned b [1.1 1.2] 20s", "pinned to b by me: told; 2 of 2 members up, 1 needed"},
		{"a move that is to come", "a+ b+ c+", []string{"pin b 10s"}, "normal a [0.1 0.2] 5s",
			"switched to b by me: told; not followed, since it moves at 2026-01-02T12:00:10Z; not needed: 2 of 2 members up, 1 needed"},
		{"a move that has come", "a+ b+ c+", []string{"pin b 0s"}, "pinned b [1.1 1.2] 20s", "switched to b by me: told; 2 of 2 members up, 1 needed"},
		{"a pool of another name", "a+ b+ c+", []string{"pin d"}, "normal a [0.1 0.2] 20s", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(2, 2, 2, 1).app()
			s := w.steering()
			s.Pools, s.WhenAllDown, s.Fallback = s.Pools[:2], zones.UseFallback, w.set.Pools[2]
			out, shared := w.health(tt.health).said(tt.words...).step()
			d := out.ofApp()
			if brief(d) != tt.want || brief(shared) == tt.want && d.Mode == Pinned {
				t.Errorf("got  %s\nwant %s, and for others %s", brief(d), tt.want, brief(shared))
			}
			if d.Pin == nil {
				if tt.why != "" {
					t.Fatal("the name does not stand apart")
				}
				return
			}
			for _, r := range d.Reasons {
				if r.Pool == d.Pin.Pool && r.Why != tt.why || r.Chosen != (r.Pool == d.PoolName()) {
					t.Errorf("of pool %s, chosen %t:\ngot  %s\nwant %s", r.Pool, r.Chosen, r.Why, tt.why)
				}
			}
		})
	}
}

// The pin of one that moves begins by itself, and lowers the TTL until then.
func TestAPinThatMoves(t *testing.T) {
	w := newWorld(1, 1).app().health("a+ b+").said("pin b 10s")
	out, _ := w.step()
	if want := w.now.Add(10 * time.Second); brief(out.ofApp()) != "normal a [0.1] 5s" || !out.Revisit.Equal(want) {
		t.Fatalf("%s, revisited at %s", brief(out.ofApp()), out.Revisit)
	}
	in := Input{Snapshot: health.NewSnapshot(w.now, w.states), Words: w.words, Now: w.now.Add(10*time.Second - 1)}
	if before := out.Next(in); brief(before.ofApp()) != "normal a [0.1] 5s" || len(before.Changed.Apart) > 0 {
		t.Errorf("just before: %s, changed %v", brief(before.ofApp()), before.Changed.Apart)
	}
	in.Now = w.now.Add(10 * time.Second)
	out = out.Next(in)
	if brief(out.ofApp()) != "pinned b [1.1] 20s" || len(out.Changed.Apart) != 1 || !out.Revisit.IsZero() {
		t.Errorf("then: %s, changed %v, revisited at %s", brief(out.ofApp()), out.Changed.Apart, out.Revisit)
	}
}

// A pin that takes the place of another is followed at once, and its end is the end of standing apart.
func TestAnotherPin(t *testing.T) {
	w := newWorld(1, 1, 1).app().health("a+ b+ c+").said("pin b")
	out, _ := w.step()
	for _, tt := range []struct {
		words []string
		want  string
		apart int
	}{
		{[]string{"pin c"}, "pinned c [2.1] 20s", 1},
		{[]string{"pin c anyway"}, "pinned c [2.1] 20s", 1},
		{[]string{"pin d"}, "normal a [0.1] 20s", 0},
		{[]string{"pin b"}, "pinned b [1.1] 20s", 1},
		{nil, "normal a [0.1] 20s", 0},
	} {
		out = out.Next(Input{Snapshot: out.in.Snapshot, Words: w.said(tt.words...).words, Now: w.now})
		if got := brief(out.ofApp()); got != tt.want || len(out.Apart) != tt.apart || len(out.Changed.Apart) != 1 {
			t.Errorf("%q: %s, want %s; apart %d, changed %d", tt.words, got, tt.want, len(out.Apart), len(out.Changed.Apart))
		}
	}
}

// A drain that takes the place of one that looks the same is noticed.
func TestAnotherDrain(t *testing.T) {
	w := newWorld(2, 1).health("a+ b+").said("drain a/1", "drain b")
	out, d := w.step()
	if brief(d) != "normal a [0.2] 20s" {
		t.Fatal(brief(d))
	}
	later := w.said("drain a/2", "drain b").words.All()
	for i := range later {
		later[i].Since = w.now
	}
	out = out.Next(Input{Snapshot: out.in.Snapshot, Words: override.NewWords(later), Now: w.now})
	if got := brief(out.Decisions[0]); got != "normal a [0.1] 20s" || !out.Pools[1].Drain.Since.Equal(w.now) {
		t.Errorf("%s, and b is drained since %s", got, out.Pools[1].Drain.Since)
	}
}

// While a name is pinned, what is remembered goes on as if it were not.
func TestAPinLeavesTheMemory(t *testing.T) {
	w := newWorld(1, 1).app().health("a+ b+")
	w.step()
	w.said("pin b").step()
	out, _ := w.health("b-").step()
	if got := w.memory.Routes["all"].Pools; len(got) != 1 || got[0] != "a" {
		t.Errorf("remembered: %v", got)
	}
	if got := brief(out.ofApp()); got != "normal a [0.1] 20s" {
		t.Errorf("the pinned pool has failed: %s", got)
	}
}

// TestDrain is what else is true of drains.
func TestDrain(t *testing.T) {
	tests := []struct {
		name, health string
		words        []string
		setup        func(*zones.Steering)
		want, why    string // why: of pool a
	}{
		{"it is left at once", "a+ b+ c+", []string{"drain a"}, func(s *zones.Steering) { s.FailoverAfter = time.Minute },
			"normal b [1.1] 20s", "drained by me: told; 1 of 1 members up, 1 needed"},
		{"one that is awaited is left at once", "a?! b+ c+", []string{"drain a"}, nil,
			"normal b [1.1] 20s", "drained by me: told; 0 of 1 members up, 1 needed: pool@a is unknown: told"},
		{"assume_up passes over it", "a+ b- c-", []string{"drain a"}, nil,
			"assume_up b [1.1] 5s", "drained by me: told; 1 of 1 members up, 1 needed"},
		{"last_good passes over it", "a- b- c-", []string{"drain a"}, func(s *zones.Steering) { s.WhenAllDown = zones.LastGood },
			"assume_up b [1.1] 5s", "drained by me: told; 0 of 1 members up, 1 needed: pool@a is down: told"},
		{"all passes over it", "a- b- c-", []string{"drain a"}, func(s *zones.Steering) { s.WhenAllDown = zones.AnswerAll },
			"all b [1.1] 5s", "drained by me: told; 0 of 1 members up, 1 needed: pool@a is down: told"},
		{"the fallback is not drained", "a+ b+ c-", []string{"drain a", "drain b"}, func(s *zones.Steering) { s.WhenAllDown = zones.UseFallback },
			"fallback c [2.1] 5s", "drained by me: told; 1 of 1 members up, 1 needed"},
		{"the fallback is drained", "a+ b- c+", []string{"drain a", "drain c"}, func(s *zones.Steering) { s.WhenAllDown = zones.UseFallback },
			"assume_up b [1.1] 5s", "drained by me: told; 1 of 1 members up, 1 needed"},
		{"everything is drained", "a+ b+ c+", []string{"drain a", "drain b", "drain c"}, func(s *zones.Steering) { s.WhenAllDown = zones.UseFallback },
			"fallback c [2.1] 5s", "everything is drained, so that when_all_down decides: drained by me: told; 1 of 1 members up, 1 needed"},
		{"everything is drained, by members too", "a- b+ c+", []string{"drain a/1", "drain b"}, nil,
			"assume_up a [0.1] 5s", "everything is drained, so that when_all_down decides: 0 of 1 members up, 1 needed, 1 drained: pool@a is down: told"},
		{"everything is drained, and is answered", "a+ b+ c+", []string{"drain a", "drain b"}, func(s *zones.Steering) { s.WhenAllDown = zones.AnswerAll },
			"all a+b [0.1 1.1] 5s", "everything is drained, so that when_all_down decides: drained by me: told; 1 of 1 members up, 1 needed"},
		{"everything is drained, and was answered", "a+ b+ c+", []string{"drain a", "drain b"}, func(s *zones.Steering) { s.WhenAllDown = zones.LastGood },
			"last_good a [0.1] 5s", "everything is drained, so that when_all_down decides: drained by me: told; 1 of 1 members up, 1 needed"},
		{"everything is drained, and there is no answer", "a+ b+ c+", []string{"drain a", "drain b"}, func(s *zones.Steering) { s.WhenAllDown = zones.NoData },
			"nodata - [] 5s", "everything is drained, so that when_all_down decides: drained by me: told; 1 of 1 members up, 1 needed"},
		{"everything is drained, and no reply", "a+ b+ c+", []string{"drain a", "drain b"}, func(s *zones.Steering) { s.WhenAllDown = zones.ServFail },
			"servfail - [] 5s", "everything is drained, so that when_all_down decides: drained by me: told; 1 of 1 members up, 1 needed"},
		{"everything is drained but the fallback", "a+ b+ c+", []string{"drain a", "drain b"}, func(s *zones.Steering) { s.WhenAllDown = zones.UseFallback },
			"fallback c [2.1] 5s", "drained by me: told; 1 of 1 members up, 1 needed"},
		{"everything is drained, and held by nothing", "a- b+ c+", []string{"drain a", "drain b"}, func(s *zones.Steering) { s.FailoverAfter = time.Minute },
			"assume_up a [0.1] 5s", "everything is drained, so that when_all_down decides: drained by me: told; 0 of 1 members up, 1 needed: pool@a is down: told"},
		{"everything is drained, and is awaited", "a+ b?! c+", []string{"drain a", "drain b"}, nil,
			"assume_up a [0.1] 5s", "everything is drained, so that when_all_down decides: drained by me: told; 1 of 1 members up, 1 needed"},
		{"nodata, though another is drained", "a+ b- c+", []string{"drain a"}, func(s *zones.Steering) { s.WhenAllDown = zones.NoData },
			"nodata - [] 5s", "drained by me: told; 1 of 1 members up, 1 needed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(1, 1, 1)
			s := w.steering()
			s.Pools, s.Fallback = s.Pools[:2], w.set.Pools[2]
			if tt.setup != nil {
				tt.setup(s)
			}
			w.health("a+ b+ c+").step() // a was answered last
			_, d := w.health(tt.health).said(tt.words...).step()
			if brief(d) != tt.want || d.Reasons[0].Why != tt.why {
				t.Errorf("got  %s, %s\nwant %s, %s", brief(d), d.Reasons[0].Why, tt.want, tt.why)
			}
			for _, r := range d.Reasons {
				if r.Chosen && r.Rule == Drain {
					t.Errorf("%s is answered by rule %s", r.Pool, r.Rule)
				}
			}
		})
	}
}

// Where everything is drained, no drain counts, of a member neither. What is answered was answered last
// or, without a memory, is preferred; it is the pool that clients return to when all drains end.
func TestEverythingIsDrained(t *testing.T) {
	w := newWorld(2, 2, 2)
	s := w.steering()
	s.Pools, s.Fallback = s.Pools[:2], w.set.Pools[2]
	all := []string{"drain a", "drain a/1", "drain b/1", "drain b/2"}
	for _, tt := range []struct {
		when         zones.WhenAllDown
		health, want string
		words        []string
	}{
		{zones.AssumeUp, "a+ b+", "assume_up a [0.1 0.2] 5s", all},
		{zones.AssumeUp, "a- b+", "assume_up b [1.1 1.2] 5s", all}, // b was answered last
		{zones.AnswerAll, "a- b+", "all a+b [0.1 0.2 1.1 1.2] 5s", all},
		{zones.UseFallback, "a+ b+", "fallback c [2.1 2.2] 5s", append([]string{"drain c", "drain c/1"}, all...)},
		{zones.UseFallback, "a+ b+", "fallback c [2.2] 5s", append([]string{"drain c/1"}, all...)},
	} {
		s.WhenAllDown, w.memory = tt.when, Memory{}
		w.health(tt.health + " c+").said().step()
		_, d := w.said(tt.words...).step()
		if brief(d) != tt.want {
			t.Errorf("%q, %s: %s, want %s", tt.words, tt.when, brief(d), tt.want)
		}
		if _, d := w.health("a+ b+ c+").said().step(); brief(d) != "normal a [0.1 0.2] 20s" {
			t.Errorf("after %q: %s", tt.words, brief(d))
		}
	}
}

// Of what is drained and assumed to be up, a member that is known to be down is not answered beside one that is up.
func TestEverythingIsDrainedAndAMemberIsDown(t *testing.T) {
	w := newWorld(2).health("a+").is(health.Down, "web@192.0.0.1")
	if _, d := w.said("drain a").step(); brief(d) != "assume_up a [0.2] 5s" {
		t.Errorf("got %s", brief(d))
	}
}

// A pool that was drained was not down: it is answered again at once. One that was forced down was.
func TestReturnAfterWords(t *testing.T) {
	for word, want := range map[string]string{"drain a": "normal a [0.1] 20s", "force a down": "normal b [1.1] 20s"} {
		w := newWorld(1, 1).health("a+ b+")
		w.steering().FailbackAfter, w.steering().FailoverAfter = time.Minute, time.Minute
		w.step()
		if _, d := w.said(word).step(); brief(d) != "normal b [1.1] 20s" {
			t.Errorf("%s: %s", word, brief(d))
		}
		if _, d := w.after(time.Second).said().step(); brief(d) != want {
			t.Errorf("after %s: %s, want %s", word, brief(d), want)
		}
	}
}

// A pool that is drained is no part of the weight of which panic_below needs some up.
func TestDrainAndPanic(t *testing.T) {
	w := newWorld(1, 1, 1)
	w.by(zones.Weighted, "a,b,c").PanicBelow = 50
	for _, tt := range []struct{ health, word, want string }{
		{"a+ b- c-", "force a up", "panic a+b+c [0.1 1.1 2.1] 5s"},
		{"a+ b- c-", "drain c", "normal a [0.1] 20s"},
		{"a+ b- c-", "drain a", "assume_up b+c [1.1 2.1] 5s"},
		{"a+ b+ c-", "drain a", "normal b [1.1] 20s"},
	} {
		w.memory = Memory{}
		if _, d := w.health(tt.health).said(tt.word).step(); brief(d) != tt.want {
			t.Errorf("%s, %s: %s, want %s", tt.health, tt.word, brief(d), tt.want)
		}
	}
}

// Suppose leaves the outcome as it is.
func TestSuppose(t *testing.T) {
	w := newWorld(1, 1, 1).app().health("a+ b+ c+")
	out, d := w.step()
	for _, tt := range []struct {
		words  []string
		status map[string]health.Status
		want   string
	}{
		{nil, nil, "normal a [0.1] 20s"},
		{[]string{"drain a"}, nil, "normal b [1.1] 20s"},
		{[]string{"pin c"}, nil, "pinned c [2.1] 20s"},
		{nil, map[string]health.Status{"a": health.Down, "b": health.Down}, "normal c [2.1] 20s"},
		{[]string{"force a up"}, map[string]health.Status{"a": health.Down}, "normal b [1.1] 20s"},
		{[]string{"drain b"}, map[string]health.Status{"a": health.Unknown}, "normal c [2.1] 20s"},
		{nil, map[string]health.Status{"nosuch": health.Down}, "normal a [0.1] 20s"},
	} {
		if got := brief(out.Suppose(w.said(tt.words...).words, tt.status).ofApp()); got != tt.want {
			t.Errorf("%q, %v: %s, want %s", tt.words, tt.status, got, tt.want)
		}
	}
	if out.Decisions[0] != d || brief(d) != "normal a [0.1] 20s" || len(out.Apart) > 0 || out.Words() != nil {
		t.Errorf("the outcome was changed: %s", brief(d))
	}
}

// A pool without an address is nothing that is left beside one that is drained, unless its addresses may
// yet come.
func TestDrainBesideAnEmptyPool(t *testing.T) {
	w := newWorld(1, 1).health("a+").said("drain a")
	cloud := w.set.Pools[1]
	cloud.Alias, cloud.Members, cloud.Targets = "lb.example.", nil, nil
	link(w.set)
	for _, tt := range []struct {
		host alias.Host
		want string
	}{
		{alias.Host{Status: alias.Absent, Why: "NXDOMAIN"}, "assume_up a [0.1] 5s"},
		{alias.Host{Status: alias.Unknown}, "assume_up a [0.1] 5s"},
		{alias.Host{Status: alias.Unknown, Awaited: true}, "pending - [] 20s"},
		{alias.Host{Status: alias.Resolved, Addresses: []netip.Addr{netip.MustParseAddr("192.0.9.1")}}, "normal b [9.1] 20s"},
	} {
		hosts := alias.NewAddresses(map[string]alias.Host{"lb.example.": tt.host})
		out := Step(w.set, Input{Snapshot: health.NewSnapshot(noon, w.states), Hosts: hosts, Words: w.words, Now: noon}, Memory{})
		if got := brief(out.Decisions[0]); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.host, got, tt.want)
		}
	}
}
