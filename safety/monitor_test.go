package safety_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"gslb/health"
	"gslb/safety"
)

// network is what probes meet: places that are dead, and this host's own network.
type network struct {
	dead atomic.Value // the name of a place
	cut  atomic.Bool
}

// run has a monitor probe targets over a network, and calls see with each snapshot before and after the
// guard's judgement, until the test ends. A nil guard judges nothing.
func run(t *testing.T, n *network, settings safety.Settings, targets []health.Target, see func(raw, judged *health.Snapshot)) {
	m := health.NewMonitor(health.MonitorOptions{Make: func(target health.Target) (health.Probe, error) {
		return func(ctx context.Context) health.Result {
			time.Sleep(time.Millisecond + rand.N(10*time.Millisecond))
			if n.cut.Load() || n.dead.Load() == target.Place {
				<-ctx.Done()
				return health.Result{Verdict: health.Fail, Reason: "timeout", Blank: true}
			}
			return health.Result{Verdict: health.Pass, Reason: "ok"}
		}, nil
	}})
	if err := m.Add(targets, nil); err != nil {
		t.Fatal(err)
	}
	guard := safety.NewGuard(safety.Memory{})
	guard.Use(settings, targets)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { m.Run(ctx); ended <- struct{}{} }()
	go func() {
		again := time.NewTimer(time.Hour)
		for ctx.Err() == nil {
			raw, _ := m.Take()
			judgement := guard.Next(raw, time.Now())
			see(raw, judgement.Snapshot)
			again.Reset(time.Hour)
			if !judgement.Revisit.IsZero() {
				again.Reset(time.Until(judgement.Revisit))
			}
			select {
			case <-m.Changed():
			case <-again.C:
			case <-ctx.Done():
			}
		}
		ended <- struct{}{}
	}()
	t.Cleanup(func() { cancel(); <-ended; <-ended })
}

// plan is a few places with a few targets each.
func plan(r *rapid.T) (targets []health.Target, places []string) {
	check := health.Target{Spec: &health.TCP{Address: "192.0.2.1:80"}, Fingerprint: "1"}
	check.Interval = time.Duration(rapid.IntRange(1, 10).Draw(r, "interval")) * time.Second
	check.FastInterval = time.Duration(rapid.IntRange(100, 1000).Draw(r, "fast interval")) * time.Millisecond
	check.Timeout = time.Duration(rapid.IntRange(100, 900).Draw(r, "timeout")) * time.Millisecond
	check.Rise, check.Fall = rapid.IntRange(1, 4).Draw(r, "rise"), rapid.IntRange(2, 4).Draw(r, "fall")
	for p := range rapid.IntRange(2, 5).Draw(r, "places") {
		places = append(places, fmt.Sprint("place", p))
		for i := range rapid.IntRange(1, 4).Draw(r, "targets") {
			check.ID, check.Place = health.TargetID(fmt.Sprintf("%d@%s", i, places[p])), places[p]
			targets = append(targets, check)
		}
	}
	return targets, places
}

// A place that dies alone is down as soon as its probes say so.
func TestAPlaceThatDiesAloneIsNotHeld(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		targets, places := plan(r)
		lasts := time.Duration(rapid.IntRange(0, 20_000).Draw(r, "until it dies")) * time.Millisecond
		var held []health.TargetID
		down := 0
		synctest.Test(t, func(t *testing.T) {
			n := new(network)
			run(t, n, safety.Settings{SuspectShare: 80, SuspectWindow: 10 * time.Second, SuspectHold: time.Minute}, targets, func(raw, judged *health.Snapshot) {
				down = 0
				for i := range targets {
					id := targets[i].ID
					if raw.State(id).Status == health.Down {
						down++
						if judged.State(id).Status != health.Down {
							held = append(held, id)
						}
					}
				}
			})
			time.Sleep(3*time.Second + lasts)
			n.dead.Store(places[0])
			time.Sleep(time.Minute)
			synctest.Wait()
		})
		if len(held) > 0 || down == 0 {
			r.Fatalf("held: %v; down in the end are %d", held, down)
		}
	})
}

// While this host's network is cut, for any time, and after that, nothing that is up goes down: only
// while the hold is over and the network is not back, everything does, and all at once.
func TestACutMovesNothing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		targets, places := plan(r)
		before := time.Duration(rapid.IntRange(0, 20_000).Draw(r, "until the cut")) * time.Millisecond
		cut := time.Duration(rapid.IntRange(0, 120_000).Draw(r, "cut")) * time.Millisecond
		wrong := ""
		synctest.Test(t, func(t *testing.T) {
			n := new(network)
			begun := time.Now()
			run(t, n, safety.Settings{SuspectShare: 80, SuspectWindow: 10 * time.Second, SuspectHold: time.Minute}, targets, func(_, judged *health.Snapshot) {
				up := make(map[string]bool)
				down := 0
				for i := range targets {
					switch judged.State(targets[i].ID).Status {
					case health.Up:
						up[targets[i].Place] = true
					case health.Down:
						down++
					}
				}
				if down > 0 && down < len(targets) && len(up) < len(places) && wrong == "" {
					wrong = fmt.Sprintf("%s after the start %d of %d are down", time.Since(begun), down, len(targets))
				}
			})
			time.Sleep(3*time.Second + before)
			n.cut.Store(true)
			time.Sleep(cut)
			n.cut.Store(false)
			time.Sleep(time.Minute)
			synctest.Wait()
		})
		if wrong != "" {
			r.Fatal(wrong)
		}
	})
}

// What is calculated follows from what is held: at every moment from what the guard makes of its operands. It
// is no evidence itself, so that the others are judged as if it were not there.
func TestCalculatedFollowsWhatIsHeld(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		targets, places := plan(r)
		derived := make(map[health.TargetID]*health.Calculated)
		ids := make([]health.TargetID, len(targets))
		for i := range targets {
			ids[i] = targets[i].ID
		}
		for i := range rapid.IntRange(1, 5).Draw(r, "calculated") {
			c := &health.Calculated{Op: rapid.SampledFrom([]string{health.All, health.Any, health.AtLeast, health.Not}).Draw(r, "op")}
			c.Of = rapid.Permutation(ids).Draw(r, "of")[:rapid.IntRange(1, len(ids)).Draw(r, "operands")]
			if c.Op == health.Not {
				c.Of = c.Of[:1]
			}
			c.Count = rapid.IntRange(1, len(c.Of)).Draw(r, "count")
			target := targets[0]
			target.ID, target.Spec = health.TargetID(fmt.Sprint("calculated", i)), c
			targets, ids, derived[target.ID] = append(targets, target), append(ids, target.ID), c
		}
		cut := time.Duration(rapid.IntRange(0, 120_000).Draw(r, "cut")) * time.Millisecond
		wrong := ""
		synctest.Test(t, func(t *testing.T) {
			n := new(network)
			begun := time.Now()
			run(t, n, safety.Settings{SuspectShare: 80, SuspectWindow: 10 * time.Second, SuspectHold: time.Minute}, targets, func(raw, judged *health.Snapshot) {
				for id, c := range derived {
					want := c.State(health.State{}, statesOf(judged, c.Of), begun)
					got, probed := judged.State(id), raw.State(id)
					isHeld := got.Status != probed.Status && slices.ContainsFunc(c.Of, func(id health.TargetID) bool { return judged.State(id).Held.Rule != "" })
					switch {
					case wrong != "":
					case got.Status != want.Status, got.Turning != want.Turning, got.Stale != want.Stale, got.Awaited != want.Awaited:
						wrong = fmt.Sprintf("%s after the start %s, %+v, is %+v, want %+v", time.Since(begun), id, c, got, want)
					case isHeld != (got.Held.Rule != ""):
						wrong = fmt.Sprintf("%s after the start %s, which its probes call %s and the guard %s, is held: %+v", time.Since(begun), id, probed.Status, got.Status, got.Held)
					}
				}
			})
			time.Sleep(5 * time.Second)
			n.dead.Store(places[0])
			time.Sleep(time.Duration(rapid.IntRange(0, 20_000).Draw(r, "until the cut")) * time.Millisecond)
			n.cut.Store(true)
			time.Sleep(cut)
			n.cut.Store(false)
			time.Sleep(time.Minute)
			synctest.Wait()
		})
		if wrong != "" {
			r.Fatal(wrong)
		}
	})
}

// A switch that is off stays off while this host is cut off: its status is held as well.
func TestCalculatedIsHeldDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check := health.Target{Spec: &health.TCP{}, Fingerprint: "1", Interval: 2 * time.Second, FastInterval: time.Second, Timeout: time.Second, Rise: 2, Fall: 2}
		var targets []health.Target
		for _, place := range []string{"a", "b", "c"} {
			check.ID, check.Place = health.TargetID(place), place
			targets = append(targets, check)
		}
		off := targets[0]
		off.ID, off.Spec = "off", &health.Calculated{Op: health.Not, Of: []health.TargetID{"a"}}
		n := new(network)
		rules := make(map[string]bool)
		run(t, n, safety.Settings{SuspectShare: 80, SuspectWindow: 10 * time.Second, SuspectHold: time.Minute}, append(targets, off), func(raw, judged *health.Snapshot) {
			s := judged.State("off")
			if s.Status == health.Up {
				t.Errorf("the probes call it %s, and it was taken for %s", raw.State("off").Status, s.Status)
			}
			if raw.State("off").Status == health.Up {
				rules[s.Held.Rule] = true
			}
		})
		time.Sleep(20 * time.Second)
		n.cut.Store(true)
		time.Sleep(30 * time.Second)
		n.cut.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if !rules[safety.Suspect] {
			t.Errorf("it was held by %v, want suspect", rules)
		}
	})
}

func statesOf(snapshot *health.Snapshot, ids []health.TargetID) []health.State {
	states := make([]health.State, len(ids))
	for i, id := range ids {
		states[i] = snapshot.State(id)
	}
	return states
}
