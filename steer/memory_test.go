package steer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"gslb/health"
	"gslb/zones"
)

// plan is how some names are steered: a route for each view, as world.route reads it. Without views,
// the one view is "".
type plan struct {
	names string // with spaces between
	ttl   time.Duration
	views map[string]string // by Route.Views, with spaces between
	order string            // instead of views
}

// configure makes the world's configuration of plans.
func (w *world) configure(policy zones.Policy, plans ...plan) {
	w.set = &zones.Set{Pools: w.set.Pools, Zones: []*zones.Zone{{}}} // the one before is remembered
	for i, p := range plans {
		if p.views == nil {
			p.views = map[string]string{"": p.order}
		}
		s := &zones.Steering{
			Index: i, Key: fmt.Sprintf("%s %v %v", policy, p.views, p.ttl), Policy: policy,
			TTL: p.ttl, TTLMin: time.Second, WhenAllDown: zones.AssumeUp, FailbackAfter: time.Minute,
		}
		for _, views := range slices.Sorted(maps.Keys(p.views)) {
			r := w.route(p.views[views])
			r.Key, r.Views = s.Key+" "+views, strings.Fields(views)
			s.Routes = append(s.Routes, r)
		}
		for _, name := range strings.Fields(p.names) {
			w.set.Zones[0].Names = append(w.set.Zones[0].Names, &zones.Name{Name: name, Steering: s})
		}
		w.set.Steerings = append(w.set.Steerings, s)
	}
}

// Pools may share an address. While one of them is held, the decision made once more remembers the same.
func TestMemoryOfSharedAddresses(t *testing.T) {
	w := newWorld(2, 2)
	shared := w.set.Pools[0].Members[1]
	w.set.Pools[1].Members[0] = shared
	s := w.by(zones.Weighted, "a,b")
	s.FailoverAfter = time.Minute
	w.play("a+ b+; a-; b+")
	want := w.memory.Routes[s.Routes[0].Key].Good
	w.step()
	got := w.memory.Routes[s.Routes[0].Key].Good
	if !slices.Equal(got, want) || len(got) != 3 {
		t.Errorf("first %v are remembered, and then %v", want, got)
	}
}

// TestMemoryOverEdits has c answered, since a and b were down, and a and b up again for less than
// failback_after. Then the configuration is edited. Where the memory outlives that, c is still answered;
// otherwise the first pool is.
func TestMemoryOverEdits(t *testing.T) {
	two := []plan{{names: "n1 n2", order: "a|b|c"}}
	tests := []struct {
		name   string
		policy zones.Policy
		before []plan
		after  []plan
		of     string // the name whose answer is looked at; empty: n1
		want   string
		fresh  string // after a restart, if that makes a difference
	}{
		{name: "nothing", before: two, after: two, want: "c"},
		{name: "the TTL", before: two, after: []plan{{names: "n1 n2", order: "a|b|c", ttl: time.Minute}}, want: "c"},
		{name: "a pool is added", before: two, after: []plan{{names: "n1 n2", order: "a|d|b|c"}}, want: "c"},
		{name: "a pool is removed", before: two, after: []plan{{names: "n1 n2", order: "b|c"}}, want: "c"},
		{name: "the answered pool is removed", before: two, after: []plan{{names: "n1 n2", order: "a|b"}}, want: "a"},
		{name: "two pools change places", before: two, after: []plan{{names: "n1 n2", order: "b|a|c"}}, want: "b"},
		{name: "they do, and one is added", before: two, after: []plan{{names: "n1 n2", order: "d|b|a|c"}}, want: "b"},
		{name: "the policy and the tiers", policy: zones.Weighted, before: two, after: []plan{{names: "n1 n2", order: "a,b|c"}}, want: "c"},
		{name: "a tier is split", policy: zones.Weighted, before: []plan{{names: "n1", order: "a,b|c"}}, after: []plan{{names: "n1", order: "a|b|c"}}, want: "c"},
		{name: "a tier is split the other way", policy: zones.Weighted, before: []plan{{names: "n1", order: "a,b|c"}}, after: []plan{{names: "n1", order: "b|a|c"}}, want: "c"},
		{name: "weights", policy: zones.Weighted, before: []plan{{names: "n1", order: "a,b|c"}}, after: []plan{{names: "n1", order: "a:5,b:0|c"}}, want: "c"},
		{name: "tiers change places", policy: zones.Weighted, before: []plan{{names: "n1", order: "a|b,d|c"}}, after: []plan{{names: "n1", order: "b,d|a|c"}}, want: "b"},

		{name: "the name, and nothing else", before: two, after: []plan{{names: "n9", order: "a|b|c"}}, of: "n9", want: "c"},
		{name: "the name and the TTL", before: two, after: []plan{{names: "n9", order: "a|b|c", ttl: time.Minute}}, of: "n9", want: "c"},
		{name: "the name and the pools", before: two, after: []plan{{names: "n9", order: "a|b|c|d"}}, of: "n9", want: "a"},
		{name: "a name beside it", before: two, after: append([]plan{{names: "n9", order: "a|b|c|d"}}, two...), of: "n9", want: "a"},
		{name: "of two names, the first has a TTL of its own", before: two,
			after: []plan{{names: "n1", order: "a|b|c", ttl: time.Minute}, {names: "n2", order: "a|b|c"}}, want: "c"},
		{name: "the first has, and the second goes on", before: two,
			after: []plan{{names: "n1", order: "a|b|c", ttl: time.Minute}, {names: "n2", order: "a|b|c"}}, of: "n2", want: "c"},
		{name: "of two names, the second has", before: two,
			after: []plan{{names: "n1", order: "a|b|c"}, {names: "n2", order: "a|b|c", ttl: time.Minute}}, of: "n2", want: "c", fresh: "a"},
		{name: "a name moves to another steering", before: append([]plan{{names: "n3", order: "a|b", ttl: time.Minute}}, two...),
			after: []plan{{names: "n1 n3", order: "a|b", ttl: time.Minute}, {names: "n2", order: "a|b|c"}}, want: "a"},

		{name: "a view is added", before: []plan{{names: "n1", views: map[string]string{"default": "a|b|c"}}},
			after: []plan{{names: "n1", views: map[string]string{"country:US default": "a|c", "default": "a|b|c"}}}, want: "c"},
		{name: "another view is changed", before: []plan{{names: "n1", views: map[string]string{"country:US default": "a|c", "default": "a|b|c"}}},
			after: []plan{{names: "n1", views: map[string]string{"country:US default": "c|a", "default": "a|d|b|c"}}}, want: "c"},
		{name: "this view is", before: []plan{{names: "n1", views: map[string]string{"country:US default": "a|c", "default": "a|b|c"}}},
			after: []plan{{names: "n1", views: map[string]string{"country:US default": "a|c", "default": "b|a|c"}}}, want: "b"},
		{name: "views instead of pools", before: two, after: []plan{{names: "n1 n2", views: map[string]string{"default": "a|b|c"}}}, want: "a"},
	}
	for _, tt := range tests {
		for _, restarted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restarted %t", tt.name, restarted), func(t *testing.T) {
				if tt.policy == "" {
					tt.policy = zones.Failover
				}
				if tt.of == "" {
					tt.of = "n1"
				}
				w := newWorld(1, 1, 1, 1)
				w.configure(tt.policy, tt.before...)
				w.play("a- b- c+ d-; 1s; a+ b+")
				if restarted {
					data, err := json.Marshal(w.memory)
					if err != nil {
						t.Fatal(err)
					}
					w.memory = Memory{}
					if err := json.Unmarshal(data, &w.memory); err != nil {
						t.Fatal(err)
					}
				}
				w.configure(tt.policy, tt.after...)
				out, _ := w.step()
				want := tt.want
				if restarted && tt.fresh != "" {
					want = tt.fresh
				}
				if got := out.answerOf(tt.of); got != want {
					t.Errorf("%s is answered with %s, want %s", tt.of, got, want)
				}
				if len(w.memory.Routes) != len(w.set.Routes) {
					t.Errorf("%d routes are remembered, want %d", len(w.memory.Routes), len(w.set.Routes))
				}
			})
		}
	}
}

// answerOf is the pools that clients in the last view of a name get.
func (o *Outcome) answerOf(name string) string {
	for _, n := range o.set.Zones[0].Names {
		if n.Name == name {
			routes := n.Steering.Routes
			return o.Decisions[routes[len(routes)-1].Index].PoolName()
		}
	}
	return "nothing"
}

// With policy nearest there are several routes for the same views, one for each order of the pools.
func TestMemoryOfTheNearest(t *testing.T) {
	w := newWorld(1, 1, 1)
	routes := func(key string, orders ...string) {
		s := &zones.Steering{Key: key, Policy: zones.Nearest, TTL: 20 * time.Second, WhenAllDown: zones.AssumeUp, FailbackAfter: time.Minute}
		for _, order := range orders {
			r := w.route(order)
			r.Views = []string{"default"}
			r.Key = fmt.Sprint(s.Key, order)
			s.Routes = append(s.Routes, r)
		}
		name := &zones.Name{Name: "n1", Steering: s}
		w.set = &zones.Set{Pools: w.set.Pools, Steerings: []*zones.Steering{s}, Zones: []*zones.Zone{{Names: []*zones.Name{name}}}}
	}
	routes("before", "a,b,c", "c,b,a", "b,a,c")
	w.is(health.Up, "b", "c").is(health.Down, "a").step()
	w.after(time.Second).is(health.Up, "a").step()
	routes("after", "b,a,c", "c,b,a", "a,b,c")
	out, _ := w.step()
	for i, want := range []string{"b", "c", "b"} {
		if got := out.Decisions[i].PoolName(); got != want {
			t.Errorf("%s is answered with %s, want %s", out.Decisions[i].Route.Order, got, want)
		}
	}
}
