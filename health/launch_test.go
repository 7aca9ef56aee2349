package health

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// craft is a Launcher around a probe, which lands by itself or is resumed.
type craft struct {
	probe   Probe
	resumes bool

	mu      sync.Mutex
	cancel  context.CancelFunc
	aborted int
}

func (c *craft) Launch(deadline time.Time, to Landing) {
	if c.resumes {
		go to.Resume(c.probe, 0)
		return
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel = cancel
	go func() {
		defer cancel()
		to.Land(c.probe(ctx), 0)
	}()
}

func (c *craft) Abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted++
	if c.cancel != nil {
		c.cancel()
	}
}

// light is a LauncherMaker: of three targets one after the other by their IDs, one lands, one is resumed, and one
// has no Launcher.
func (w *world) light(t Target) (Launcher, error) {
	probe, err := w.make(t)
	if err != nil {
		return nil, err
	}
	switch t.ID[len(t.ID)-1] % 3 {
	case 0:
		return &craft{probe: probe}, nil
	case 1:
		return &craft{probe: probe, resumes: true}, nil
	}
	return nil, nil
}

// TestLaunchedAsCalled has all that is known of targets be the same whichever way they are probed.
func TestLaunchedAsCalled(t *testing.T) {
	ids := []TargetID{"a-0", "a-1", "a-2"} // one of each way: see light
	for name, probe := range map[string]Probe{
		"pass": pass, "fail": fail, "indeterminate": nothing, "hang": hang,
		"panic": func(context.Context) Result { return Result{Verdict: Indeterminate, Reason: "panic"} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				var targets []Target
				for _, id := range ids {
					w.set(id, probe)
					target := newTarget(id)
					target.FastInterval = target.Interval
					targets = append(targets, target)
				}
				m := NewMonitor(MonitorOptions{Make: w.make, Light: w.light})
				mustAdd(t, m, targets, nil)
				run(t, m)
				after(time.Minute)
				want := reportOf(t, m, ids[0])
				for _, id := range ids {
					got := reportOf(t, m, id)
					if got.Last != want.Last || got.State.Status != want.State.Status || got.Took != want.Took {
						t.Errorf("%s: %+v\nwant %+v", id, got, want)
					}
					if n := w.probed(id); n < 12 || n > 15 {
						t.Errorf("%s: %d probes in a minute", id, n)
					}
				}
			})
		})
	}
}

// TestLaunchedAreAborted has probes under way end at once when their result does not matter any more.
func TestLaunchedAreAborted(t *testing.T) {
	for name, resumes := range map[string]bool{"in the loop": false, "resumed": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := new(lines)
				var crafts []*craft
				m := NewMonitor(MonitorOptions{Logger: l.logger(), Light: func(Target) (Launcher, error) {
					c := &craft{probe: hang, resumes: resumes}
					crafts = append(crafts, c)
					return c, nil
				}})
				a, b := newTarget("a"), newTarget("b")
				mustAdd(t, m, []Target{a, b}, nil)
				run(t, m)
				after(time.Second)
				m.Forget([]TargetID{"b"})
				a.Fingerprint = "2"
				mustAdd(t, m, []Target{a}, nil)
				after(time.Millisecond)
				if flying, _ := m.load(); flying != 1 || len(crafts) != 3 {
					t.Errorf("%d probes are under way, by %d launchers", flying, len(crafts))
				}
				for _, c := range crafts[:2] {
					if want := map[bool]int{false: 1, true: 0}[resumes]; c.aborted != want {
						t.Errorf("it was aborted %d times, want %d", c.aborted, want)
					}
				}
				if got := reportOf(t, m, "a"); got.Probes != [3]uint64{} {
					t.Errorf("what was aborted counts: %v", got.Probes)
				}
				// The end of Run aborts what is under way: see run.
				if said := l.take("does not end"); len(said) > 0 {
					t.Error(strings.Join(said, ""))
				}
			})
		})
	}
}

// TestLauncherThatCannotBeMade is an error of the configuration.
func TestLauncherThatCannotBeMade(t *testing.T) {
	m := NewMonitor(MonitorOptions{Light: func(Target) (Launcher, error) { return nil, context.DeadlineExceeded }})
	if err := m.Add(newTargets(1), nil); err == nil || !strings.Contains(err.Error(), "web@00000") {
		t.Errorf("got %v", err)
	}
}

// held is a Launcher whose probes land when the test says so.
type held struct{ to Landing }

func (h *held) Launch(_ time.Time, to Landing) { h.to = to }
func (h *held) Abort()                         {}

// TestAllocations holds probes that are launched and pass to no memory at all: with thousands a second, garbage
// collection would cost as much as probing.
func TestAllocations(t *testing.T) {
	h := new(held)
	m := NewMonitor(MonitorOptions{Light: func(Target) (Launcher, error) { return h, nil }})
	mustAdd(t, m, []Target{newTarget("a")}, nil)
	if err := m.start(); err != nil {
		t.Fatal(err)
	}
	e, ctx := m.entries["a"], t.Context()
	probe := func() {
		m.schedule(e, time.Now())
		m.dispatch(ctx)
		h.to.Land(Result{Verdict: Pass, Reason: "ok", Detail: "status 200"}, 0)
	}
	probe() // the first verdict is a change
	if got := testing.AllocsPerRun(1000, probe); got != 0 {
		t.Errorf("%v allocations a probe, want none", got)
	}
	if got := e.probes[Pass]; got < 1000 {
		t.Errorf("%d probes have passed", got)
	}
}

// TestWaitingIsNotTaken has a probe wait for others that start on the same beat. That says nothing of the target, and
// delays neither its deadline nor the next probe.
func TestWaitingIsNotTaken(t *testing.T) {
	const waits, takes = 300 * time.Millisecond, 200 * time.Millisecond
	for name, end := range map[string]func(to Landing, rest Probe){
		"lands":      func(to Landing, rest Probe) { to.Land(rest(context.Background()), waits) },
		"is resumed": func(to Landing, rest Probe) { to.Resume(rest, waits) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := new(held)
				var took time.Duration
				m := NewMonitor(MonitorOptions{
					Light:  func(Target) (Launcher, error) { return h, nil },
					Probed: func(_ *Target, _ Verdict, started, ended time.Time) { took = ended.Sub(started) },
				})
				target := newTarget("a")
				mustAdd(t, m, []Target{target}, nil)
				if err := m.start(); err != nil {
					t.Fatal(err)
				}
				e := m.entries["a"]
				probe := func(rest Probe) (begun time.Time) {
					begun = time.Now()
					m.schedule(e, begun)
					m.dispatch(t.Context())
					time.Sleep(waits + takes)
					end(h.to, rest)
					synctest.Wait()
					return begun
				}
				probe(pass)
				if got := reportOf(t, m, "a").Took; got != takes || took != takes {
					t.Errorf("it took %v, and is reported as %v, want %v", got, took, takes)
				}
				var left time.Duration
				begun := probe(func(ctx context.Context) Result {
					if deadline, limited := ctx.Deadline(); limited {
						left = time.Until(deadline)
					}
					return fail(ctx)
				})
				if want := target.Timeout - waits - takes; name == "is resumed" && left != want {
					t.Errorf("it has %v left, want %v", left, want)
				}
				if got := e.due.Sub(begun); got != target.FastInterval {
					t.Errorf("the next probe is due %v after this one, want %v", got, target.FastInterval)
				}
			})
		})
	}
}
