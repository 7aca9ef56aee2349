package steer

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"gslb/health"
	"gslb/override"
	"gslb/replication"
	"gslb/zones"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// world is a configuration and its health in a few letters. Each pool has a check of its
// own, "pool@NAME", and a check for each member, "web@ADDRESS".
type world struct {
	set    *zones.Set
	states map[health.TargetID]health.State
	memory Memory
	words  *override.Words
	copies map[replication.Region]replication.State
	back   []int // the routes whose clients return now
	now    time.Time
}

// newWorld makes a world with one pool for each count of members, named a, b, c …, and
// one steering over them. All targets are unknown.
func newWorld(members ...int) *world {
	w := &world{set: &zones.Set{}, states: map[health.TargetID]health.State{}, now: noon}
	steering := &zones.Steering{
		Key: "all", Policy: zones.Failover, TTL: 20 * time.Second, TTLMin: 5 * time.Second, WhenAllDown: zones.AssumeUp,
	}
	for i, n := range members {
		pool := &zones.Pool{Index: i, Name: string(rune('a' + i)), MinUp: zones.Quorum{Count: 1}}
		pool.Targets = []health.TargetID{health.TargetID("pool@" + pool.Name)}
		for j := range n {
			address := netip.AddrFrom4([4]byte{192, 0, byte(i), byte(j + 1)})
			pool.Members = append(pool.Members, zones.Member{
				Address: address, Targets: []health.TargetID{health.TargetID("web@" + address.String())},
			})
		}
		w.set.Pools = append(w.set.Pools, pool)
		steering.Pools = append(steering.Pools, pool)
	}
	w.set.Steerings = []*zones.Steering{steering}
	return w
}

func (w *world) steering() *zones.Steering { return w.set.Steerings[0] }

// link numbers the routes of a set. A steering that lists pools gets the one route that they make in
// their order; another has its routes already, and gets their pools.
func link(set *zones.Set) {
	set.Routes = nil
	for _, s := range set.Steerings {
		if s.Pools == nil {
			for _, route := range s.Routes {
				for _, tier := range route.Tiers {
					for _, share := range tier.Shares {
						if !slices.Contains(s.Pools, share.Pool) {
							s.Pools = append(s.Pools, share.Pool)
						}
					}
				}
			}
		} else if s.Routes == nil || isPlain(s) {
			route := &zones.Route{Key: s.Key}
			for _, pool := range s.Pools {
				route.Tiers = append(route.Tiers, zones.Tier{Shares: []zones.Share{{Pool: pool, Weight: 1}}})
			}
			s.Routes = []*zones.Route{route}
		}
		for _, route := range s.Routes {
			route.Index, route.Steering, route.Order = len(set.Routes), s, ""
			for t, tier := range route.Tiers {
				for i, share := range tier.Shares {
					if i > 0 {
						route.Order += ","
					} else if t > 0 {
						route.Order += "|"
					}
					route.Order += share.Pool.Name
				}
			}
			set.Routes = append(set.Routes, route)
		}
	}
}

// isPlain reports whether a steering has one route, of tiers of one pool each, for all clients.
func isPlain(s *zones.Steering) bool {
	shares := func(t zones.Tier) bool { return len(t.Shares) > 1 || t.Shares[0].Weight != 1 }
	return len(s.Routes) == 1 && s.Routes[0].Views == nil && !slices.ContainsFunc(s.Routes[0].Tiers, shares)
}

// route makes a route of its pools: "a:3,b|c" has two tiers, with weight 3 for a and 1 for the others.
func (w *world) route(order string) *zones.Route {
	r := &zones.Route{}
	for tier := range strings.SplitSeq(order, "|") {
		var shares []zones.Share
		for share := range strings.SplitSeq(tier, ",") {
			name, weight, given := strings.Cut(share, ":")
			s := zones.Share{Pool: w.set.Pools[name[0]-'a'], Weight: 1}
			if given {
				s.Weight, _ = strconv.Atoi(weight)
			}
			shares = append(shares, s)
		}
		r.Tiers = append(r.Tiers, zones.Tier{Shares: shares})
	}
	return r
}

// by has the steering use a policy and a route.
func (w *world) by(policy zones.Policy, order string) *zones.Steering {
	s := w.steering()
	r := w.route(order)
	r.Key = s.Key
	s.Policy, s.Pools, s.Routes = policy, nil, []*zones.Route{r}
	return s
}

// health sets the statuses of pools with all their members: "a+ b- c?" is a up, b down, c unknown. With
// a "!" behind, the pool's first verdict is awaited. Those with a copy (copied) have "a~" behind, "a=" current,
// "a/" silent, "a%" in doubt.
func (w *world) health(states string) *world {
	for _, word := range strings.Fields(states) {
		if condition, is := map[byte]replication.Condition{'=': replication.Current, '~': replication.Behind, '/': replication.Silent, '%': replication.Unknown}[word[1]]; is {
			w.setCopy(w.set.Pools[word[0]-'a'], condition)
			continue
		}
		status := map[byte]health.Status{'+': health.Up, '-': health.Down, '?': health.Unknown}[word[1]]
		w.is(status, word[:1])
		if strings.HasSuffix(word, "!") {
			w.awaited(health.TargetID("pool@" + word[:1]))
		}
	}
	return w
}

// play goes through a history, as "a+ b+; a-; 30s; a+": what happens at one moment stands together, and
// after each there is a decision. It returns the last.
func (w *world) play(history string) (d *Decision) {
	for moment := range strings.SplitSeq(history, ";") {
		if wait, err := time.ParseDuration(strings.TrimSpace(moment)); err == nil {
			w.after(wait)
		} else {
			w.health(moment)
		}
		_, d = w.step()
	}
	return d
}

// is sets the status of the targets whose ID contains one of the words.
func (w *world) is(status health.Status, words ...string) *world {
	for _, pool := range w.set.Pools {
		ids := append([]health.TargetID(nil), pool.Targets...)
		for _, m := range pool.Members {
			ids = append(ids, m.Targets...)
		}
		for _, id := range ids {
			for _, word := range words {
				if word == pool.Name || string(id) == word {
					w.states[id] = health.State{Status: status, Cause: health.Result{Reason: "told"}}
				}
			}
		}
	}
	return w
}

func (w *world) awaited(ids ...health.TargetID) *world {
	for _, id := range ids {
		state := w.states[id]
		state.Awaited = true
		w.states[id] = state
	}
	return w
}

func (w *world) turning(ids ...health.TargetID) *world {
	for _, id := range ids {
		state := w.states[id]
		state.Turning = true
		w.states[id] = state
	}
	return w
}

// step decides, and remembers.
func (w *world) step() (*Outcome, *Decision) {
	states := make(map[health.TargetID]health.State, len(w.states))
	for id, s := range w.states {
		states[id] = s
	}
	link(w.set)
	out := Step(w.set, Input{Snapshot: health.NewSnapshot(w.now, states), Words: w.words, Copies: replication.NewView(maps.Clone(w.copies)), Now: w.now, Failback: w.back}, w.memory)
	w.memory = out.Memory()
	return out, out.Decisions[0]
}

func (w *world) after(d time.Duration) *world {
	w.now = w.now.Add(d)
	return w
}

// brief is a decision as "mode pool addresses ttl".
func brief(d *Decision) string {
	pool := cmp.Or(d.PoolName(), "-")
	var last []string
	for _, a := range d.Addresses() {
		last = append(last, strings.TrimPrefix(a.String(), "192.0."))
	}
	return fmt.Sprintf("%s %s [%s] %s", d.Mode, pool, strings.Join(last, " "), d.TTL)
}

func TestAssess(t *testing.T) {
	tests := []struct {
		name    string
		minUp   int
		own     health.Status
		members string // u, d, ?: each member's status
		want    health.Status
		why     string
	}{
		{"all up", 1, health.Up, "uu", health.Up, "2 of 2 members up, 1 needed"},
		{"one member is enough", 1, health.Up, "du", health.Up, "1 of 2 members up, 1 needed: web@192.0.0.1 is down: told"},
		{"min_up not met", 2, health.Up, "du", health.Down, "1 of 2 members up, 2 needed: web@192.0.0.1 is down: told"},
		{"min_up not met, not even if the unknown were up", 2, health.Up, "dd?", health.Down, "0 of 3 members up, 2 needed: web@192.0.0.1 is down: told"},
		{"min_up met if the unknown were up", 2, health.Up, "du?", health.Unknown, "1 of 3 members up, 2 needed: web@192.0.0.3 has no verdict yet"},
		{"own check down beats its members", 1, health.Down, "uu", health.Down, "2 of 2 members up, 1 needed: pool@a is down: told"},
		{"own check down beats unknown", 1, health.Down, "??", health.Down, "0 of 2 members up, 1 needed: pool@a is down: told"},
		{"own check unknown", 1, health.Unknown, "uu", health.Unknown, "2 of 2 members up, 1 needed: pool@a has no verdict yet"},
		{"own check unknown, members down", 1, health.Unknown, "dd", health.Down, "0 of 2 members up, 1 needed: web@192.0.0.1 is down: told"},
		{"nothing known", 1, health.Unknown, "??", health.Unknown, "0 of 2 members up, 1 needed: pool@a has no verdict yet"},
		{"own check unknown, a member down", 1, health.Unknown, "du", health.Unknown, "1 of 2 members up, 1 needed: pool@a has no verdict yet"},
		{"one known up", 1, health.Up, "?u", health.Up, "1 of 2 members up, 1 needed: web@192.0.0.1 has no verdict yet"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(len(tt.members))
			pool := w.set.Pools[0]
			pool.MinUp = zones.Quorum{Count: tt.minUp}
			if tt.own != health.Unknown {
				w.is(tt.own, "pool@a")
			}
			for i, c := range tt.members {
				if status := map[rune]health.Status{'u': health.Up, 'd': health.Down}[c]; status != health.Unknown {
					w.is(status, string(pool.Members[i].Targets[0]))
				}
			}
			got := Assess(pool, Input{Snapshot: health.NewSnapshot(noon, w.states)})
			if got.Status != tt.want || got.Why != tt.why {
				t.Errorf("got %v, %q\nwant %v, %q", got.Status, got.Why, tt.want, tt.why)
			}
		})
	}
}

// Where min_up_ipv4 or min_up_ipv6 is given, a pool also needs so many of that family. The first two
// members are of IPv4, the others of IPv6.
func TestAssessFamilies(t *testing.T) {
	tests := []struct {
		minUp, ipv4, ipv6 zones.Quorum
		members           string
		want              health.Status
		why               string
	}{
		{zones.Quorum{Count: 1}, zones.Quorum{Count: 1}, zones.Quorum{}, "duuu", health.Up, "3 of 4 members up, 1 needed (IPv4: 1 up, 1 needed): web@192.0.0.1 is down: told"},
		{zones.Quorum{Count: 1}, zones.Quorum{Count: 1}, zones.Quorum{}, "dddu", health.Down, "1 of 4 members up, 1 needed (IPv4: 0 up, 1 needed): web@192.0.0.1 is down: told"},
		{zones.Quorum{Count: 1}, zones.Quorum{Count: 1}, zones.Quorum{}, "d?du", health.Unknown, "1 of 4 members up, 1 needed (IPv4: 0 up, 1 needed): web@192.0.0.2 has no verdict yet"},
		// It is IPv6 that is missing: a member of IPv4 is not why.
		{zones.Quorum{Count: 1}, zones.Quorum{}, zones.Quorum{Percent: 100}, "duud", health.Down, "2 of 4 members up, 1 needed (IPv6: 1 up, 2 needed): web@2001:db8::4 is down: told"},
		{zones.Quorum{Count: 1}, zones.Quorum{}, zones.Quorum{Percent: 50}, "duud", health.Up, "2 of 4 members up, 1 needed (IPv6: 1 up, 1 needed): web@192.0.0.1 is down: told"},
		{zones.Quorum{Count: 3}, zones.Quorum{Count: 1}, zones.Quorum{Count: 1}, "ud?d", health.Down, "1 of 4 members up, 3 needed (IPv4: 1 up, 1 needed) (IPv6: 0 up, 1 needed): web@192.0.0.2 is down: told"},
		{zones.Quorum{Count: 1}, zones.Quorum{Count: 1}, zones.Quorum{Count: 1}, "?uu?", health.Up, "2 of 4 members up, 1 needed (IPv4: 1 up, 1 needed) (IPv6: 1 up, 1 needed): web@192.0.0.1 has no verdict yet"},
	}
	for _, tt := range tests {
		w := newWorld(4).is(health.Up, "pool@a")
		pool := w.set.Pools[0]
		pool.MinUp, pool.MinUpIPv4, pool.MinUpIPv6 = tt.minUp, tt.ipv4, tt.ipv6
		for i, c := range tt.members {
			m := &pool.Members[i]
			if i >= 2 {
				m.Address = netip.MustParseAddr(fmt.Sprint("2001:db8::", i+1))
				m.Targets[0] = health.TargetID("web@" + m.Address.String())
			}
			if status := map[rune]health.Status{'u': health.Up, 'd': health.Down}[c]; status != health.Unknown {
				w.is(status, string(m.Targets[0]))
			}
		}
		got := Assess(pool, Input{Snapshot: health.NewSnapshot(noon, w.states)})
		if got.Status != tt.want || got.Why != tt.why {
			t.Errorf("%+v: got %v, %q\nwant %v, %q", tt, got.Status, got.Why, tt.want, tt.why)
		}
	}
}

func TestAPoolWithoutChecksIsUp(t *testing.T) {
	pool := &zones.Pool{Name: "sorry", MinUp: zones.Quorum{Count: 1}, Members: []zones.Member{{Address: netip.MustParseAddr("192.0.2.1")}}}
	if got := Assess(pool, Input{}); got.Status != health.Up {
		t.Errorf("status %v, want up", got.Status)
	}
}

// The rows are the table above Decide, and what stands in DESIGN of when_all_down.
func TestDecide(t *testing.T) {
	tests := []struct {
		name  string
		setup func(*world)
		want  string
	}{
		{"both up: the first", func(w *world) { w.is(health.Up, "a", "b") },
			"normal a [0.1 0.2] 20s"},
		{"members that are down are left out", func(w *world) { w.is(health.Up, "a", "b").is(health.Down, "web@192.0.0.1") },
			"normal a [0.2] 20s"},
		{"members of which nothing is known are left out while one is up", func(w *world) { w.is(health.Up, "pool@a", "web@192.0.0.2") },
			"normal a [0.2] 20s"},
		{"the first down", func(w *world) { w.is(health.Down, "a").is(health.Up, "b") },
			"normal b [1.1 1.2] 20s"},
		{"the first pool's own check down", func(w *world) { w.is(health.Up, "a", "b").is(health.Down, "pool@a") },
			"normal b [1.1 1.2] 20s"},
		{"unknown is passed over for one that is up", func(w *world) { w.is(health.Up, "b") },
			"normal b [1.1 1.2] 20s"},
		{"unknown is used when none is up", func(w *world) { w.is(health.Down, "a") },
			"unknown b [1.1 1.2] 5s"},
		{"nothing known", func(w *world) {},
			"unknown a [0.1 0.2] 5s"},
		{"of an unknown pool the members that are up", func(w *world) { w.is(health.Down, "b").is(health.Up, "web@192.0.0.2") },
			"unknown a [0.2] 5s"},
		{"of an unknown pool not the members that are down", func(w *world) { w.is(health.Down, "b", "web@192.0.0.2") },
			"unknown a [0.1] 5s"},
		{"all down: assume_up", func(w *world) { w.is(health.Down, "a", "b") },
			"assume_up a [0.1 0.2] 5s"},
		{"all down: assume_up begins with what was answered last", func(w *world) {
			w.is(health.Down, "a", "web@192.0.1.1").is(health.Up, "pool@b", "web@192.0.1.2").step()
			w.is(health.Down, "b")
		}, "assume_up b [1.1 1.2] 5s"},
		{"all down: assume_up is not what was answered last", func(w *world) {
			w.is(health.Down, "a", "b").step()
			w.is(health.Up, "b").step()
			w.is(health.Down, "b").step()
			w.step()
		}, "assume_up b [1.1 1.2] 5s"},
		{"all down: assume_up, what was answered last is configured away", func(w *world) {
			w.is(health.Down, "a").is(health.Up, "b").step()
			w.is(health.Down, "b")
			w.steering().Pools = w.steering().Pools[:1]
		}, "assume_up a [0.1 0.2] 5s"},
		{"unknown begins with what was answered last", func(w *world) {
			w.is(health.Down, "a").is(health.Up, "b").step()
			w.is(health.Unknown, "a", "b")
		}, "unknown b [1.1 1.2] 5s"},
		{"unknown, what was answered last is down", func(w *world) {
			w.is(health.Down, "a").is(health.Up, "b").step()
			w.is(health.Unknown, "a").is(health.Down, "b")
		}, "unknown a [0.1 0.2] 5s"},
		{"all down: servfail", func(w *world) { w.is(health.Down, "a", "b").steering().WhenAllDown = zones.ServFail },
			"servfail - [] 5s"},
		{"all down: last_good without a memory", func(w *world) { w.is(health.Down, "a", "b").steering().WhenAllDown = zones.LastGood },
			"assume_up a [0.1 0.2] 5s"},
		{"all down: last_good", func(w *world) {
			w.steering().WhenAllDown = zones.LastGood
			w.is(health.Down, "a", "web@192.0.1.1").is(health.Up, "pool@b", "web@192.0.1.2").step()
			w.is(health.Down, "b")
		}, "last_good b [1.2] 5s"},
		{"all down: last_good outlasts itself", func(w *world) {
			w.steering().WhenAllDown = zones.LastGood
			w.is(health.Down, "a").is(health.Up, "b").step()
			w.is(health.Down, "b").step()
			w.step()
		}, "last_good b [1.1 1.2] 5s"},
		{"all down: last_good whose member is configured away", func(w *world) {
			w.steering().WhenAllDown = zones.LastGood
			w.is(health.Down, "a", "web@192.0.1.1").is(health.Up, "pool@b", "web@192.0.1.2").step()
			w.is(health.Down, "b")
			w.set.Pools[1].Members = w.set.Pools[1].Members[:1]
		}, "assume_up b [1.1] 5s"},
		{"all down: fallback", func(w *world) { w.is(health.Down, "a", "b").fallback().is(health.Up, "c") },
			"fallback c [2.1 2.2] 5s"},
		{"all down: fallback, of which one member is up", func(w *world) {
			w.is(health.Down, "a", "b").fallback().is(health.Down, "c").is(health.Up, "web@192.0.2.2")
		},
			"fallback c [2.2] 5s"},
		{"all down: fallback down too", func(w *world) { w.is(health.Down, "a", "b").fallback().is(health.Down, "c") },
			"fallback c [2.1 2.2] 5s"},
		{"all down: fallback that is turning", func(w *world) { w.is(health.Down, "a", "b").fallback().is(health.Up, "c").turning("pool@c") },
			"fallback c [2.1 2.2] 5s"},
		{"the fallback is not used while a pool is left", func(w *world) { w.is(health.Down, "a").fallback().is(health.Up, "c") },
			"unknown b [1.1 1.2] 5s"},

		{"the pool answered is turning", func(w *world) { w.is(health.Up, "a", "b").turning("web@192.0.0.1") },
			"normal a [0.1 0.2] 5s"},
		{"a pool passed over is turning", func(w *world) { w.is(health.Down, "a").is(health.Up, "b").turning("pool@a") },
			"normal b [1.1 1.2] 5s"},
		{"a pool that was not consulted is turning", func(w *world) { w.is(health.Up, "a", "b").turning("pool@b") },
			"normal a [0.1 0.2] 20s"},
		{"all down and one is turning", func(w *world) { w.is(health.Down, "a", "b").turning("pool@b") },
			"assume_up a [0.1 0.2] 5s"},

		{"at a start: the first is awaited", func(w *world) { w.is(health.Up, "a", "b").awaited("web@192.0.0.2") },
			"pending - [] 20s"},
		{"at a start: the first is unknown and awaited", func(w *world) { w.is(health.Up, "b").awaited("pool@a", "web@192.0.0.1", "web@192.0.0.2") },
			"pending - [] 20s"},
		{"at a start: a pool that is not needed is awaited", func(w *world) { w.is(health.Up, "a", "b").awaited("pool@b") },
			"normal a [0.1 0.2] 20s"},
		{"at a start: the first is down, the second awaited", func(w *world) { w.is(health.Down, "a").is(health.Up, "b").awaited("pool@b") },
			"pending - [] 20s"},
		{"at a start: the first is down whatever comes", func(w *world) { w.is(health.Up, "b").is(health.Down, "pool@a").awaited("web@192.0.0.1") },
			"normal b [1.1 1.2] 20s"},
		{"at a start: the first has recovered, what was answered last is awaited", func(w *world) {
			w.steering().FailbackAfter = time.Minute
			w.is(health.Down, "a").is(health.Up, "b").step()
			w.is(health.Up, "a").awaited("pool@b")
		}, "pending - [] 20s"},
		{"at a start: the first has recovered, nothing is known yet of what was answered last", func(w *world) {
			w.steering().FailbackAfter = time.Minute
			w.is(health.Down, "a").is(health.Up, "b").step()
			w.is(health.Up, "a").is(health.Unknown, "pool@b").awaited("pool@b")
		}, "pending - [] 20s"},
		{"at a start: the first has recovered, what was answered last is unknown", func(w *world) {
			w.steering().FailbackAfter = time.Minute
			w.is(health.Down, "a").is(health.Up, "b").step()
			w.is(health.Up, "a").is(health.Unknown, "pool@b")
		}, "normal a [0.1 0.2] 20s"},
		{"at a start: the fallback is awaited", func(w *world) { w.is(health.Down, "a", "b").fallback().is(health.Up, "c").awaited("pool@c") },
			"pending - [] 5s"},
		{"at a start: the fallback is awaited, and not needed", func(w *world) { w.is(health.Up, "a").is(health.Down, "b").fallback().awaited("pool@c") },
			"normal a [0.1 0.2] 20s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(2, 2)
			tt.setup(w)
			if _, d := w.step(); brief(d) != tt.want {
				t.Errorf("got  %s\nwant %s\n%v", brief(d), tt.want, d.Reasons)
			}
		})
	}
}

// fallback adds a third pool that is used when the two others are down.
func (w *world) fallback() *world {
	three := newWorld(0, 0, 2)
	pool := three.set.Pools[2]
	w.set.Pools = append(w.set.Pools, pool)
	w.steering().WhenAllDown, w.steering().Fallback = zones.UseFallback, pool
	return w
}

func TestFailback(t *testing.T) {
	w := newWorld(1, 1, 1)
	w.steering().FailbackAfter = time.Minute
	expect := func(want string, revisit time.Duration) {
		t.Helper()
		out, d := w.step()
		if brief(d) != want {
			t.Fatalf("at %s: got %s, want %s: %v", w.now.Sub(noon), brief(d), want, d.Reasons)
		}
		var at time.Time
		if revisit != 0 {
			at = noon.Add(revisit)
		}
		if !d.Revisit.Equal(at) || !out.Revisit.Equal(at) {
			t.Fatalf("at %s: revisited at %s, want %s", w.now.Sub(noon), d.Revisit, at)
		}
	}
	// A pool that comes up for the first time has nothing to prove.
	w.is(health.Up, "b")
	expect("normal b [1.1] 20s", 0)
	w.after(time.Second).is(health.Up, "a", "c")
	expect("normal a [0.1] 20s", 0)
	// The failover is at once, the way back takes failback_after.
	w.after(time.Second).is(health.Down, "a")
	expect("normal b [1.1] 20s", 0)
	w.after(8*time.Second).is(health.Up, "a") // at 10 s
	expect("normal b [1.1] 20s", 70*time.Second)
	w.after(59 * time.Second)
	expect("normal b [1.1] 20s", 70*time.Second)
	// Another outage starts the wait anew.
	w.after(500*time.Millisecond).is(health.Down, "a")
	expect("normal b [1.1] 20s", 0)
	w.after(500*time.Millisecond).is(health.Up, "a") // at 70 s
	expect("normal b [1.1] 20s", 130*time.Second)
	w.after(time.Minute)
	expect("normal a [0.1] 20s", 0)
	// Unknown in between does not shorten it.
	w.is(health.Down, "a")
	expect("normal b [1.1] 20s", 0)
	w.is(health.Unknown, "a")
	expect("normal b [1.1] 20s", 0)
	w.after(10*time.Second).is(health.Up, "a") // at 140 s
	expect("normal b [1.1] 20s", 200*time.Second)
	// A pool that recovers is not waited for when what is answered goes down.
	w.is(health.Down, "b")
	expect("normal a [0.1] 20s", 0)
}

// TestBlindness is an hour in which a is dead and b serves, then a moment in which the prober
// sees nothing: neither that moment nor what comes after it may undo the failover.
func TestBlindness(t *testing.T) {
	for _, blind := range []health.Status{health.Down, health.Unknown} {
		for _, mode := range []zones.WhenAllDown{zones.AssumeUp, zones.LastGood, zones.ServFail, zones.UseFallback} {
			for _, order := range []string{"a first", "b first"} {
				t.Run(fmt.Sprintf("%s, %s, %s", blind, mode, order), func(t *testing.T) {
					w := newWorld(1, 1)
					w.fallback().is(health.Up, "c")
					w.steering().FailbackAfter, w.steering().WhenAllDown = time.Minute, mode
					expect := func(want string) {
						t.Helper()
						if _, d := w.step(); d.PoolName() != want {
							t.Errorf("at %s: answered %s, want %q: %v", w.now.Sub(noon), brief(d), want, d.Reasons)
						}
					}
					w.is(health.Up, "a", "b")
					expect("a")
					w.is(health.Down, "a")
					expect("b")
					w.after(time.Hour).is(blind, "a", "b")
					if mode == zones.AssumeUp || mode == zones.LastGood || blind == health.Unknown {
						expect("b")
						expect("b") // looked at again
					} else {
						w.step()
					}
					// It sees again. a was repaired at last, and has to prove itself.
					if order == "b first" {
						w.after(time.Second).is(health.Up, "b")
						expect("b")
					}
					w.after(time.Second).is(health.Up, "a", "b")
					expect("b")
					w.after(time.Minute - time.Nanosecond)
					expect("b")
					w.after(time.Nanosecond)
					expect("a")
				})
			}
		}
	}
}

func TestFailbackFromUnknownTakesTheRecoveringPoolAtOnce(t *testing.T) {
	w := newWorld(1, 1)
	w.steering().FailbackAfter = time.Minute
	w.is(health.Down, "a").is(health.Up, "b").step()
	w.is(health.Up, "a").is(health.Unknown, "b").step()
	if _, d := w.step(); brief(d) != "normal a [0.1] 20s" {
		t.Errorf("got %s", brief(d))
	}
}

func TestReasonsNameEveryPool(t *testing.T) {
	w := newWorld(1, 1, 1)
	_, d := w.is(health.Down, "a").is(health.Up, "b").step()
	want := []Considered{
		{Pool: "a", Status: health.Down, Why: "0 of 1 members up, 1 needed: pool@a is down: told"},
		{Tier: 1, Pool: "b", Status: health.Up, Chosen: true, Why: "1 of 1 members up, 1 needed"},
		{Tier: 2, Pool: "c", Status: health.Unknown, Why: "not needed: 0 of 1 members up, 1 needed: pool@c has no verdict yet"},
	}
	if diff := gocmp.Diff(want, d.Reasons); diff != "" {
		t.Error(diff)
	}
}

func TestSinceMovesWithTheStatusOnly(t *testing.T) {
	w := newWorld(1)
	since := func() time.Time {
		out, _ := w.step()
		return out.Pools[0].Since
	}
	w.is(health.Up, "a")
	if got := since(); !got.Equal(noon) {
		t.Fatalf("first seen at %s, want noon", got)
	}
	w.after(time.Minute)
	if got := since(); !got.Equal(noon) {
		t.Fatalf("since %s, want noon", got)
	}
	w.is(health.Down, "a")
	if got := since(); !got.Equal(noon.Add(time.Minute)) {
		t.Fatalf("since %s, want a minute later", got)
	}
}

// A steering of which something is changed goes on from what it answered, unless the order
// of its pools is another.
func TestMemoryOutlivesAnEdit(t *testing.T) {
	for order, want := range map[string]string{"ab": "normal b [1.1] 30s", "ba": "normal b [1.1] 30s"} {
		w := newWorld(1, 1)
		w.steering().FailbackAfter = time.Minute
		w.is(health.Down, "a").is(health.Up, "b").step()
		w.after(time.Second).is(health.Up, "a").step()

		edited := *w.steering()
		edited.Key, edited.TTL = "edited", 30*time.Second
		if order == "ba" {
			edited.Pools = []*zones.Pool{edited.Pools[1], edited.Pools[0]}
		}
		w.set.Steerings = []*zones.Steering{&edited}
		if _, d := w.step(); brief(d) != want {
			t.Errorf("%s: got %s, want %s", order, brief(d), want)
		}
		if len(w.memory.Routes) != 1 {
			t.Errorf("%d routes are remembered, want the one", len(w.memory.Routes))
		}
	}
}

// A new steering does not take over what another, that is there still, remembers.
func TestMemoryIsNotTakenFromTheLiving(t *testing.T) {
	w := newWorld(1, 1)
	w.steering().FailbackAfter = time.Minute
	w.is(health.Down, "a").is(health.Up, "b").step()
	w.after(time.Second).is(health.Up, "a").step()
	fresh := *w.steering()
	fresh.Index, fresh.Key = 1, "fresh"
	w.set.Steerings = append(w.set.Steerings, &fresh)
	out, _ := w.step()
	if got := [2]string{brief(out.Decisions[0]), brief(out.Decisions[1])}; got != [2]string{"normal b [1.1] 20s", "normal a [0.1] 20s"} {
		t.Errorf("got %q", got)
	}
}

func TestClockThatIsSetBackDoesNotDelayFailback(t *testing.T) {
	w := newWorld(1, 1)
	w.steering().FailbackAfter = time.Minute
	w.is(health.Down, "a").is(health.Up, "b").step()
	w.is(health.Up, "a").step()
	w.after(-24 * time.Hour).step()
	if _, d := w.after(time.Minute).step(); brief(d) != "normal a [0.1] 20s" {
		t.Errorf("got %s", brief(d))
	}
}
