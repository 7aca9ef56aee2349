package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// warnAgain is how often an indeterminate target that stays so is logged.
	warnAgain = time.Minute

	// stopWait is how long Run waits at its end for probes that it has cancelled.
	stopWait = 5 * time.Second

	// idle is how long Run sleeps when nothing is due; whatever changes that wakes it.
	idle = time.Hour
)

// MonitorOptions is what a Monitor needs of its surroundings.
type MonitorOptions struct {
	Make       Maker                 // required
	Light      LauncherMaker         // nil: each probe has a goroutine
	Logger     *slog.Logger          // nil: nothing is logged
	Registerer prometheus.Registerer // nil: no metrics; no two monitors can share one

	// Probed is told of each probe that counts, by several goroutines at once; it must not block. nil: nobody is.
	Probed func(t *Target, v Verdict, started, ended time.Time)
}

// Monitor probes targets on their schedule and keeps what is known of them.
//
// One goroutine waits for the earliest of all due times. Each probe has a goroutine of its own, unless
// a [Launcher] can do without, and no two probes are of the same target. So there are never more probes than targets, and a target
// that hangs delays no other; but see [Monitor.Limit]. All methods are safe for concurrent use.
type Monitor struct {
	make    Maker
	light   LauncherMaker
	log     *slog.Logger
	metrics *metrics
	probed  func(t *Target, v Verdict, started, ended time.Time) // nil: nobody is told

	wake    chan struct{} // to Run: the queue has another top, or a probe has ended at the end
	changed chan struct{}

	configuring sync.Mutex // one Add or Retain at a time; taken before mu
	taking      sync.Mutex // one Take at a time; taken before mu
	snapshot    *Snapshot  // what the last Take returned; guarded by taking

	mu       sync.Mutex // held briefly: never over a probe, a Maker, a log line or a sort
	entries  map[TargetID]*entry
	queue    queue
	started  bool // Run was called
	awaiting bool // the first verdicts: from the beginning until Settle
	inFlight int
	spare    []*flight    // of probes that were launched and have ended
	most     int          // limit on probes in flight; 0: none
	overdue  int          // of those in flight
	waiting  []*entry     // that are due and wait for one to end, the first first
	warned   time.Time    // when it was last logged that some wait
	sight    time.Time    // when a probe of this run passed for the first time; zero: none has
	around   *around      // who can be asked; nil: the targets have changed since
	derived  *Calculation // of the targets that are calculated; nil: there are none
	swept    time.Time    // when silent targets were last made due together
	telling  bool         // changes that may wait a moment are about to be announced
	dirty    []*entry     // whose state changed since the last Take
	gone     []*Target    // that were forgotten since the last Take
}

// NewMonitor makes a monitor without targets and registers its metrics, which panics if
// the Registerer has another monitor's already. Nothing is probed until Run.
func NewMonitor(o MonitorOptions) *Monitor {
	m := &Monitor{
		make:     o.Make,
		light:    o.Light,
		log:      o.Logger,
		metrics:  newMetrics(),
		probed:   o.Probed,
		awaiting: true,
		wake:     make(chan struct{}, 1),
		changed:  make(chan struct{}, 1),
		snapshot: NewSnapshot(time.Now(), map[TargetID]State{}),
		entries:  map[TargetID]*entry{},
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if o.Registerer != nil {
		m.metrics.register(o.Registerer, m)
	}
	return m
}

// Limit bounds how many probes are under way at once, so that they do not run out of file
// descriptors. Further targets that are due wait for their turn. 0, the initial value, means no
// limit.
func (m *Monitor) Limit(probes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.most = max(probes, 0)
	for waiting := len(m.waiting); waiting > 0; waiting-- { // they wait again if there is no room
		m.admit()
	}
}

// Run probes until ctx ends, then cancels the probes under way and waits for them; their results do
// not count. It can be called once. It returns an error if it was called before, or if probes are
// left that ignore their context.
func (m *Monitor) Run(ctx context.Context) error {
	if err := m.start(); err != nil {
		return err
	}
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(m.dispatch(ctx))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-m.wake:
		}
	}
	return m.drain()
}

// start schedules the first probe of what was added before Run.
func (m *Monitor) start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.started {
		return errors.New("health monitor: Run was called twice")
	}
	m.started = true
	now := time.Now()
	for _, e := range m.entries {
		e.begun = now
	}
	m.spread(slices.Collect(maps.Values(m.entries)), now)
	return nil
}

// drain waits for the probes under way, which the end of Run's context has cancelled.
func (m *Monitor) drain() error {
	m.abortLaunched()
	timer := time.NewTimer(stopWait)
	defer timer.Stop()
	for {
		left, _ := m.load()
		if left == 0 {
			return nil
		}
		select {
		case <-m.wake:
		case <-timer.C:
			return fmt.Errorf("health monitor: %d probes have not ended %s after they were cancelled", left, stopWait)
		}
	}
}

// Add makes the monitor probe targets, beside those that it has:
//
//   - A target with an ID that is not known yet is started. If prior has its ID with the
//     same Fingerprint, it starts from that status, else from Unknown.
//   - A known ID with the same Fingerprint keeps all that is known of it, and from now on
//     goes by the new thresholds and intervals; a probe under way keeps its old timeout.
//   - A known ID with another Fingerprint gets the new probe. It keeps its status, and what
//     was counted against that. A probe under way is cancelled and does not count; the new
//     one begins when it has ended.
//
// What is added before Run is awaited ([State]), unless it starts from Down: a single probe
// does not bring it back. That ends with its first verdict, and for all with Settle.
//
// An error joins everything that is wrong with the targets; then nothing has changed.
func (m *Monitor) Add(targets []Target, prior map[TargetID]Record) error {
	m.configuring.Lock()
	defer m.configuring.Unlock()

	if err := validate(targets); err != nil {
		return err
	}
	probes, err := m.makeProbes(targets)
	if err != nil {
		return err
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	m.around, m.derived = nil, nil
	now := time.Now()
	var fresh []*entry // to be probed first, spread over a short time
	for i := range targets {
		target := new(targets[i]) // each on its own, so that none keeps the others in memory
		e, known := m.entries[target.ID]
		probe, remade := probes[target.ID]
		switch {
		case !known:
			fresh = append(fresh, m.enter(target, probe, prior, now))
		case remade:
			flying := e.flight != nil
			e.replace(target, probe)
			if !flying { // otherwise the end of the cancelled probe makes the target due
				fresh = append(fresh, e)
			}
		default:
			m.retime(e, target, now)
		}
	}
	if m.started {
		m.spread(fresh, now)
	}
	m.recalculateAll(now)
	return nil
}

// Retain forgets all targets but these. A probe under way is cancelled, but not waited for.
func (m *Monitor) Retain(targets []Target) {
	m.configuring.Lock()
	defer m.configuring.Unlock()

	keep := make(map[TargetID]bool, len(targets))
	for i := range targets {
		keep[targets[i].ID] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	used, unused := make(map[string]bool), make(map[string]bool)
	for id, e := range m.entries {
		if keep[id] {
			used[e.target.Check] = true
		} else {
			unused[e.target.Check] = true
			m.forget(e)
		}
	}
	for check := range unused {
		if !used[check] {
			m.metrics.forget(check)
		}
	}
	m.recalculateAll(time.Now())
}

// Forget forgets some targets, as Retain does. Those that the monitor does not have are ignored.
func (m *Monitor) Forget(ids []TargetID) {
	m.configuring.Lock()
	defer m.configuring.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if e := m.entries[id]; e != nil {
			m.forget(e)
		}
	}
	m.recalculateAll(time.Now())
}

func (m *Monitor) forget(e *entry) {
	delete(m.entries, e.id)
	m.around = nil
	m.unschedule(e)
	e.abort()
	e.release()
	m.gone = append(m.gone, e.target)
	m.announce()
}

// validate reports targets that cannot be scheduled.
func validate(targets []Target) error {
	var errs []error
	seen := make(map[TargetID]bool, len(targets))
	derived := NewCalculation(targets)
	for i := range targets {
		t := &targets[i]
		wrong := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("target %q: "+format, append([]any{t.ID}, args...)...))
		}
		if seen[t.ID] {
			wrong("given twice")
		}
		seen[t.ID] = true
		if t.Spec == nil {
			wrong("has no spec to probe by")
		}
		if t.Interval <= 0 {
			wrong("interval is %s, must be more than 0s", t.Interval)
		}
		if t.Timeout <= 0 {
			wrong("timeout is %s, must be more than 0s", t.Timeout)
		}
		if derived.Has(t.ID) && slices.Contains(derived.dependents[t.ID], t.ID) {
			wrong("is calculated from itself")
		}
	}
	return errors.Join(errs...)
}

// makeProbes makes the probe of each target that has none yet or needs another; an empty one for a target
// that is calculated.
func (m *Monitor) makeProbes(targets []Target) (map[TargetID]prober, error) {
	probes := map[TargetID]prober{}
	var errs []error
	for i := range targets {
		t := &targets[i]
		if m.probesAlike(t) {
			continue
		}
		if t.IsCalculated() {
			probes[t.ID] = prober{}
			continue
		}
		probe, err := m.makeProbe(t)
		if err != nil {
			errs = append(errs, fmt.Errorf("target %q: %w", t.ID, err))
			continue
		}
		probes[t.ID] = probe
	}
	return probes, errors.Join(errs...)
}

// prober is one of the two ways to probe a target.
type prober struct {
	launcher Launcher // nil: probe is called
	probe    Probe
}

func (m *Monitor) makeProbe(t *Target) (p prober, err error) {
	if m.light != nil {
		if p.launcher, err = m.light(*t); err != nil || p.launcher != nil {
			return p, err
		}
	}
	p.probe, err = m.make(*t)
	return p, err
}

// probesAlike says whether the target is known with the same Fingerprint.
func (m *Monitor) probesAlike(t *Target) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, known := m.entries[t.ID]
	return known && e.target.Fingerprint == t.Fingerprint
}

// enter makes the entry of a target that was not known.
func (m *Monitor) enter(target *Target, probe prober, prior map[TargetID]Record, now time.Time) *entry {
	e := newEntry(target, probe)
	e.begun = now
	m.entries[target.ID] = e
	record, ok := prior[target.ID]
	if ok && record.Fingerprint == target.Fingerprint && record.Status != Unknown {
		e.restore(record)
	}
	e.state.Awaited = m.awaiting && !m.started && e.state.Status != Down && !target.Aside
	if e.state != (State{}) {
		m.touch(e)
	}
	return e
}

// retime gives an entry the thresholds and intervals of another target.
func (m *Monitor) retime(e *entry, target *Target, now time.Time) {
	old := e.target
	e.target = target
	e.tracker.SetThresholds(target.Rise, target.Fall)
	e.tracker.SetFlap(target.Flap)

	changed := old.Interval != target.Interval || old.FastInterval != target.FastInterval
	probed := !e.probed.IsZero() // else its first probe is due soon
	if m.started && changed && probed && e.flight == nil {
		m.schedule(e, e.soonest(now))
	}
}

// Awaited is the targets of which the first verdict is awaited, by ID.
func (m *Monitor) Awaited() []TargetID {
	var ids []TargetID
	for _, e := range m.list() {
		m.mu.Lock()
		if e.state.Awaited {
			ids = append(ids, e.id)
		}
		m.mu.Unlock()
	}
	slices.Sort(ids)
	return ids
}

// Settle ends the waiting for first verdicts: from now on decisions use the statuses as they are.
func (m *Monitor) Settle() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.awaiting = false
	for _, e := range m.entries {
		if e.state.Awaited {
			e.state.Awaited = false
			m.touch(e)
		}
	}
}

// Wait returns once every one of the targets has been probed in this run in its current form, or
// when ctx ends, with those that have not. A fail that leaves a status provisional
// ([Tracker.Observe]) is not enough. An indeterminate result is, since waiting longer would not
// help. A target that the monitor does not have, or forgets meanwhile, is returned at once.
func (m *Monitor) Wait(ctx context.Context, ids []TargetID) (missing []TargetID) {
	for _, id := range ids {
		if !m.await(ctx, id) {
			missing = append(missing, id)
		}
	}
	return missing
}

// await says whether the target has been probed before ctx ended.
func (m *Monitor) await(ctx context.Context, id TargetID) bool {
	for {
		answered, wait := m.answered(id)
		if wait == nil {
			return answered
		}
		select {
		case <-wait:
		case <-ctx.Done():
			answered, _ = m.answered(id)
			return answered
		}
	}
}

// answered says whether the target has been probed. If not, it returns a channel that is closed
// when that may have changed.
func (m *Monitor) answered(id TargetID) (answered bool, wait <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hasAnswered(id)
}

// hasAnswered is answered, for a caller that has the lock. What is calculated has been probed when all its
// operands have.
func (m *Monitor) hasAnswered(id TargetID) (answered bool, wait <-chan struct{}) {
	e, known := m.entries[id]
	if !known || e.answered {
		return known, nil
	}
	if c, is := e.target.Spec.(*Calculated); is {
		for _, operand := range c.Of {
			if _, wait := m.hasAnswered(operand); wait != nil {
				return false, wait
			}
		}
		return true, nil
	}
	if e.waiters == nil {
		e.waiters = make(chan struct{})
	}
	return false, e.waiters
}
