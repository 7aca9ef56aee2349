package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/history"
	"gslb/journal"
	"gslb/publish"
	"gslb/state"
)

// keeper saves the state: soon after a change, at intervals so that the verdicts stay fresh, and at
// the end. The store decides what has to be written.
type keeper struct {
	dir      string
	store    *state.Store
	draft    func() state.Draft
	logger   *slog.Logger
	failures prometheus.Counter
	changed  chan struct{}
	failing  atomic.Pointer[error] // why the state is not saved; nil: it is
}

const (
	saveEvery = 10 * time.Second
	saveAfter = time.Second // a change, together with those that come with it
)

func newKeeper(store *state.Store, draft func() state.Draft, l *slog.Logger, r prometheus.Registerer) *keeper {
	k := &keeper{
		dir: store.Dir(), store: store, draft: draft, logger: l,
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gslb_state_save_failures_total",
			Help: "How often the state could not be saved to state_dir; a restart would begin with older verdicts.",
		}),
		changed: make(chan struct{}, 1),
	}
	r.MustRegister(k.failures)
	return k
}

// Notice makes Run save the state soon. It never blocks.
func (k *keeper) Notice([]publish.Event) {
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// Run saves until ctx ends, and then once more.
func (k *keeper) Run(ctx context.Context) error {
	next := time.NewTimer(saveEvery)
	defer next.Stop()
	soon := false // next is set for a change
	for {
		select {
		case <-ctx.Done():
			k.save()
			return nil
		case <-k.changed:
			if !soon { // a stream of changes must not delay the save for ever
				next.Reset(saveAfter)
				soon = true
			}
		case <-next.C:
			soon = false
			k.save()
			next.Reset(saveEvery)
		}
	}
}

// save logs once when saving begins to fail, and once when it works again. Answers do not depend on
// it.
func (k *keeper) save() {
	if k.dir == "" {
		return
	}
	defer whenLate(lookLate, func() {
		k.failures.Inc()
		late := errors.New("the file system does not respond")
		k.failing.Store(&late)
		k.logger.Error("saving the state takes long, as a file system that does not respond may make it: a restart will begin with older verdicts", "state_dir", k.dir)
	})()
	err := k.store.Save(k.draft())
	switch {
	case err != nil:
		k.failures.Inc()
		if k.failing.Swap(&err) == nil {
			k.logger.Error("the state is not saved: a restart will begin with older verdicts", "state_dir", k.dir, "error", err)
		}
	case k.failing.Swap(nil) != nil:
		k.logger.Info("the state is saved again", "state_dir", k.dir)
	}
}

// Err is why the state is not saved; nil: it is.
func (k *keeper) Err() error {
	if err := k.failing.Load(); err != nil {
		return *err
	}
	return nil
}

// How long a start waits for the state of the last run to be read, and for another process that is
// about to end to leave the directory.
const (
	stateWait  = 5 * time.Second
	eventsWait = time.Second
	lockWait   = time.Second
	askAgainIn = 50 * time.Millisecond
)

// openState reserves the state directory for this process, and reads the state of the last run. The
// only error is that another process uses the directory: without a state a start is just slower.
func openState(dir string, logger *slog.Logger) (*state.Store, state.State, error) {
	store := state.NewStore(dir)
	type result struct {
		kept          state.State
		loading, lock error
	}
	r, inTime := within(stateWait, func() (r result) {
		r.lock = holdSoon(store)
		r.kept, r.loading = store.Load()
		return r
	}, nil)
	if !inTime {
		logger.Error("starting without the state of the run before: the directory does not respond", "state_dir", dir)
		return store, state.State{}, nil
	}
	switch {
	case errors.Is(r.lock, state.ErrHeld):
		return store, state.State{}, fmt.Errorf("server.state_dir: %w", r.lock)
	case r.lock != nil:
		logger.Warn("the state directory cannot be locked: make sure that no other gslb uses it", "state_dir", dir, "error", r.lock)
	}
	if r.loading != nil {
		logger.Error("starting without the state of the run before, or a part of it", "error", r.loading)
	}
	return store, r.kept, nil
}

// lastEvents is the last events of the runs before, so that their IDs and the lists of events go on over
// a restart. Without them the IDs of this run follow the clock, which is as good unless it was set back.
func lastEvents(dir string, logger *slog.Logger) []journal.Event {
	type result struct {
		events []journal.Event
		err    error
	}
	r, inTime := within(eventsWait, func() (r result) {
		r.events, r.err = journal.Tail(dir, eventsRecalled)
		return r
	}, nil)
	switch {
	case !inTime:
		logger.Warn("the events of the runs before can't be read: the directory does not respond", "state_dir", dir)
	case r.err != nil:
		logger.Warn("the events of the runs before can't be read", "error", r.err)
	}
	return r.events
}

// lastHistory is what the runs before have left of the past of pools.
func lastHistory(dir string, logger *slog.Logger) history.Past {
	type result struct {
		past history.Past
		err  error
	}
	r, inTime := within(eventsWait, func() (r result) {
		r.past, r.err = history.Read(dir)
		return r
	}, nil)
	switch {
	case !inTime:
		logger.Warn("the past of the pools can't be read: the directory does not respond", "state_dir", dir)
	case r.err != nil:
		logger.Warn("the past of the pools begins anew", "error", r.err)
	}
	return r.past
}

// eventsRecalled is how many events of the runs before are shown.
const eventsRecalled = 1000

// holdSoon takes the directory as soon as another process leaves it.
func holdSoon(store *state.Store) error {
	for until := time.Now().Add(lockWait); ; time.Sleep(askAgainIn) {
		if err := store.Hold(); !errors.Is(err, state.ErrHeld) || time.Now().After(until) {
			return err
		}
	}
}
