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
	Logger     *slog.Logger          // nil: nothing is logged
	Registerer prometheus.Registerer // nil: no metrics; no two monitors can share one
}

// Monitor probes targets on their schedule and keeps what is known of them.
//
// One goroutine waits for the earliest of all due times; each probe that is under way has
// one of its own and no two are of the same target, so that there are never more than
// targets, and a target that hangs delays no other. All methods are safe for concurrent use.
type Monitor struct {
	make    Maker
	log     *slog.Logger
	metrics *metrics

	wake    chan struct{} // to Run: the queue has another top, or a probe has ended at the end
	changed chan struct{}

	configuring sync.Mutex // one Add or Retain at a time; taken before mu
	taking      sync.Mutex // one Take at a time; taken before mu
	snapshot    *Snapshot  // what the last Take returned; guarded by taking

	mu       sync.Mutex // held briefly: never over a probe, a Maker, a log line or a sort
	entries  map[TargetID]*entry
	queue    queue
	started  bool // Run was called
	inFlight int
	dirty    []*entry  // whose state changed since the last Take
	gone     []*Target // that were forgotten since the last Take
}

// NewMonitor makes a monitor without targets and registers its metrics, which panics if
// the Registerer has another monitor's already. Nothing is probed until Run.
func NewMonitor(o MonitorOptions) *Monitor {
	m := &Monitor{
		make:     o.Make,
		log:      o.Logger,
		metrics:  newMetrics(),
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

// Run probes until ctx ends, then cancels the probes under way and waits for them; what
// they return because of that is no verdict. It is to be called once. It returns nil
// unless it was called before, or probes are left that do not heed their context.
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
	m.spread(slices.Collect(maps.Values(m.entries)), time.Now())
	return nil
}

// drain waits for the probes under way, which the end of Run's context has cancelled.
func (m *Monitor) drain() error {
	timer := time.NewTimer(stopWait)
	defer timer.Stop()
	for {
		left := m.flying()
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
