package steer

import (
	"net/netip"
	"strings"
	"testing"

	"gslb/health"
	"gslb/override"
	"gslb/zones"
)

// said reads overrides as people write them: "drain a", "drain a/2" (its second member), "force a down",
// "force a/1 up", "pin b", "pin b anyway" (of the name "app.").
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
		{health.Up, health.Up, health.Down, []string{"drain a/1"}, health.Up, "0.1 spent",
			"1 of 2 members up, 1 needed, 1 drained: web@192.0.0.2 is down: told"},
		{health.Up, health.Up, health.Unknown, []string{"drain a/1"}, health.Up, "0.1 spent",
			"1 of 2 members up, 1 needed, 1 drained: web@192.0.0.2 has no verdict yet"},
		{health.Unknown, health.Up, health.Unknown, []string{"drain a/1"}, health.Unknown, "0.2",
			"1 of 2 members up, 1 needed, 1 drained: pool@a has no verdict yet"},
		{health.Up, health.Unknown, health.Down, []string{"drain a/1"}, health.Unknown, "0.1 spent",
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
		got := Assess(pool, health.NewSnapshot(noon, w.states), nil, w.words.Pool("a"))
		usable := brief(&Decision{Shares: []Share{{Addresses: got.regardless, Pool: pool}}})
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
	got := Assess(w.set.Pools[0], snap, nil, nil)
	if !got.Turning || !got.Awaited || !got.Stale || got.Held.Rule != "blind" {
		t.Errorf("without words: %+v", got)
	}
	for _, words := range [][]string{{"force a up"}, {"force a down"}} {
		got := Assess(w.set.Pools[0], snap, nil, w.said(words...).words.Pool("a"))
		if got.Turning || got.Awaited || got.Stale || got.Held.Rule != "" || got.Probed != health.Up {
			t.Errorf("%s: %+v", words, got)
		}
	}
	member := &zones.Pool{Name: "a", MinUp: zones.Quorum{Count: 1}, Members: []zones.Member{{Address: netip.MustParseAddr("192.0.0.1"), Targets: []health.TargetID{"pool@a"}}}}
	if got := Assess(member, snap, nil, w.said("force a/1 up").words.Pool("a")); got.Turning || got.Awaited || got.Stale || got.Held.Rule != "" {
		t.Errorf("a member that is forced: %+v", got)
	}
}
