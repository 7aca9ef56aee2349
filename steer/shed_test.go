package steer

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gslb/health"
	"gslb/zones"
)

// loop is a world whose loads follow from what is answered: regions with a capacity, clients behind caches that ask
// again when the TTL has run out, and probes that read the loads every interval.
type loop struct {
	*world
	capacity []float64 // of each pool
	demand   []float64 // of the clients of each route
	noise    float64   // of each reading, as a part of it
	sticky   int       // clients go on for so many TTLs
	random   *rand.Rand

	ttl, interval int           // seconds
	slots         [][][]float64 // by route, and by the second at which a cache asks: what it was answered
	readings      [][]float64   // by pool, the latest first
	second        int
	trace         [][]float64
	parts         [][]float64 // of the first route
}

const probeInterval, probeTTL = 5, 20

// newLoop has so many regions of capacity 1, at a load of 100 % with as much demand.
func newLoop(pools int, routes ...string) *loop {
	members := make([]int, pools)
	for i := range members {
		members[i] = 1
	}
	l := &loop{world: newWorld(members...), ttl: probeTTL, interval: probeInterval, sticky: 1, random: rand.New(rand.NewPCG(1, 2))}
	s := l.steering()
	s.TTL, s.TTLMin = probeTTL*time.Second, probeTTL*time.Second
	s.Pools, s.Routes = nil, nil
	for i, order := range routes {
		r := l.route(order)
		r.Key = fmt.Sprint(i)
		s.Routes = append(s.Routes, r)
	}
	for _, pool := range l.set.Pools {
		l.capacity = append(l.capacity, 1)
		pool.Shed = &zones.Shed{From: 70, To: 95, Percent: true, Settles: 3*probeInterval*time.Second + 2*time.Second}
		l.is(health.Up, pool.Name)
	}
	l.readings = make([][]float64, pools)
	return l
}

// loads is what each pool bears at present.
func (l *loop) loads() []float64 {
	loads := make([]float64, len(l.set.Pools))
	for r, slots := range l.slots {
		for _, parts := range slots {
			for i, part := range parts {
				loads[i] += l.demand[r] * part / float64(len(slots))
			}
		}
	}
	for i := range loads {
		loads[i] *= 100 / l.capacity[i]
	}
	return loads
}

// probe reads the load of each pool that is up, as package health does.
func (l *loop) probe(loads []float64) {
	for i, pool := range l.set.Pools {
		id := pool.Targets[0]
		state := l.states[id]
		if state.Status != health.Up {
			state.Load, l.readings[i] = nil, nil
			l.states[id] = state
			continue
		}
		reading := loads[i] * (1 + l.noise*(2*l.random.Float64()-1))
		l.readings[i] = append([]float64{reading}, l.readings[i][:min(2, len(l.readings[i]))]...)
		sum := 0.0
		for _, v := range l.readings[i] {
			sum += v
		}
		value := sum / float64(len(l.readings[i]))
		if state.Load == nil || math.Abs(value-state.Load.Value) >= 0.02*max(value, state.Load.Value) {
			state.Load = &health.Load{Value: value, Kind: health.LoadFeedback}
			l.states[id] = state
		}
	}
}

// run goes on for so many seconds.
func (l *loop) run(seconds int) *loop {
	var out *Outcome
	for i := range seconds {
		if i == 0 || l.second%l.interval == 1 || !out.Revisit.IsZero() && !out.Revisit.After(l.now) {
			out, _ = l.step()
		}
		for r, d := range out.Decisions {
			parts := make([]float64, len(l.set.Pools))
			for i, part := range d.Parts() {
				parts[d.Shares[i].Pool.Index] = part
			}
			if len(l.slots) == r {
				l.slots = append(l.slots, make([][]float64, l.ttl*l.sticky))
				for at := range l.slots[r] {
					l.slots[r][at] = parts
				}
			}
			l.slots[r][l.second%(l.ttl*l.sticky)] = parts
			if r == 0 {
				l.parts = append(l.parts, parts)
			}
		}
		loads := l.loads()
		l.trace = append(l.trace, loads)
		if l.second%l.interval == 0 {
			l.probe(loads)
		}
		l.second++
		l.after(time.Second)
	}
	return l
}

// overload is for how many seconds a pool bore more than it can, and the most that it bore, since a second.
func (l *loop) overload(pool, since int) (seconds int, most float64) {
	for _, loads := range l.trace[since:] {
		if loads[pool] > 100 {
			seconds++
		}
		most = max(most, loads[pool])
	}
	return seconds, most
}

// swing is how far the load of a pool still moves since a second.
func (l *loop) swing(pool, since int) float64 {
	least, most := math.Inf(1), 0.0
	for _, loads := range l.trace[since:] {
		least, most = min(least, loads[pool]), max(most, loads[pool])
	}
	return most - least
}

// moved reports whether pools of the first route had other parts than at first.
func (l *loop) moved() bool {
	return slices.ContainsFunc(l.parts, func(parts []float64) bool { return !slices.Equal(parts, l.parts[0]) })
}

// turns counts how often a pool's part of the first route turned back, by more than 2 % of the clients.
func (l *loop) turns(pool, since int) int {
	turns, direction, extreme := 0, 0.0, l.parts[since][pool]
	for _, parts := range l.parts[since:] {
		switch moved := parts[pool] - extreme; {
		case math.Abs(moved) <= 0.02:
		case direction*moved < 0:
			turns++
			fallthrough
		default:
			direction, extreme = moved, parts[pool]
		}
		if direction*(parts[pool]-extreme) > 0 {
			extreme = parts[pool]
		}
	}
	return turns
}

// Three regions of one size, each with clients of its own, lose one. Without watermarks the next one bears all of its
// clients; with them the two share the load, and then nothing moves. What both together cannot bear stays where
// it came, and the third is not taken along. docs/steering.md has the figures.
func TestThreeRegionsLoseOne(t *testing.T) {
	for _, tt := range []struct {
		load     float64 // of each region before, as a part of its capacity
		shed     bool
		overload [2]int     // seconds in the quarter of an hour after it, of b and c
		most     [2]float64 // the most, in percent
		end      [2]float64 // at the end
	}{
		{load: 0.5, overload: [2]int{882, 0}, most: [2]float64{100, 50}, end: [2]float64{100, 50}},
		{load: 0.5, shed: true, most: [2]float64{99, 73}, end: [2]float64{77, 73}},
		{load: 0.6, overload: [2]int{887, 0}, most: [2]float64{120, 60}, end: [2]float64{120, 60}},
		{load: 0.6, shed: true, overload: [2]int{41, 0}, most: [2]float64{118, 91.6}, end: [2]float64{88.4, 91.6}},
		{load: 0.8, overload: [2]int{896, 0}, most: [2]float64{160, 80}, end: [2]float64{160, 80}},
		{load: 0.8, shed: true, overload: [2]int{896, 0}, most: [2]float64{157, 95.3}, end: [2]float64{144.7, 95.3}},
	} {
		t.Run(fmt.Sprintf("%.0f %%, shed %t", 100*tt.load, tt.shed), func(t *testing.T) {
			l := newLoop(3, "a|b|c", "b|c|a", "c|a|b")
			l.demand = []float64{tt.load, tt.load, tt.load}
			if !tt.shed {
				for _, pool := range l.set.Pools {
					pool.Shed = nil
				}
			}
			l.run(300)
			if l.moved() {
				t.Errorf("before it: %v", l.parts[len(l.parts)-1])
			}
			l.health("a-")
			l.run(900)
			for i := range 2 {
				pool := i + 1
				seconds, most := l.overload(pool, 300)
				end := l.trace[len(l.trace)-1][pool]
				if seconds < tt.overload[i]-2 || seconds > tt.overload[i]+2 || math.Abs(most-tt.most[i]) > 1 || math.Abs(end-tt.end[i]) > 1 {
					t.Errorf("%s: overloaded for %d s, at most %.1f %%, at the end %.1f %%", l.set.Pools[pool].Name, seconds, most, end)
				}
				if swing, turns := l.swing(pool, 900), l.turns(pool, 309); swing > 0.1 || turns > 0 {
					t.Errorf("%s: swings by %.1f points at the end, turned back %d times", l.set.Pools[pool].Name, swing, turns)
				}
			}
		})
	}
}

// Whatever the capacities, the demand and the watermarks, the loop comes to rest: parts never swing back, no pool that
// could bear its own clients is sent so many of others that it is loaded beyond its high watermark, and none
// goes without relief that the others could give.
func TestLoopComesToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pools := rapid.IntRange(2, 4).Draw(t, "pools")
		policy := rapid.SampledFrom([]zones.Policy{zones.Weighted, zones.Sticky, zones.Failover}).Draw(t, "policy")
		order := "a,b,c,d"[:2*pools-1]
		if policy == zones.Failover {
			order = "a|b|c|d"[:2*pools-1]
		}
		l := newLoop(pools, order)
		l.steering().Policy = policy
		from := rapid.Float64Range(20, 90).Draw(t, "from")
		to := from + rapid.Float64Range(5, 60).Draw(t, "width")
		all := 0.0
		for i, pool := range l.set.Pools {
			shed := *pool.Shed
			shed.From, shed.To = from, to
			pool.Shed = &shed
			l.capacity[i] = rapid.Float64Range(0.3, 3).Draw(t, "capacity")
			all += l.capacity[i]
		}
		l.demand = []float64{all * rapid.Float64Range(0.1, 1.2).Draw(t, "demand")}
		l.run(1000)
		for i, pool := range l.set.Pools {
			if swing := l.swing(i, 900); swing > 0.5 {
				t.Errorf("%s still swings by %.1f points: %v", pool.Name, swing, l.parts[len(l.parts)-1])
			}
			if turns := l.turns(i, 0); turns > 6 { // a region is taken to be of its weight's size, until steps have shown how large it is
				t.Errorf("%s turned back %d times", pool.Name, turns)
			}
			load, base := l.trace[len(l.trace)-1][i], l.parts[0][i]*l.demand[0]/l.capacity[i]*100
			if load > max(to, base)*1.05+1 {
				t.Errorf("%s has a load of %.1f beyond %.1f, and %.1f without others' clients", pool.Name, load, to, base)
			}
			if load > to*1.1+2 && l.demand[0] < 0.9*to/100*all {
				t.Errorf("%s has a load of %.1f, though all together could bear it", pool.Name, load)
			}
		}
	})
}

// Loads that are read with noise, and clients who stay for several times the TTL, make it restless, but not swing.
func TestLoopBearsNoiseAndLateClients(t *testing.T) {
	for _, tt := range []struct {
		noise  float64
		sticky int
	}{{0.05, 1}, {0.1, 1}, {0, 2}, {0, 5}, {0.05, 3}} {
		l := newLoop(2, "a|b")
		l.noise, l.sticky = tt.noise, tt.sticky
		l.demand = []float64{1.2}
		l.run(1800)
		if swing := l.swing(0, 1200); swing > 10 {
			t.Errorf("noise %v, for %d TTLs: swings by %.1f points", tt.noise, tt.sticky, swing)
		}
		if seconds, _ := l.overload(0, 200); seconds > 0 {
			t.Errorf("noise %v, for %d TTLs: overloaded for %d s", tt.noise, tt.sticky, seconds)
		}
	}
}

// A load that follows nothing that is answered comes to what the watermarks say in proportion.
func TestLoadThatFollowsNothing(t *testing.T) {
	for load, want := range map[float64]float64{70: 0.5, 82.5: 1.0 / 3, 90: 1.0 / 6} {
		l := newLoop(2, "a,b")
		l.steering().Policy = zones.Weighted
		for range 20 {
			l.say("a", load).say("b", 10).step()
			l.after(40 * time.Second)
		}
		_, d := l.step()
		if part := d.Parts()[0]; math.Abs(part-want) > 0.03 {
			t.Errorf("with a load of %v: %.3f of the clients, want %.3f", load, part, want)
		}
	}
}

// What shed does of a route's pools, one moment after the other: loads and statuses, then the parts in percent.
func TestShed(t *testing.T) {
	for name, tt := range map[string]struct {
		policy  zones.Policy
		order   string
		history []string // what is said, then what is answered
	}{
		"below from nothing moves":     {zones.Weighted, "a,b", []string{"a70 b10", "a 50 b 50"}},
		"a share is given up":          {zones.Weighted, "a,b", []string{"a90 b10", "a 43 b 57"}},
		"and by weight":                {zones.Weighted, "a:3,b:1", []string{"a90 b10", "a 66 b 34"}},
		"all above to":                 {zones.Weighted, "a,b", []string{"a99 b120", "a 50 b 50"}},
		"all in between":               {zones.Weighted, "a,b", []string{"a80 b80", "a 50 b 50"}},
		"no more than others can take": {zones.Weighted, "a,b", []string{"a160 b90", "a 47 b 53"}},
		"a load that is not known takes and gives nothing": {zones.Weighted, "a,b,c", []string{"a90 b10", "a 28 b 38 c 33"}},
		"nor is sent clients alone":                        {zones.Weighted, "a,b", []string{"a160", "a 50 b 50"}},
		"no step before the last has shown":                {zones.Weighted, "a,b", []string{"a90 b10", "a 43 b 57", "a50 b60; 30s", "a 43 b 57", "7s", "a 50 b 50"}},
		"held while a load is missing":                     {zones.Weighted, "a,b", []string{"a90 b10", "a 43 b 57", "a? 10s", "a 43 b 57", "30s", "a 50 b 50"}},
		"the next tier":                                    {zones.Failover, "a|b", []string{"a110 b20", "a 73 b 27"}},
		"not one that is drained or down":                  {zones.Failover, "a|b|c", []string{"b- a110 b20 c20", "a 73 c 27"}},
		"the nearest of one tier":                          {zones.Nearest, "a,b", []string{"a110 b20", "a 73 b 27"}},
		"all answers all":                                  {zones.All, "a,b", []string{"a110 b20", "a 100 b 100"}},
		"a pool that is lost is allowed for at once":       {zones.Weighted, "a:2,b:1,c:1", []string{"a50 b50 c20", "a 50 b 25 c 25", "1m; a-", "b 39 c 61"}},
		"an emergency is forgotten":                        {zones.Weighted, "a,b", []string{"a90 b10", "a 43 b 57", "a- b-", "a 50 b 50", "a+ b+ a90 b10", "a 50 b 50", "38s", "a 43 b 57"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLoop(3, tt.order)
			w.steering().Policy = tt.policy
			for i := 0; i < len(tt.history); i += 2 {
				var d *Decision
				for moment := range strings.SplitSeq(tt.history[i], ";") {
					d = w.moment(moment)
				}
				got := ""
				for i, part := range d.Parts() {
					got += fmt.Sprintf(" %s %.0f", d.Shares[i].Pool.Name, 100*part)
				}
				if got = strings.TrimSpace(got); got != tt.history[i+1] {
					t.Fatalf("after %q: %s, want %s (%s)", tt.history[i], got, tt.history[i+1], d.Mode)
				}
			}
		})
	}
}

// moment says loads ("a90", "a?" for none), statuses ("a-") and waits ("7s"), and decides.
func (l *loop) moment(words string) *Decision {
	for _, word := range strings.Fields(words) {
		if wait, err := time.ParseDuration(word); err == nil {
			l.after(wait)
		} else if load, err := strconv.ParseFloat(word[1:], 64); err == nil {
			l.say(word[:1], load)
		} else if word[1] == '?' {
			state := l.states[health.TargetID("pool@"+word[:1])]
			state.Load = nil
			l.states[health.TargetID("pool@"+word[:1])] = state
		} else {
			l.health(word)
		}
	}
	_, d := l.step()
	return d
}

func (l *loop) say(pool string, load float64) *loop {
	id := health.TargetID("pool@" + pool)
	state := l.states[id]
	state.Load = &health.Load{Value: load, Kind: health.LoadFeedback}
	l.states[id] = state
	return l
}

// What is remembered outlives the process, and says since when clients are given up.
func TestShedIsRemembered(t *testing.T) {
	l := newLoop(2, "a,b")
	l.steering().Policy = zones.Weighted
	was := l.moment("a90 b10")
	data, err := json.Marshal(l.memory)
	if err != nil {
		t.Fatal(err)
	}
	l.memory = Memory{}
	if err := json.Unmarshal(data, &l.memory); err != nil {
		t.Fatal(err)
	}
	is := l.moment("10s")
	if !slices.Equal(was.Parts(), is.Parts()) || !is.IsShedding() || !is.Held[0].Since.Equal(noon) || is.Held[0].Pool != "a" {
		t.Errorf("%v, then %v, held %v", was.Parts(), is.Parts(), is.Held)
	}
	if want := noon.Add(37 * time.Second); !is.Revisit.Equal(want) {
		t.Errorf("revisited at %s, want %s", is.Revisit, want)
	}
}

// Weights that pools say of themselves, beside those that are configured.
func TestToldWeights(t *testing.T) {
	for name, tt := range map[string]struct {
		policy zones.Policy
		order  string
		told   map[string]health.Load
		want   string
	}{
		"in place of the configured one": {zones.Weighted, "a:5,b:10", map[string]health.Load{"a": {Value: 30}}, "a:30 b:10"},
		"a part of the configured one":   {zones.Weighted, "a:4,b:3", map[string]health.Load{"a": {Value: 75, Percent: true}}, "a:3 b:3"},
		"not a whole number":             {zones.Weighted, "a,b", map[string]health.Load{"a": {Value: 50, Percent: true}}, "a:333333 b:666667"},
		"0 has none":                     {zones.Weighted, "a,b", map[string]health.Load{"a": {Value: 0}}, "b:1"},
		"all 0":                          {zones.Weighted, "a,b", map[string]health.Load{"a": {}, "b": {}}, "a:0 b:0"},
		"a spare stays one":              {zones.Weighted, "a:0,b", map[string]health.Load{"a": {Value: 30}}, "b:1"},
		"no weights in failover":         {zones.Failover, "a|b", map[string]health.Load{"a": {Value: 0}}, "a:1"},
		"0 is passed over by nearest":    {zones.Nearest, "a,b", map[string]health.Load{"a": {Value: 0}}, "b:1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLoop(2, tt.order)
			w.steering().Policy = tt.policy
			for pool, load := range tt.told {
				load.Kind = health.WeightFeedback
				w.states[health.TargetID("pool@"+pool)] = health.State{Status: health.Up, Load: &load}
			}
			_, d := w.step()
			got := ""
			for _, s := range d.Shares {
				got += fmt.Sprintf(" %s:%d", s.Pool.Name, s.Weight)
			}
			if got = strings.TrimSpace(got); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// Of several members that say a load it is the mean of those that are up, not drained and not stale.
func TestLoadOfMembers(t *testing.T) {
	w := newWorld(4)
	pool := w.set.Pools[0]
	pool.Shed = &zones.Shed{From: 70, To: 95, Percent: true}
	w.health("a+")
	for i, m := range pool.Members {
		state := health.State{Status: health.Up, Load: &health.Load{Value: float64(20 * (i + 1)), Kind: health.LoadFeedback}}
		switch i {
		case 2:
			state.Status = health.Down
		case 3:
			state.Stale = true
		}
		w.states[m.Targets[0]] = state
	}
	out, _ := w.step()
	if state := out.Pools[0]; state.Load != (Told{true, 30, true}) || !strings.Contains(state.Why, "load 30 %") {
		t.Errorf("%+v: %s", state.Load, state.Why)
	}
}
