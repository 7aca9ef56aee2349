package answer

import (
	"testing"

	"gslb/health"
	"gslb/override"
	"gslb/steer"
)

// A pinned name answers what it is pinned to for all clients that a view has, and no other name does.
func TestPinned(t *testing.T) {
	set := parse(t, manySteerings)
	words := override.NewWords([]override.Override{
		{Kind: override.Pin, Name: "a.gslb.example.com.", Pool: "nyc"},
		{Kind: override.Pin, Name: "k.gslb.example.com.", Pool: "lb"},
		{Kind: override.Pin, Name: "l.gslb.example.com.", Pool: "sfo"}, // one that only other clients have
	})
	states := snapshot(set)
	table := NewIndex(set).Compile(steer.Step(set, steer.Input{Snapshot: states, Words: words, Now: noon}, steer.Memory{}))
	for _, q := range []question{
		{ask: "a.gslb.example.com. AAAA", answer: "a.gslb.example.com. AAAA 2001:db8::10"},
		{ask: "b.gslb.example.com. AAAA", answer: "b.gslb.example.com. AAAA 2001:db8::10"},
		{ask: "e.gslb.example.com. A", answer: "e.gslb.example.com. A 192.0.2.10"},
	} {
		q.check(t, table)
	}
	for name, want := range map[string][]string{
		"a.gslb.example.com.": {"nyc"}, "b.gslb.example.com.": {"nyc"},
		"k.gslb.example.com.": {"", "lb", "lb", "lb"}, // the first are clients that no view has
		"l.gslb.example.com.": {"sfo", "sfo"},
	} {
		decisions := table.DecisionsOf(set.Name(name))
		if len(decisions) != len(want) {
			t.Fatalf("%s has %d decisions, want %d", name, len(decisions), len(want))
		}
		for i, d := range decisions {
			if d.PoolName() != want[i] || d.Route != set.Name(name).Steering.Routes[i] {
				t.Errorf("%s, route %d: %s, want %s", name, i, d.PoolName(), want[i])
			}
		}
	}
	if !table.IsApart(set.Name("k.gslb.example.com.")) || table.IsApart(set.Name("b.gslb.example.com.")) || len(table.Apart()) != 3 {
		t.Errorf("apart: %d", len(table.Apart()))
	}

	// At a start, what is pinned may have addresses of a family that the route's pools have not.
	awaiting := states.With(noon, map[health.TargetID]health.State{"web@192.0.2.10": {Awaited: true}, "web@2001:db8::20": {Awaited: true}})
	table = NewIndex(set).Compile(steer.Step(set, steer.Input{Snapshot: awaiting, Words: override.NewWords([]override.Override{
		{Kind: override.Pin, Name: "l.gslb.example.com.", Pool: "ams"}, {Kind: override.Pin, Name: "c.gslb.example.com.", Pool: "sfo"},
	}), Now: noon}, steer.Memory{}))
	if p := table.own[table.index.nodeOf(set.Name("c.gslb.example.com."))][0].pending; p == nil || !p.a || !p.aaaa {
		t.Errorf("pending: %+v", p)
	}
	if p := table.own[table.index.nodeOf(set.Name("l.gslb.example.com."))][0].pending; p != nil {
		t.Errorf("l is pending: %+v", p)
	}
}
