package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gslb/history"
	"gslb/incident"
	"gslb/internal/files"
	"gslb/journal"
	"gslb/state"
	"gslb/zones"
	"gslb/zones/config"
)

// inheritance is what a program begins with: its configuration, and what the run before has left.
type inheritance struct {
	set       *zones.Set
	databases *config.Databases
	store     *state.Store
	kept      state.State
	now       time.Time // of kept
}

// inherit loads the configuration and the state, and reserves the directory of the state for this
// process.
func inherit(path string, logger *slog.Logger) (in inheritance, err error) {
	var held error // by another process
	in.databases = new(config.Databases)
	in.set, err = config.Load(files.Absolute(path), config.LoadOptions{
		Now:       time.Now(),
		Databases: in.databases,
		Serving:   true,
		Serials: func(stateDir string) map[string]zones.Serial {
			in.store, in.kept, held = openState(files.Absolute(stateDir), logger)
			return in.kept.Serials
		},
	})
	if err != nil {
		err = config.NotValid(path, err)
	} else {
		err = held
	}
	if err != nil && in.store != nil {
		in.store.Release()
	}
	in.now = time.Now() // after the end of the run before, which may have been waited for
	return in, err
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

// holdSoon takes the directory as soon as another process leaves it.
func holdSoon(store *state.Store) error {
	for until := time.Now().Add(lockWait); ; time.Sleep(askAgainIn) {
		if err := store.Hold(); !errors.Is(err, state.ErrHeld) || time.Now().After(until) {
			return err
		}
	}
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

// eventsRecalled is how many events of the runs before are shown.
const eventsRecalled = 1000

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

// lastIncidents is the incidents of the run before, so that those that last are not told of anew.
func lastIncidents(dir string, logger *slog.Logger) incident.Kept {
	if dir == "" {
		return incident.Kept{}
	}
	type result struct {
		kept incident.Kept
		err  error
	}
	r, inTime := within(eventsWait, func() (r result) {
		r.kept, r.err = incident.Load(dir)
		return r
	}, nil)
	switch {
	case !inTime:
		logger.Warn("the incidents of the run before can't be read, and are announced again: the directory does not respond", "state_dir", dir)
	case r.err != nil:
		logger.Warn("the incidents of the run before can't be read, and are announced again", "error", r.err)
	}
	return r.kept
}
