package steer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gslb/health"
	"gslb/override"
	"gslb/replication"
	"gslb/zones"
)

// plainPool is a pool as the plain model sees it: what of it matters at one moment.
type plainPool struct {
	name    string
	spare   bool // its weight is 0
	last    bool // it was answered last while it was up
	up      bool
	unknown bool
	awaited bool
	early   bool // up, but for less than failback_after; or down, but for less than failover_after
	drained bool // by a person
	spent   bool // its status is that of a member that is drained; the other is down
	forced  bool // its status is what a person says
	waits   bool // it was passed over while it was not up
	ramping bool // up for failback_after, but for less than failback_ramp beyond that

	degraded bool // its data is
	silent   bool // what is written there does not arrive elsewhere
	caught   bool // its data is current after that, but for less than failback_after
}

// afterWords is the same pools as if nobody had said anything: those that are drained are not there,
// those that are spent have failed some time ago, and so have those that are forced down. If everything is
// drained, all of it is there, and has failed some time ago.
func afterWords(tiers [][]plainPool, fallback plainPool, whenAllDown zones.WhenAllDown) (after [][]plainPool, fallbackDrained bool) {
	everything := whenAllDown != zones.UseFallback || fallback.drained
	for _, p := range slices.Concat(tiers...) {
		everything = everything && p.drained
	}
	after = make([][]plainPool, len(tiers))
	for t, tier := range tiers {
		for _, p := range tier {
			if p.spent || everything {
				p.up, p.unknown, p.awaited, p.early = false, false, p.awaited && !everything, false
			}
			p.early = p.early && (p.up || !p.forced)
			if !p.drained || everything {
				after[t] = append(after[t], p)
			}
		}
	}
	return after, fallback.drained && !everything
}

// plain is the mechanism written down as plainly as can be. It returns the mode, and the names of the
// pools that are answered. Package steer must come to the same.
func plain(tiers [][]plainPool, fallback plainPool, ordered, panics bool, failback zones.Failback, whenAllDown zones.WhenAllDown) (Mode, []string) {
	tiers, fallback.drained = afterWords(tiers, fallback, whenAllDown)
	without := make([][]plainPool, len(tiers))
	for t, tier := range tiers {
		for _, p := range tier {
			if !p.degraded || p.last {
				without[t] = append(without[t], p)
			}
		}
	}
	if len(slices.Concat(without...)) > 0 {
		mode, names := plainCopies(without, fallback, ordered, panics, failback, whenAllDown)
		if !mode.IsEmergency() {
			return mode, names
		}
	}
	return plainCopies(tiers, fallback, ordered, panics, failback, whenAllDown)
}

// plainCopies is plain when nobody has said anything, and each pool that is there may be taken whatever its
// data.
func plainCopies(tiers [][]plainPool, fallback plainPool, ordered, panics bool, failback zones.Failback, whenAllDown zones.WhenAllDown) (Mode, []string) {
	last, stay := -1, -1 // the first tier with a last pool; the first with one that goes on
	for t := len(tiers) - 1; t >= 0; t-- {
		for _, p := range tiers[t] {
			if p.last {
				last = t
				if p.up || p.awaited {
					stay = t
				}
			}
		}
	}
	// some picks from a tier: pools with a weight, and only without any, those of weight 0.
	some := func(tier []plainPool, is func(plainPool) bool) (names []string) {
		for _, spare := range []bool{false, true} {
			for _, p := range tier {
				if p.spare == spare && is(p) && (len(names) == 0 || !ordered) {
					names = append(names, p.name)
				}
			}
			if len(names) > 0 {
				break
			}
		}
		return names
	}
	isNamed := func(names []string) func(plainPool) bool {
		return func(p plainPool) bool { return slices.Contains(names, p.name) }
	}
	binds := func(p plainPool) bool { return p.last && p.up && (p.degraded || p.silent) }
	bound := slices.ContainsFunc(slices.Concat(tiers...), binds)
	var returning []string
	for t, tier := range tiers {
		held := func(p plainPool) bool { return !p.up && !p.unknown && !p.awaited && p.last && p.early }
		returns := func(p plainPool) bool { return p.up && !p.awaited && !p.last && t <= stay }
		leaves := func(p plainPool) bool { return returns(p) && bound && (t < stay || ordered) }
		ramps := func(p plainPool) bool {
			return returns(p) && !leaves(p) && p.ramping && !p.caught && failback == zones.FailbackRamped
		}
		recovers := func(p plainPool) bool {
			if failback == zones.FailbackManual {
				return leaves(p) || returns(p) && p.waits
			}
			return leaves(p) || returns(p) && (p.early || p.caught) || ramps(p)
		}
		taken := some(tier, func(p plainPool) bool { return p.awaited || held(p) || p.up && !recovers(p) })
		weight, upWeight, spares := 0, 0, true
		for _, p := range tier {
			if !p.spare {
				weight++
				if p.up {
					upWeight++
				}
				spares = spares && !isNamed(taken)(p)
			}
		}
		before := len(returning)
		returning = append(returning, growing(tier, ordered, isNamed(taken), ramps)...)
		anyAwaited := slices.ContainsFunc(tier, func(p plainPool) bool { return p.awaited })
		takenAre := func(is func(plainPool) bool) bool {
			return slices.ContainsFunc(tier, func(p plainPool) bool { return isNamed(taken)(p) && is(p) })
		}
		switch {
		case len(taken) == 0:
			continue
		case takenAre(func(p plainPool) bool { return p.awaited }):
			return Pending, nil
		case panics && !spares && !anyAwaited && upWeight > 0 && 2*upWeight < weight: // panic_below = "50%"
			return Panic, together(returning[:before], some(tier, func(p plainPool) bool { return !p.spare }))
		case takenAre(held):
			return Held, together(returning, taken)
		case len(returning) > 0:
			return Ramped, together(returning, taken)
		}
		return Normal, taken
	}
	unknown := func(p plainPool) bool { return p.unknown }
	lastUnknown := func(p plainPool) bool { return p.unknown && p.last }
	for _, tier := range tiers {
		if slices.ContainsFunc(tier, lastUnknown) {
			if ordered {
				return Untested, some(tier, lastUnknown)
			}
			return Untested, some(tier, unknown)
		}
	}
	for _, tier := range tiers {
		if slices.ContainsFunc(tier, unknown) {
			return Untested, some(tier, unknown)
		}
	}
	var all, lasts []string
	for _, p := range slices.Concat(tiers...) {
		all = append(all, p.name)
		if p.last {
			lasts = append(lasts, p.name)
		}
	}
	switch {
	case whenAllDown == zones.ServFail:
		return ServFail, nil
	case whenAllDown == zones.NoData:
		return NoData, nil
	case whenAllDown == zones.AnswerAll:
		return All, all
	case whenAllDown == zones.UseFallback && !fallback.drained:
		return Fallback, []string{"fallback"}
	case whenAllDown == zones.LastGood && last >= 0:
		return LastGood, lasts
	case last < 0:
		isThere := func(tier []plainPool) bool { return len(tier) > 0 }
		return AssumeUp, some(tiers[slices.IndexFunc(tiers, isThere)], func(plainPool) bool { return true })
	case ordered:
		return AssumeUp, some(tiers[last], isNamed(lasts))
	}
	return AssumeUp, some(tiers[last], func(plainPool) bool { return true })
}

// growing is the pools of a tier that get a part of the clients that grows: those that are looked at until
// one is taken, or all with a weight, if clients are shared.
func growing(tier []plainPool, ordered bool, taken, ramps func(plainPool) bool) (names []string) {
	for _, spare := range []bool{false, true} {
		found := false
		for _, p := range tier {
			if p.spare != spare || found && ordered {
				continue
			}
			found = found || taken(p)
			if ramps(p) {
				names = append(names, p.name)
			}
		}
		if found {
			break
		}
	}
	return names
}

// together is pools in the order of the route, which is that of their names.
func together(a, b []string) []string { return slices.Sorted(slices.Values(slices.Concat(a, b))) }

// plainCase is one situation for both, the mechanism and its model.
type plainCase struct {
	tiers       [][]plainPool
	fallback    plainPool // of which only matters whether it is drained
	policy      zones.Policy
	panics      bool
	failback    zones.Failback
	whenAllDown zones.WhenAllDown
}

func (c *plainCase) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, when_all_down %s, panic %t, failback %s:", c.policy, c.whenAllDown, c.panics, c.failback)
	for _, tier := range c.tiers {
		fmt.Fprintf(&b, " %+v", tier)
	}
	return b.String()
}

// check decides, and compares with the model.
func (c *plainCase) check(t *testing.T, now time.Time) {
	const wait = time.Minute
	s := &zones.Steering{
		Policy: c.policy, TTL: 20 * time.Second, TTLMin: 5 * time.Second, WhenAllDown: c.whenAllDown,
		Failback: c.failback, FailbackAfter: wait, FailoverAfter: wait,
	}
	if c.failback == zones.FailbackRamped {
		s.FailbackRamp = rampSteps * time.Second
	}
	if c.panics {
		s.PanicBelow = 50
	}
	route := &zones.Route{Steering: s, Tiers: make([]zones.Tier, len(c.tiers))}
	var pools []*PoolState
	var past RouteMemory
	for i, tier := range c.tiers {
		for _, p := range tier {
			pool := &zones.Pool{Index: len(pools), Name: p.name, Region: p.name, Replication: &replication.Group{}, Members: c.member(len(pools))}
			said := &override.Override{}
			weight := 1
			if p.spare {
				weight = 0
			}
			route.Tiers[i].Shares = append(route.Tiers[i].Shares, zones.Share{Pool: pool, Weight: weight})
			if p.last {
				past.Pools, past.Good = append(past.Pools, p.name), append(past.Good, pool.Members[0].Address)
			}
			changed := now.Add(-wait - s.FailbackRamp)
			if p.early {
				changed = now.Add(-wait + 1)
			}
			if p.ramping {
				changed = now.Add(-wait - time.Second + 1)
			}
			if p.waits {
				past.Waiting = append(past.Waiting, p.name)
			}
			state := &PoolState{Pool: pool, Status: health.Down, Since: changed, Awaited: p.awaited}
			if p.degraded {
				state.Degraded = now.Add(-time.Hour)
			}
			if p.silent {
				state.Copy.Condition = replication.Silent
			}
			if p.caught {
				state.CaughtUp = now.Add(-wait + 1)
			}
			switch {
			case p.up:
				state.Status, state.Recovered = health.Up, changed
			case p.unknown:
				state.Status = health.Unknown
			}
			state.Members = []MemberState{{Member: pool.Members[0], Status: state.Status}}
			if p.drained {
				state.Drain = said
			}
			if p.forced {
				state.Force = said
			}
			if p.spent {
				other := MemberState{Status: state.Status, Drain: said}
				state.Members[0].Status = health.Down
				state.Members = append(state.Members, other)
			}
			state.findUsable()
			pools = append(pools, state)
		}
	}
	s.Fallback = &zones.Pool{Index: len(pools), Name: "fallback", Members: c.member(len(pools))}
	fallback := &PoolState{Pool: s.Fallback, Members: []MemberState{{Member: s.Fallback.Members[0]}}}
	if c.fallback.drained {
		fallback.Drain = &override.Override{}
	}
	fallback.findUsable()
	pools = append(pools, fallback)

	got, _ := look(route, pools, past, now, false, false) // the model knows of no second
	mode, names := plain(c.tiers, c.fallback, c.policy.IsOrdered(), c.panics, c.failback, c.whenAllDown)
	if got.Mode != mode || got.PoolName() != strings.Join(names, "+") {
		t.Fatalf("%s\ngot  %s %s\nwant %s %s", c, got.Mode, got.PoolName(), mode, strings.Join(names, "+"))
	}
	for _, r := range got.Reasons {
		if r.Chosen != slices.Contains(names, r.Pool) {
			t.Fatalf("%s\n%s is chosen: %t", c, r.Pool, r.Chosen)
		}
	}
	if !got.Revisit.IsZero() && !got.Revisit.Equal(now.Add(1)) {
		t.Fatalf("%s\nrevisited at %s", c, got.Revisit)
	}
	want := s.TTLMin
	sum, small := 0, 0
	for _, share := range got.Shares {
		sum += share.Weight
		if share.Returning {
			small = max(small, share.Weight)
		}
	}
	if small*2 > sum {
		t.Fatalf("%s\na pool that has just begun to return gets %d of %d", c, small, sum)
	}
	if mode == Normal || mode == Pending {
		want = s.TTL
	}
	if got.TTL != want {
		t.Fatalf("%s\n%s: TTL %s, want %s", c, mode, got.TTL, want)
	}
}

func (c *plainCase) member(i int) []zones.Member { return plainMembers[i : i+1] }

var plainMembers = newWorld(10).set.Pools[0].Members

// plainStates is each state that a pool can be in while nobody says anything of it; then those with
// words, those that tell the ways of failback apart, and those with data of all kinds.
var plainStates, wordedStates, returningStates, copyStates = func() (list, worded, returning, copies []plainPool) {
	for _, spare := range []bool{false, true} {
		for _, last := range []bool{false, true} {
			for _, p := range []plainPool{
				{up: true}, {up: true, early: true}, {up: true, awaited: true}, {}, {early: true}, {unknown: true}, {unknown: true, awaited: true},
			} {
				p.spare, p.last = spare, last
				list = append(list, p)
			}
			for _, p := range []plainPool{
				{up: true, drained: true}, {early: true, drained: true}, {unknown: true, awaited: true, drained: true},
				{up: true, spent: true}, {unknown: true, spent: true}, {early: true, forced: true}, {up: true, early: true, forced: true},
			} {
				p.spare, p.last = spare, last
				worded = append(worded, p)
			}
			for _, p := range []plainPool{{up: true, ramping: true}, {up: true, waits: true}, {up: true, awaited: true, waits: true}, {waits: true}} {
				p.spare, p.last = spare, last
				returning = append(returning, p)
			}
			for _, p := range []plainPool{
				{up: true}, {}, {unknown: true}, {up: true, ramping: true}, {up: true, drained: true},
				{up: true, degraded: true}, {up: true, degraded: true, awaited: true}, {up: true, degraded: true, early: true}, {degraded: true},
				{degraded: true, early: true}, {degraded: true, unknown: true}, {up: true, degraded: true, drained: true}, {up: true, degraded: true, spent: true},
				{up: true, silent: true}, {up: true, caught: true}, {up: true, caught: true, ramping: true},
			} {
				p.spare, p.last = spare, last
				copies = append(copies, p)
			}
		}
	}
	return list, slices.Concat(list, worded), slices.Concat(list, returning), copies
}()

// tiersOf cuts pools into tiers of these sizes, and names them.
func tiersOf(pools []plainPool, sizes []int) (tiers [][]plainPool) {
	for i := range pools {
		pools[i].name = string(rune('a' + i))
	}
	for _, size := range sizes {
		tiers, pools = append(tiers, pools[:size]), pools[size:]
	}
	return tiers
}

var everyWhenAllDown = []zones.WhenAllDown{zones.AssumeUp, zones.LastGood, zones.UseFallback, zones.AnswerAll, zones.NoData, zones.ServFail}

// TestDecideIsThePlainModel has every route of up to three pools in every state, in every
// arrangement in tiers. With words, and with every way of failback, it has every route of up to two pools.
func TestDecideIsThePlainModel(t *testing.T) {
	for _, sizes := range [][]int{{1}, {1, 1}, {2}} {
		everyRoute(t, sizes, wordedStates, zones.FailbackAuto)
		everyRoute(t, sizes, returningStates, zones.FailbackManual)
		everyRoute(t, sizes, returningStates, zones.FailbackRamped)
		everyRoute(t, sizes, copyStates, zones.FailbackAuto)
		everyRoute(t, sizes, copyStates, zones.FailbackRamped)
	}
	for _, sizes := range [][]int{{1, 1, 1}, {1, 2}, {2, 1}, {3}} {
		everyRoute(t, sizes, plainStates, zones.FailbackAuto)
	}
}

// everyRoute checks every route with pools in these states, in tiers of these sizes.
func everyRoute(t *testing.T, sizes []int, states []plainPool, failback zones.Failback) {
	total := 0
	for _, size := range sizes {
		total += size
	}
	count := 1
	for range total {
		count *= len(states)
	}
	pools := make([]plainPool, total)
	for n := range count {
		for i := range pools {
			pools[i] = states[n%len(states)]
			n /= len(states)
		}
		c := plainCase{tiers: tiersOf(pools, sizes), failback: failback}
		isUpOrAwaited := func(p plainPool) bool { return !p.drained && !p.spent && (p.up || p.awaited) }
		isLeft := slices.ContainsFunc(pools, isUpOrAwaited)
		for _, c.policy = range []zones.Policy{zones.Failover, zones.Weighted} {
			for _, c.panics = range []bool{false, true} {
				for _, c.whenAllDown = range everyWhenAllDown {
					c.check(t, noon)
					if isLeft {
						break // it is not asked
					}
					if c.whenAllDown == zones.UseFallback {
						c.fallback.drained = true
						c.check(t, noon)
						c.fallback.drained = false
					}
				}
			}
		}
	}
}

// TestDecideIsThePlainModelAtLarge has routes of up to three tiers with up to three pools each, in
// states that are drawn, with words.
func TestDecideIsThePlainModelAtLarge(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	everyState := slices.Concat(wordedStates, returningStates, copyStates)
	for range 100_000 {
		sizes := make([]int, 1+random.IntN(3))
		var pools []plainPool
		for i := range sizes {
			sizes[i] = 1 + random.IntN(3)
			for range sizes[i] {
				state := everyState[random.IntN(len(everyState))]
				if random.IntN(2) == 0 { // otherwise hardly ever are all down
					state.up, state.unknown, state.awaited = false, false, false
				}
				pools = append(pools, state)
			}
		}
		c := plainCase{
			tiers:       tiersOf(pools, sizes),
			policy:      []zones.Policy{zones.Failover, zones.Weighted, zones.Sticky, zones.All, zones.Nearest}[random.IntN(5)],
			panics:      random.IntN(2) == 0,
			whenAllDown: everyWhenAllDown[random.IntN(len(everyWhenAllDown))],
			fallback:    plainPool{drained: random.IntN(4) == 0},
			failback:    []zones.Failback{zones.FailbackAuto, zones.FailbackManual, zones.FailbackRamped}[random.IntN(3)],
		}
		if c.policy == zones.All && c.failback == zones.FailbackRamped {
			c.failback = zones.FailbackAuto // there are no parts that could grow
		}
		c.check(t, noon)
	}
}
