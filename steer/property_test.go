package steer

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gslb/health"
	"gslb/zones"
)

// TestProperties walks random worlds through random health, and holds every decision to
// what must be true of all of them.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(rapid.SliceOfN(rapid.IntRange(1, 3), 1, 4).Draw(t, "members")...)
		s := w.steering()
		s.WhenAllDown = rapid.SampledFrom([]zones.WhenAllDown{zones.AssumeUp, zones.LastGood, zones.ServFail}).Draw(t, "when_all_down")
		s.FailbackAfter = time.Duration(rapid.IntRange(0, 5).Draw(t, "failback_after")) * time.Second
		for _, pool := range w.set.Pools {
			pool.MinUp.Count = rapid.IntRange(1, len(pool.Members)).Draw(t, "min_up")
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			for _, pool := range w.set.Pools {
				for _, id := range allTargets(pool) {
					w.states[id] = health.State{
						Status:  health.Status(rapid.IntRange(0, 2).Draw(t, string(id))),
						Turning: rapid.Bool().Draw(t, "turning"),
						Awaited: rapid.IntRange(0, 9).Draw(t, "awaited") == 0,
					}
				}
			}
			w.after(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			was := w.memory
			out, d := w.step()
			hold(t, w, was, out, d)
		}
	})
}

func allTargets(pool *zones.Pool) []health.TargetID {
	ids := append([]health.TargetID(nil), pool.Targets...)
	for _, m := range pool.Members {
		ids = append(ids, m.Targets...)
	}
	return ids
}

func hold(t *rapid.T, w *world, was Memory, out *Outcome, d *Decision) {
	byName := map[string]*PoolState{}
	anyUp, anyUnknown := false, false
	for _, p := range out.Pools {
		byName[p.Pool.Name] = p
		anyUp = anyUp || p.Status == health.Up
		anyUnknown = anyUnknown || p.Status == health.Unknown
	}
	past, now := was.Routes[d.Route.Key], w.memory.Routes[d.Route.Key]
	if d.Mode != Normal && !(slices.Equal(past.Pools, now.Pools) && slices.Equal(past.Good, now.Good)) {
		t.Fatalf("%s is remembered as what was answered last: %+v, before that %+v", brief(d), now, past)
	}
	if d.Mode == Pending {
		holdPending(t, byName, d)
		return
	}
	switch {
	case anyUp && (d.Mode != Normal || byName[d.PoolName()].Status != health.Up):
		t.Fatalf("a pool is up, but the answer is %s", brief(d))
	case !anyUp && anyUnknown && (d.Mode != Untested || byName[d.PoolName()].Status != health.Unknown):
		t.Fatalf("a pool is unknown and none up, but the answer is %s", brief(d))
	case !anyUp && !anyUnknown && (d.Mode == Normal || d.Mode == Untested):
		t.Fatalf("all are down, but the answer is %s", brief(d))
	}
	if none := d.Mode == ServFail; (d.Pool() == nil) != none || (len(d.Addresses()) == 0) != none {
		t.Fatalf("an answer without addresses: %s", brief(d))
	}
	if last := byName[strings.Join(past.Pools, "+")]; last != nil && (d.Mode == AssumeUp || d.Mode == Untested && last.Status == health.Unknown) && d.Pool() != last.Pool {
		t.Fatalf("%s was answered last, but in doubt the answer is %s", past.Pools, brief(d))
	}
	if d.Mode == Normal {
		for _, m := range byName[d.PoolName()].Members {
			if listed := slices.Contains(d.Addresses(), m.Address); listed != (m.Status == health.Up) {
				t.Fatalf("member %s is %s, but %s", m.Address, m.Status, brief(d))
			}
		}
		if w.steering().FailbackAfter == 0 && d.PoolName() != firstUp(out.Pools) {
			t.Fatalf("without failback_after the first pool that is up is answered, not %s", brief(d))
		}
	}
	if !d.Revisit.IsZero() && !d.Revisit.After(w.now) {
		t.Fatalf("revisited at %s, which is not after %s", d.Revisit, w.now)
	}
	chosen := 0
	for _, r := range d.Reasons {
		if r.Chosen {
			chosen++
		}
	}
	if chosen > 1 || (chosen == 0) != (d.Mode == ServFail) {
		t.Fatalf("%d pools chosen: %s", chosen, brief(d))
	}
	if diff := again(w, was, out); diff != "" {
		t.Fatalf("the same input gave another outcome: %s", diff)
	}
}

// holdPending holds a decision that is left open: the pool that it waits for is awaited, and
// nothing before that could be taken.
func holdPending(t *rapid.T, pools map[string]*PoolState, d *Decision) {
	if d.Pool() != nil || len(d.Addresses()) > 0 {
		t.Fatalf("nothing is decided, but the answer is %s", brief(d))
	}
	for _, r := range d.Reasons {
		if r.Chosen {
			t.Fatalf("nothing is decided, but %s chosen", r.Pool)
		}
		if pools[r.Pool].Awaited {
			return
		}
		if r.Status == health.Up && d.Route.Steering.FailbackAfter == 0 {
			t.Fatalf("%s is up and first, but the decision is left open", r.Pool)
		}
	}
	t.Fatal("nothing is decided, though no pool is awaited")
}

// again steps once more from the same memory.
func again(w *world, was Memory, out *Outcome) string {
	second := Step(w.set, health.NewSnapshot(w.now, w.states), nil, was, w.now)
	return cmp.Diff(out, second, compareOutcomes)
}

func firstUp(pools []*PoolState) string {
	for _, p := range pools {
		if p.Status == health.Up {
			return p.Pool.Name
		}
	}
	return ""
}
