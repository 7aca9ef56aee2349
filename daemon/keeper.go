package daemon

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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

// draftState is what is saved for the next run.
func (p *program) draftState() state.Draft {
	set, now := p.config.Current(), time.Now()
	return state.Draft{
		Revision: state.Revision{Memory: p.publisher.MemoryRevision(), Copies: p.copies.Revision(), Config: set.Hash, Clock: state.Clock(p.begun, now)},
		Targets:  p.monitor.Records(),
		Hosts:    p.hosts.Records(),
		Decided: func() state.Decided {
			return state.Decided{Memory: p.publisher.Memory(), Safety: p.publisher.Safety(), Copies: p.copies.Memory(), Serials: serials(set)}.Kept(now)
		},
	}
}
