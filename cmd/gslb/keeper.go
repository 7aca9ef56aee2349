package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/publish"
	"gslb/state"
)

// keeper saves the state: soon after a change, now and then so that the verdicts stay
// fresh, and at the end. What a save has to write is the store's affair.
type keeper struct {
	dir      string
	store    *state.Store
	draft    func() state.Draft
	logger   *slog.Logger
	failures prometheus.Counter
	changed  chan struct{}
	failing  bool
}

const (
	saveEvery = 10 * time.Second
	saveAfter = time.Second // a change, together with those that come with it
)

func newKeeper(dir string, draft func() state.Draft, l *slog.Logger, r prometheus.Registerer) *keeper {
	k := &keeper{
		dir: dir, store: state.NewStore(dir), draft: draft, logger: l,
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gslb_state_save_failures_total",
			Help: "How often the state could not be saved to state_dir; a restart would begin with older verdicts.",
		}),
		changed: make(chan struct{}, 1),
	}
	r.MustRegister(k.failures)
	return k
}

// Notice has the state saved soon. It never blocks.
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
			if !soon { // changes without end must not put it off without end
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

// save is loud once when it begins to fail, and once when it works again. The answers do
// not depend on it.
func (k *keeper) save() {
	if k.dir == "" {
		return
	}
	err := k.store.Save(k.draft())
	switch {
	case err != nil:
		k.failures.Inc()
		if !k.failing {
			k.logger.Error("the state is not saved: a restart will begin with older verdicts", "state_dir", k.dir, "error", err)
		}
	case k.failing:
		k.logger.Info("the state is saved again", "state_dir", k.dir)
	}
	k.failing = err != nil
}
