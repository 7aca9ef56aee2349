package steer

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"gslb/alias"
	"gslb/health"
	"gslb/override"
	"gslb/replication"
	"gslb/zones"
)

// compareOutcomes compares all that the next outcome can depend on.
var compareOutcomes = cmp.Options{
	cmp.AllowUnexported(PoolState{}, Decision{}, Apart{}),
	cmpopts.IgnoreFields(Outcome{}, "Changed"),
	cmpopts.IgnoreUnexported(Outcome{}, Memory{}),
	cmpopts.EquateComparable(netip.Addr{}, &zones.Route{}, &zones.Pool{}, &zones.Name{}), // of one configuration
}

// TestNextIsStep walks random configurations through random histories: of health, reloads,
// and a clock that at times is set back. Next must always come to what Step does, which
// decides everything anew.
func TestNextIsStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newHistory(t)
		fast := Step(w.set, Input{Snapshot: w.snapshot, Hosts: w.hosts, Words: w.words, Copies: w.copies, Now: w.now}, Memory{})
		slow := fast
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"health", "health", "health", "hosts", "copies", "both", "words", "time", "reload"}).Draw(t, "what") {
			case "health":
				w.changeHealth(t)
			case "hosts":
				w.hosts = drawHosts(t)
			case "copies":
				w.copies = drawHistoryCopies(t, w.now)
			case "words":
				w.words = drawWords(t, w.now)
			case "both":
				w.changeHealth(t)
				w.hosts = drawHosts(t)
				w.copies = drawHistoryCopies(t, w.now)
				w.words = drawWords(t, w.now)
			case "reload":
				w.set = drawSet(t)
				w.tick(t)
				fast = Step(w.set, Input{Snapshot: w.snapshot, Hosts: w.hosts, Words: w.words, Copies: w.copies, Now: w.now}, fast.Memory())
				slow = Step(w.set, Input{Snapshot: w.snapshot, Hosts: w.hosts, Words: w.words, Copies: w.copies, Now: w.now}, slow.Memory())
				continue
			}
			w.tick(t)
			before := fast
			fast = before.Next(Input{Snapshot: w.snapshot, Hosts: w.hosts, Words: w.words, Copies: w.copies, Now: w.now})
			if diff := cmp.Diff(slow, before, compareOutcomes); diff != "" {
				t.Fatalf("Next changed the outcome before (-was +is):\n%s", diff)
			}
			slow = Step(w.set, Input{Snapshot: w.snapshot, Hosts: w.hosts, Words: w.words, Copies: w.copies, Now: w.now}, slow.Memory())
			if diff := cmp.Diff(slow, fast, compareOutcomes); diff != "" {
				t.Fatalf("Next is not Step (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(slow.Memory(), fast.Memory(), compareOutcomes); diff != "" {
				t.Fatalf("remembered (-want +got):\n%s", diff)
			}
			checkShared(t, before, fast)
			if same := cmp.Equal(before.Memory(), fast.Memory(), compareOutcomes); same != fast.SameMemory(before) {
				t.Fatalf("the memory is the same: %t; it is said to be: %t", same, !same)
			}
		}
	})
}

// checkShared holds Changed to what is shared, and not, with the outcome before.
func checkShared(t *rapid.T, before, after *Outcome) {
	for i, state := range after.Pools {
		if changed := slices.Contains(after.Changed.Pools, i); changed == (state == before.Pools[i]) {
			t.Fatalf("pool %d: changed is %t", i, changed)
		}
	}
	for i, decision := range after.Decisions {
		if changed := slices.Contains(after.Changed.Decisions, i); changed == (decision == before.Decisions[i]) {
			t.Fatalf("decision %d: changed is %t", i, changed)
		}
	}
	anew := map[string]bool{}
	for _, name := range after.Changed.Apart {
		anew[name.Name] = true
	}
	for _, a := range after.Apart {
		at, was := findApart(before.Apart, a.Name.Name)
		if anew[a.Name.Name] == (was && before.Apart[at] == a) {
			t.Fatalf("%s stands apart; changed is %t", a.Name.Name, anew[a.Name.Name])
		}
		delete(anew, a.Name.Name)
	}
	for name := range anew {
		if _, was := findApart(before.Apart, name); !was {
			t.Fatalf("%s does not stand apart, and did not: it is said to be changed", name)
		}
	}
	for _, a := range before.Apart {
		if _, still := findApart(after.Apart, a.Name.Name); !still && !anew[a.Name.Name] {
			t.Fatalf("%s does not stand apart any more: it is not said to be changed", a.Name.Name)
		}
	}
	if !slices.IsSorted(after.Changed.Pools) || !slices.IsSorted(after.Changed.Decisions) {
		t.Fatalf("not in order: %v", after.Changed)
	}
}

// history is a configuration and its health on their way through time.
type history struct {
	set      *zones.Set
	snapshot *health.Snapshot
	hosts    *alias.Addresses
	copies   *replication.View
	words    *override.Words
	now      time.Time
}

// historyNames is all names that there are.
var historyNames = []string{"a.x.", "b.x.", "c.x.", "x."}

// drawWords draws what people say, of what is configured or not.
func drawWords(t *rapid.T, now time.Time) *override.Words {
	list := map[string]override.Override{}
	for range rapid.IntRange(0, 4).Draw(t, "words") {
		o := override.Override{
			Kind:   rapid.SampledFrom([]override.Kind{override.Pin, override.Drain, override.Force}).Draw(t, "kind"),
			Pool:   rapid.SampledFrom([]string{"a", "b", "c", "nosuch"}).Draw(t, "pool"),
			Reason: rapid.SampledFrom([]string{"one", "other"}).Draw(t, "why"),
		}
		if o.Kind == override.Pin {
			o.Name = rapid.SampledFrom(append(historyNames, "nosuch.x.")).Draw(t, "name")
			o.Anyway = rapid.Bool().Draw(t, "anyway")
			if rapid.Bool().Draw(t, "moves") {
				o.Switch = &override.Switch{Move: now.Add(time.Duration(rapid.IntRange(-2, 5).Draw(t, "in")) * time.Second)}
			}
		} else if rapid.Bool().Draw(t, "member") {
			o.Member = netip.AddrFrom4([4]byte{192, 0, byte(rapid.IntRange(0, 2).Draw(t, "of")), byte(rapid.IntRange(0, 2).Draw(t, "at"))})
		}
		if o.Kind == override.Force {
			o.Status = rapid.SampledFrom([]health.Status{health.Up, health.Down}).Draw(t, "to")
		}
		list[o.ID()] = o
	}
	return override.NewWords(slices.Collect(maps.Values(list)))
}

// historyTargets is all targets there are: few, so that pools share them.
var historyTargets = []health.TargetID{"t0", "t1", "t2", "t3", "t4", "t5", "t@192.0.2.1", "t@192.0.2.2"}

// historyHosts is all aliases there are.
var historyHosts = []string{"x.example.", "y.example."}

func drawHosts(t *rapid.T) *alias.Addresses {
	hosts := map[string]alias.Host{}
	for _, name := range historyHosts {
		host := alias.Host{Status: alias.Status(rapid.IntRange(0, 2).Draw(t, name)), Awaited: rapid.IntRange(0, 4).Draw(t, "awaited") == 0}
		switch host.Status {
		case alias.Resolved:
			for i := range rapid.IntRange(1, 2).Draw(t, "addresses") {
				host.Addresses = append(host.Addresses, netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}))
			}
		default:
			host.Why = rapid.SampledFrom([]string{"SERVFAIL", "NXDOMAIN"}).Draw(t, "why")
		}
		hosts[name] = host
	}
	return alias.NewAddresses(hosts)
}

// drawHistoryCopies draws what is known of the data of regions a, b and c.
func drawHistoryCopies(t *rapid.T, now time.Time) *replication.View {
	states := map[replication.Region]replication.State{}
	for _, region := range []string{"a", "b", "c"} {
		s := replication.State{Condition: replication.Silent, Since: noon}
		switch rapid.IntRange(0, 3).Draw(t, region) {
		case 0:
			s.Condition, s.Good = replication.Current, now.Add(-time.Duration(rapid.IntRange(0, 2).Draw(t, "good"))*time.Second)
		case 1:
			s.Condition, s.Degraded = replication.Behind, true
		case 2:
			s.Condition = replication.Unknown
		}
		states[replication.Region{Group: "orders", Region: region}] = s
	}
	return replication.NewView(states)
}

func newHistory(t *rapid.T) *history {
	states := map[health.TargetID]health.State{}
	for _, id := range historyTargets {
		states[id] = drawState(t)
	}
	return &history{set: drawSet(t), snapshot: health.NewSnapshot(noon, states), hosts: drawHosts(t), now: noon}
}

// changeHealth makes a snapshot in which some targets are otherwise: mostly from the one
// before, now and then one that has nothing to do with it.
func (h *history) changeHealth(t *rapid.T) {
	changed := map[health.TargetID]health.State{}
	for _, id := range rapid.SliceOfN(rapid.SampledFrom(historyTargets), 0, 3).Draw(t, "changed") {
		changed[id] = drawState(t)
	}
	if rapid.IntRange(0, 4).Draw(t, "afresh") > 0 {
		h.snapshot = h.snapshot.With(h.now, changed)
		return
	}
	for _, id := range historyTargets {
		if _, known := changed[id]; !known {
			changed[id] = h.snapshot.State(id)
		}
	}
	h.snapshot = health.NewSnapshot(h.now, changed)
}

// tick lets time pass, or sets the clock back.
func (h *history) tick(t *rapid.T) {
	seconds := rapid.SampledFrom([]int{0, 0, 1, 1, 2, 3, 10, -1, -60}).Draw(t, "seconds")
	h.now = h.now.Add(time.Duration(seconds) * time.Second)
}

func drawState(t *rapid.T) health.State {
	return health.State{
		Load:    drawLoad(t),
		Status:  health.Status(rapid.IntRange(0, 2).Draw(t, "status")),
		Turning: rapid.Bool().Draw(t, "turning"),
		Awaited: rapid.IntRange(0, 4).Draw(t, "awaited") == 0,
		Stale:   rapid.IntRange(0, 4).Draw(t, "stale") == 0,
		Cause:   health.Result{Reason: rapid.SampledFrom([]string{"", "ok", "timeout"}).Draw(t, "reason")},
	}
}

// drawLoad draws what a target says of its pool's weight or load, if anything.
func drawLoad(t *rapid.T) *health.Load {
	kind := rapid.SampledFrom([]health.Feedback{health.NoFeedback, health.LoadFeedback, health.LoadFeedback, health.WeightFeedback}).Draw(t, "feedback")
	if kind == health.NoFeedback {
		return nil
	}
	return &health.Load{Kind: kind, Value: float64(rapid.IntRange(0, 130).Draw(t, "load")), Percent: rapid.Bool().Draw(t, "percent")}
}

// drawSet makes a configuration of pools a, b, c … that share targets, and steerings that
// share pools. Two that are drawn mean the same by the same names and keys, as far as they
// have them, so that a reload has something to remember.
func drawSet(t *rapid.T) *zones.Set {
	set := &zones.Set{}
	for i := range rapid.IntRange(1, 5).Draw(t, "pools") {
		set.Pools = append(set.Pools, drawPool(t, i))
	}
	for range rapid.IntRange(1, 3).Draw(t, "steerings") {
		steering := drawSteering(t, set.Pools)
		if slices.ContainsFunc(set.Steerings, func(s *zones.Steering) bool { return s.Key == steering.Key }) {
			continue
		}
		steering.Index = len(set.Steerings)
		set.Steerings = append(set.Steerings, steering)
	}
	zone := &zones.Zone{Name: "x."}
	for _, owner := range historyNames {
		if rapid.IntRange(0, 4).Draw(t, "has name") > 0 {
			zone.Names = append(zone.Names, &zones.Name{Name: owner, Zone: zone, Steering: rapid.SampledFrom(set.Steerings).Draw(t, "steered")})
		}
	}
	set.Zones = []*zones.Zone{zone}
	link(set)
	return set
}

func drawPool(t *rapid.T, index int) *zones.Pool {
	targets := rapid.SliceOfN(rapid.SampledFrom(historyTargets), 0, 2)
	pool := &zones.Pool{Index: index, Name: string(rune('a' + index)), Targets: targets.Draw(t, "own targets")}
	if rapid.Bool().Draw(t, "replicated") {
		pool.Replication, pool.Region = &replication.Group{Name: "orders"}, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "region")
		pool.DownDegraded = rapid.IntRange(0, 3).Draw(t, "on_degraded down") == 0
	}
	if rapid.Bool().Draw(t, "sheds") {
		pool.Shed = &zones.Shed{From: 50, To: 90, Settles: time.Duration(rapid.IntRange(0, 3).Draw(t, "settles")) * time.Second}
	}
	if rapid.IntRange(0, 3).Draw(t, "alias") == 0 {
		pool.Alias = rapid.SampledFrom(historyHosts).Draw(t, "host")
		pool.Checks = []zones.MemberCheck{{Name: "t"}}
		pool.MinUp.Count = rapid.IntRange(1, 2).Draw(t, "min_up")
		return pool
	}
	for j := range rapid.IntRange(1, 3).Draw(t, "members") {
		pool.Members = append(pool.Members, zones.Member{
			Address: netip.AddrFrom4([4]byte{192, 0, byte(index), byte(j)}),
			Targets: targets.Draw(t, "targets"),
		})
	}
	pool.MinUp.Count = rapid.IntRange(1, len(pool.Members)).Draw(t, "min_up")
	return pool
}

func drawSteering(t *rapid.T, pools []*zones.Pool) *zones.Steering {
	seconds := func(name string) time.Duration {
		return time.Duration(rapid.SampledFrom([]int{0, 5, 20}).Draw(t, name)) * time.Second
	}
	s := &zones.Steering{
		Policy: rapid.SampledFrom(everyPolicy).Draw(t, "policy"), TTL: seconds("ttl"), TTLMin: 5 * time.Second,
		WhenAllDown:   rapid.SampledFrom(everyWhenAllDown).Draw(t, "when_all_down"),
		FailbackAfter: seconds("failback_after"), FailoverAfter: seconds("failover_after"),
		PanicBelow: rapid.SampledFrom([]int{0, 0, 60}).Draw(t, "panic_below"),
	}
	drawFailback(t, s)
	s.Key = fmt.Sprint(s.Policy, s.WhenAllDown, s.FailbackAfter, s.FailoverAfter, s.PanicBelow, s.Failback, s.FailbackRamp, s.MaxDown)
	if s.WhenAllDown == zones.UseFallback {
		s.Fallback = rapid.SampledFrom(pools).Draw(t, "fallback")
		s.Key += s.Fallback.Name
	}
	for view := range rapid.IntRange(1, 3).Draw(t, "views") {
		r := &zones.Route{Views: []string{fmt.Sprint("asn:", view)}}
		for i, pool := range rapid.Permutation(pools).Draw(t, "order")[:rapid.IntRange(0, len(pools)).Draw(t, "of pools")] {
			if i == 0 || s.Policy == zones.Failover || rapid.Bool().Draw(t, "next tier") {
				r.Tiers = append(r.Tiers, zones.Tier{View: r.Views[0]})
			}
			tier := &r.Tiers[len(r.Tiers)-1]
			share := zones.Share{Pool: pool, Weight: rapid.SampledFrom([]int{0, 1, 1, 3}).Draw(t, "weight")}
			tier.Shares = append(tier.Shares, share)
			r.Key += fmt.Sprint(len(r.Tiers), pool.Name, share.Weight)
		}
		s.Routes = append(s.Routes, r)
		s.Key += fmt.Sprint(r.Views, r.Key)
	}
	for _, r := range s.Routes {
		r.Key = fmt.Sprint(s.Key, r.Views)
	}
	return s
}

// drawFailback draws how pools are returned to, and how fast they may go down.
func drawFailback(t *rapid.T, s *zones.Steering) {
	s.Failback = rapid.SampledFrom([]zones.Failback{zones.FailbackAuto, zones.FailbackManual, zones.FailbackRamped}).Draw(t, "failback")
	switch {
	case s.Failback == zones.FailbackManual:
		s.FailbackAfter = 0
	case s.Failback == zones.FailbackRamped && s.Policy == zones.All:
		s.Failback = zones.FailbackAuto
	case s.Failback == zones.FailbackRamped:
		s.FailbackRamp = time.Duration(rapid.SampledFrom([]int{1, 7, 20}).Draw(t, "failback_ramp")) * time.Second
	}
	s.MaxDown, s.Within = rapid.IntRange(0, 2).Draw(t, "max_down"), 10*time.Second
}

// A target that hesitates makes a decision anew, and leaves nothing to remember.
func TestSameMemory(t *testing.T) {
	w := newWorld(1, 1).is(health.Up, "a", "b")
	link(w.set)
	snap := health.NewSnapshot(noon, w.states)
	out := Step(w.set, Input{Snapshot: snap, Now: noon}, Memory{})
	if out.SameMemory(nil) {
		t.Error("the first memory is that of nothing before")
	}
	hesitates := out.Next(Input{Snapshot: snap.With(noon, map[health.TargetID]health.State{"pool@a": {Status: health.Up, Turning: true}}), Now: noon})
	if len(hesitates.Changed.Decisions) == 0 || !hesitates.SameMemory(out) {
		t.Errorf("changed: %v; the same memory: %t", hesitates.Changed, hesitates.SameMemory(out))
	}
	other := newWorld(1, 1)
	link(other.set)
	if Step(other.set, Input{Snapshot: snap, Now: noon}, out.Memory()).SameMemory(out) {
		t.Error("the memory of another configuration passes for that of the one before")
	}
}

// TestNextDecidesOnlyWhatChanged: a target's change reaches the pools that it judges, and
// through those the steerings that may consult them; nothing else is touched.
func TestNextDecidesOnlyWhatChanged(t *testing.T) {
	w := newWorld(1, 1, 1)
	pools := w.set.Pools
	w.set.Steerings = nil
	for i, order := range [][]*zones.Pool{{pools[0], pools[1]}, {pools[1], pools[2]}, {pools[2]}} {
		w.set.Steerings = append(w.set.Steerings, &zones.Steering{
			Index: i, Key: fmt.Sprint(i), TTL: 20 * time.Second, TTLMin: 5 * time.Second,
			Pools: order, WhenAllDown: zones.AssumeUp, FailbackAfter: time.Minute,
		})
	}
	link(w.set)
	w.is(health.Up, "a", "b", "c")
	snap := health.NewSnapshot(noon, w.states)
	out := Step(w.set, Input{Snapshot: snap, Now: noon}, Memory{})
	tests := []struct {
		name   string
		after  time.Duration
		change map[health.TargetID]health.State
		want   Changed
	}{
		{"nothing", 0, nil, Changed{}},
		{"the second pool fails", 0, map[health.TargetID]health.State{"pool@b": {Status: health.Down}}, Changed{Pools: []int{1}, Decisions: []int{0, 1}}},
		{"a target that no pool has", 0, map[health.TargetID]health.State{"other": {Status: health.Down}}, Changed{}},
		{"another cause that is not shown", 0, map[health.TargetID]health.State{"pool@c": {Status: health.Up, Cause: health.Result{Reason: "ok"}}}, Changed{}},
		{"it recovers", time.Second, map[health.TargetID]health.State{"pool@b": {Status: health.Up}}, Changed{Pools: []int{1}, Decisions: []int{0, 1}}},
		{"before failback_after", 59 * time.Second, nil, Changed{}},
		{"another pool fails meanwhile", 0, map[health.TargetID]health.State{"pool@a": {Status: health.Down}}, Changed{Pools: []int{0}, Decisions: []int{0}}},
		{"failback_after", time.Second, nil, Changed{Pools: nil, Decisions: []int{1}}},
		{"the clock is set back", -time.Second, nil, Changed{Pools: []int{0, 1, 2}, Decisions: []int{0, 1, 2}}},
	}
	now := noon
	for _, tt := range tests {
		now = now.Add(tt.after)
		if tt.change != nil {
			snap = snap.With(now, tt.change)
		}
		out = out.Next(Input{Snapshot: snap, Now: now})
		if diff := cmp.Diff(tt.want, out.Changed); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
