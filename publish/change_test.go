package publish

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/answer"
	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// steered is a configuration of one name, app, whose routes are written as
// "narrowest wider > nyc=3,sfo | ams": views, pools with their weights, and tiers.
func steered(policy zones.Policy, routes ...string) *zones.Set {
	set := new(zones.Set)
	for i, name := range []string{"ams", "nyc", "sfo"} {
		id := health.TargetID(name)
		set.Targets = append(set.Targets, health.Target{ID: id})
		set.Pools = append(set.Pools, &zones.Pool{Index: i, Name: name, MinUp: zones.Quorum{Count: 1}, Targets: []health.TargetID{id},
			Members: []zones.Member{{Address: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}}})
	}
	s := &zones.Steering{Key: fmt.Sprint(routes), Policy: policy, WhenAllDown: zones.AssumeUp}
	for i, text := range routes {
		views, tiers, _ := strings.Cut(text, ">")
		r := &zones.Route{Index: i, Key: text, Steering: s, Views: strings.Fields(views)}
		for text := range strings.SplitSeq(tiers, "|") {
			var tier zones.Tier
			for word := range strings.SplitSeq(strings.TrimSpace(text), ",") {
				name, weight, given := strings.Cut(word, "=")
				share := zones.Share{Weight: 1}
				if given {
					share.Weight, _ = strconv.Atoi(weight)
				}
				share.Pool = set.Pools[slices.Index([]string{"ams", "nyc", "sfo"}, name)]
				tier.Shares = append(tier.Shares, share)
				r.Order += name + ","
				if !slices.Contains(s.Pools, share.Pool) {
					s.Pools = append(s.Pools, share.Pool)
				}
			}
			r.Tiers = append(r.Tiers, tier)
			r.Order = strings.TrimSuffix(r.Order, ",") + "|"
		}
		s.Routes = append(s.Routes, r)
	}
	set.Steerings, set.Routes = []*zones.Steering{s}, s.Routes
	zone := &zones.Zone{Name: "gslb.example.com."}
	zone.Names = []*zones.Name{{Name: "app.gslb.example.com.", Zone: zone, Steering: s}}
	set.Zones = []*zones.Zone{zone}
	return set
}

// decided is the outcome when some pools are down.
func decided(set *zones.Set, was steer.Memory, down ...string) *steer.Outcome {
	states := make(map[health.TargetID]health.State)
	for _, target := range set.Targets {
		states[target.ID] = health.State{Status: health.Up}
		if slices.Contains(down, string(target.ID)) {
			states[target.ID] = health.State{Status: health.Down, Cause: health.Result{Reason: "timeout"}}
		}
	}
	return steer.Step(set, steer.Input{Snapshot: health.NewSnapshot(noon, states), Now: noon}, was)
}

// told is what is said of the changes of the answers from one configuration and its pools that are down
// to another: what differs, the views, from what to what, and the causes.
func told(before *zones.Set, downBefore []string, after *zones.Set, downAfter ...string) []string {
	out := decided(before, steer.Memory{}, downBefore...)
	old := answer.Compile(before, out.Pools, out.Decisions)
	out = decided(after, out.Memory(), downAfter...)
	table := answer.Compile(after, out.Pools, out.Decisions)
	var list []string
	for _, c := range answerChanges(old, table, everything(table)) {
		pools, causes := c.Why()
		var why []string
		for _, p := range pools[:causes] {
			why = append(why, p.Pool)
		}
		list = append(list, fmt.Sprintf("%s %v %s → %s, %s: %s", c.Difference(), c.Views(), c.From.Described(), c.To.Described(), c.To.Mode, strings.Join(why, " ")))
	}
	return list
}

func TestAnswerChanges(t *testing.T) {
	type routes []string
	for _, tt := range []struct {
		name      string
		policy    zones.Policy
		from, to  routes   // to is nil: they stay
		was, down []string // the pools that are down
		want      []string
	}{
		{"nothing", zones.Failover, routes{"> nyc | ams"}, nil, nil, nil, nil},
		{"a pool that is not needed fails", zones.Failover, routes{"> nyc | ams"}, nil, nil, []string{"ams"}, nil},
		{"failover", zones.Failover, routes{"> nyc | ams"}, nil, nil, []string{"nyc"},
			[]string{"pool [] nyc → ams, normal: nyc"}},
		{"failback", zones.Failover, routes{"> nyc | ams"}, nil, []string{"nyc"}, nil,
			[]string{"pool [] ams → nyc, normal: nyc"}},
		{"none is left", zones.Failover, routes{"> nyc | ams"}, nil, nil, []string{"nyc", "ams"},
			[]string{"mode [] nyc → nyc, assume_up: nyc ams"}},
		{"one that shares fails: the cause comes first", zones.Weighted, routes{"> ams=2,nyc=3,sfo=1"}, nil, nil, []string{"sfo"},
			[]string{"pool [] ams 33 % + nyc 50 % + sfo 17 % → ams 40 % + nyc 60 %, normal: sfo"}},
		{"and comes back", zones.Weighted, routes{"> ams=2,nyc=3,sfo=1"}, nil, []string{"sfo"}, nil,
			[]string{"pool [] ams 40 % + nyc 60 % → ams 33 % + nyc 50 % + sfo 17 %, normal: sfo"}},
		{"other weights", zones.Sticky, routes{"> nyc=3,sfo"}, routes{"> nyc,sfo"}, nil, nil,
			[]string{"weights [] nyc 75 % + sfo 25 % → nyc+sfo, normal: "}},
		{"other weights, the same parts", zones.Weighted, routes{"> nyc=2,sfo=4"}, routes{"> nyc=1,sfo=2"}, nil, nil, nil},
		{"other weights, of which nothing depends", zones.All, routes{"> nyc=3,sfo"}, routes{"> nyc,sfo"}, nil, nil, nil},
		{"another order of those that share", zones.Weighted, routes{"> nyc=2,sfo"}, routes{"> sfo,nyc=2"}, nil, nil, nil},
		{"another order of those that do not", zones.Failover, routes{"> nyc | sfo"}, routes{"> sfo | nyc"}, nil, nil,
			[]string{"pool [] nyc → sfo, normal: sfo"}},
		{"views that are told the same are one event", zones.Failover, routes{"default > nyc | ams", "country:US default > nyc | sfo", "country:CA default > nyc | ams", "continent:EU default > ams | nyc"}, nil,
			nil, []string{"nyc"},
			[]string{"pool [default country:CA] nyc → ams, normal: nyc", "pool [country:US] nyc → sfo, normal: nyc"}},
		{"a view is named once", zones.Failover, routes{"192.0.2.0/24 country:US > nyc | ams", "192.0.2.0/24 country:CA > nyc | ams"}, nil,
			nil, []string{"nyc"}, []string{"pool [192.0.2.0/24] nyc → ams, normal: nyc"}},
		{"the nearest fails", zones.Nearest, routes{"> nyc,sfo,ams", "> nyc,ams,sfo", "> sfo,nyc,ams", "> nyc,ams,sfo"}, nil,
			nil, []string{"nyc"}, []string{"pool [] nyc → sfo, normal: nyc", "pool [] nyc → ams, normal: nyc"}},
		{"another pool is nearer", zones.Nearest, routes{"> nyc,sfo", "> sfo,nyc"}, routes{"> ams,nyc,sfo", "> sfo,nyc,ams", "> nyc,sfo,ams", "> sfo,ams,nyc"},
			nil, nil, []string{"pool [] nyc → ams, normal: ams"}},
		{"a view more", zones.Failover, routes{"default > nyc"}, routes{"default > nyc", "country:US default > sfo | nyc", "country:CA default > nyc"},
			nil, nil, []string{"pool [country:US] nyc → sfo, normal: sfo"}},
		{"a narrower view more", zones.Failover, routes{"default > nyc", "country:US default > sfo | nyc"}, routes{"default > nyc", "country:US default > sfo | nyc", "192.0.2.0/24 country:US default > ams | sfo | nyc"},
			nil, nil, []string{"pool [192.0.2.0/24] sfo → ams, normal: ams"}},
		{"views are taken away", zones.Failover, routes{"country:US default > sfo | nyc", "default > nyc"}, routes{"> nyc"},
			nil, nil, nil},
		{"views are given", zones.Failover, routes{"> nyc"}, routes{"country:US default > sfo | nyc", "default > nyc"},
			nil, nil, []string{"pool [country:US] nyc → sfo, normal: sfo"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := steered(tt.policy, tt.from...)
			after := before
			if tt.to != nil {
				after = steered(tt.policy, tt.to...)
			}
			if diff := cmp.Diff(tt.want, told(before, tt.was, after, tt.down...)); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

// A name of 2,000 routes is told of in as many events as there are things to say.
func TestAnswerChangesAreFolded(t *testing.T) {
	var routes []string
	for i := range 2000 {
		second, third := "sfo", "ams"
		if i%2 == 0 {
			second, third = third, second
		}
		routes = append(routes, fmt.Sprintf("10.%d.%d.0/24 default > nyc | %s | %s", i/256, i%256, second, third))
	}
	set := steered(zones.Failover, routes...)
	if got := told(set, nil, set, "nyc"); len(got) != 2 {
		t.Errorf("%d events, want 2", len(got))
	}
}

// TestWhatFollowsAFailure: an answer that changes since a pool turned down tells when the first probe failed of
// the target that did it, and how long caches may go on with the answer of before.
func TestWhatFollowsAFailure(t *testing.T) {
	const nyc, nyc2, ams = "web@203.0.113.10", "web@203.0.113.11", "web@198.51.100.10"
	set := parse(t, strings.Replace(twoPools, `"203.0.113.10"]`, `"203.0.113.10", "203.0.113.11"]`, 1))
	index := answer.NewIndex(set)
	was := steer.Memory{}
	decide := func(at time.Time, states map[health.TargetID]health.State) (*answer.Table, *health.Snapshot) {
		for _, id := range []health.TargetID{nyc, nyc2, ams} {
			if _, given := states[id]; !given {
				states[id] = health.State{Status: health.Up, Since: noon}
			}
		}
		snapshot := health.NewSnapshot(at, states)
		out := steer.Step(set, steer.Input{Snapshot: snapshot, Now: at}, was)
		was = out.Memory()
		return index.Compile(out).PublishedAt(at), snapshot
	}
	down := func(first, since time.Duration) health.State {
		return health.State{Status: health.Down, Since: noon.Add(since), Hearing: &health.Hearing{First: noon.Add(first)}}
	}
	changes := func(old, table *answer.Table, snapshot *health.Snapshot) []*AnswerChange {
		var list []*AnswerChange
		for _, e := range events(old, table, snapshot, everything(table), nil) {
			if e.Answer != nil {
				list = append(list, e.Answer)
			}
		}
		return list
	}
	well, snapshot := decide(noon, map[health.TargetID]health.State{})
	if list := changes(nil, well, snapshot); len(list) != 1 || list[0].Cached() != 0 || !list[0].Failed.IsZero() {
		t.Errorf("the first answer: %+v", list)
	}
	one, snapshot := decide(noon.Add(time.Minute), map[health.TargetID]health.State{nyc2: down(50*time.Second, time.Minute)})
	if list := changes(well, one, snapshot); len(list) != 1 || list[0].Difference() != OtherAddresses || !list[0].Failed.IsZero() {
		t.Errorf("a member is down: %+v", list)
	}
	// The second member brings the pool down, an hour after the first.
	both, snapshot := decide(noon.Add(time.Hour), map[health.TargetID]health.State{
		nyc: down(time.Hour-4*time.Second, time.Hour), nyc2: down(50*time.Second, time.Minute),
	})
	list := changes(one, both, snapshot)
	if len(list) != 1 || list[0].To.PoolName() != "ams" || !list[0].Failed.Equal(noon.Add(time.Hour-4*time.Second)) || list[0].Cached() != set.Steerings[0].TTL {
		t.Errorf("the pool is down: %+v", list)
	}
	again, snapshot := decide(noon.Add(2*time.Hour), map[health.TargetID]health.State{})
	again2, snapshot2 := decide(noon.Add(3*time.Hour), map[health.TargetID]health.State{})
	for _, list := range [][]*AnswerChange{changes(both, again, snapshot), changes(again, again2, snapshot2)} {
		if len(list) > 0 && (!list[0].Failed.IsZero() || list[0].To.PoolName() != "nyc") {
			t.Errorf("the pool is back: %+v", list[0])
		}
	}
}
