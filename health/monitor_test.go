package health

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// world is what targets look like to their probes, and a protocol of how they were probed.
type world struct {
	mu      sync.Mutex
	answer  map[TargetID]Probe // what a target's probe does; others pass at once
	flights map[TargetID][]span
	flying  map[TargetID]int
	doubled []TargetID // probed while already being probed
	made    map[TargetID]int
	cut     Probe // what every probe comes to while the prober's own network is cut; nil: it is not
}

// span is one probe, from its start to its end; the end is zero while it is under way.
type span struct{ start, end time.Time }

func newWorld() *world {
	return &world{
		answer:  map[TargetID]Probe{},
		flights: map[TargetID][]span{},
		flying:  map[TargetID]int{},
		made:    map[TargetID]int{},
	}
}

// make is a Maker.
func (w *world) make(t Target) (Probe, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.made[t.ID]++
	return func(ctx context.Context) Result {
		answer, n := w.enter(t.ID)
		defer w.leave(t.ID, n)
		return answer(ctx)
	}, nil
}

func (w *world) enter(id TargetID) (answer Probe, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.flying[id]++; w.flying[id] > 1 {
		w.doubled = append(w.doubled, id)
	}
	w.flights[id] = append(w.flights[id], span{start: time.Now()})
	answer = w.answer[id]
	if answer == nil {
		answer = pass
	}
	if w.cut != nil {
		answer = w.cut
	}
	return answer, len(w.flights[id]) - 1
}

func (w *world) leave(id TargetID, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flying[id]--
	w.flights[id][n].end = time.Now()
}

// probes is how often a target has been probed.
func (w *world) probes(id TargetID) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.flights[id])
}

// set makes a target answer otherwise from the next probe on.
func (w *world) set(id TargetID, p Probe) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer[id] = p
}

// cutOff has every probe that begins from now on come to p, as if the prober's own network were
// cut; nil mends it.
func (w *world) cutOff(p Probe) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = p
}

// once makes a target answer so once, and hang from then on.
func (w *world) once(id TargetID, p Probe) {
	w.set(id, func(ctx context.Context) Result {
		w.set(id, hang)
		return p(ctx)
	})
}

// spans is a copy of the protocol of one target.
func (w *world) spans(id TargetID) []span {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]span(nil), w.flights[id]...)
}

// probed is how often the target was probed.
func (w *world) probed(id TargetID) int { return len(w.spans(id)) }

// always is a probe that ends at once.
func always(v Verdict, reason string) Probe {
	return func(context.Context) Result { return Result{Verdict: v, Reason: reason} }
}

var (
	pass    = always(Pass, "ok")
	fail    = always(Fail, "refused")
	nothing = always(Indeterminate, "credentials")
)

// hang is a probe that only its context ends.
func hang(ctx context.Context) Result {
	<-ctx.Done()
	return Result{Verdict: Fail, Reason: "timeout"}
}

// deaf is a probe that pays no heed to its context, until released.
func deaf(release <-chan struct{}) Probe {
	return func(context.Context) Result {
		<-release
		return Result{Verdict: Pass, Reason: "ok"}
	}
}

// newTarget is a target as most tests want it.
func newTarget(id TargetID) Target {
	return Target{
		ID:           id,
		Check:        "web",
		Subject:      string(id),
		Spec:         &TCP{Address: "192.0.2.1:80"},
		Interval:     5 * time.Second,
		FastInterval: time.Second,
		Timeout:      2 * time.Second,
		Rise:         2,
		Fall:         3,
		Fingerprint:  "1",
	}
}

func newTargets(n int) []Target {
	targets := make([]Target, n)
	for i := range targets {
		targets[i] = newTarget(TargetID(fmt.Sprintf("web@%05d", i)))
	}
	return targets
}

func idsOf(targets []Target) []TargetID {
	ids := make([]TargetID, len(targets))
	for i := range targets {
		ids[i] = targets[i].ID
	}
	return ids
}

// start runs a monitor over targets for the rest of a synctest bubble, whose end checks
// that Run ends well.
func start(t *testing.T, w *world, targets ...Target) *Monitor {
	t.Helper()
	m := NewMonitor(MonitorOptions{Make: w.make})
	mustAdd(t, m, targets, nil)
	run(t, m)
	return m
}

// run runs a monitor for the rest of a synctest bubble.
func run(t *testing.T, m *Monitor) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- m.Run(t.Context()) }()
	t.Cleanup(func() { // after t.Context() ended
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func mustAdd(t *testing.T, m *Monitor, targets []Target, prior map[TargetID]Record) {
	t.Helper()
	if err := m.Add(targets, prior); err != nil {
		t.Fatalf("Add: %v", err)
	}
}

// after lets time pass, and everything that happens in it.
func after(d time.Duration) {
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
}

func reportOf(t *testing.T, m *Monitor, id TargetID) Report {
	t.Helper()
	for _, r := range m.Reports() {
		if r.Target.ID == id {
			return r
		}
	}
	t.Fatalf("there is no report of %s", id)
	return Report{}
}

func TestRunEndsProbesUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("a", hang)
		m := NewMonitor(MonitorOptions{Make: w.make})
		mustAdd(t, m, []Target{newTarget("a"), newTarget("b")}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- m.Run(ctx) }()
		after(time.Second)

		cancel()
		begun := time.Now()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("Run took %s to end", waited)
		}
		if r := reportOf(t, m, "a"); r.State.Status != Unknown || r.Probes != [3]uint64{} {
			t.Errorf("a cancelled probe was taken for a verdict: %+v", r)
		}
		if r := reportOf(t, m, "b"); r.State.Status != Up {
			t.Errorf("b is %s", r.State.Status)
		}
		n := w.probed("b")
		after(time.Minute)
		if w.probed("b") != n {
			t.Error("b was probed after Run had ended")
		}
	})
}

func TestRunDoesNotWaitForeverForADeafProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := newWorld()
		w.set("a", deaf(release))
		m := NewMonitor(MonitorOptions{Make: w.make})
		mustAdd(t, m, []Target{newTarget("a")}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		err := m.Run(ctx)
		const want = "health monitor: 1 probes have not ended 5s after they were cancelled"
		if err == nil || err.Error() != want {
			t.Errorf("Run: %v, want %s", err, want)
		}
		close(release)
	})
}

func TestRunOnce(t *testing.T) {
	m := NewMonitor(MonitorOptions{Make: newWorld().make})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Run(ctx); err != nil {
		t.Fatalf("the first Run: %v", err)
	}
	if err := m.Run(ctx); err == nil {
		t.Error("a second Run is accepted")
	}
}

// refusing is a Maker that fails for some targets.
func refusing(next Maker, reasons map[TargetID]error) Maker {
	return func(t Target) (Probe, error) {
		if err := reasons[t.ID]; err != nil {
			return nil, err
		}
		return next(t)
	}
}

var errNoRoots = errors.New("no certificate in roots.pem")
