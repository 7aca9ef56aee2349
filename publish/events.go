package publish

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"gslb/answer"
	"gslb/health"
	"gslb/override"
	"gslb/replication"
	"gslb/steer"
	"gslb/zones"
)

// Event is a change that is served already. One of Override, Copy, Hold, Target, Expiry, Pool, Answer and
// Config is set.
type Event struct {
	At       time.Time
	Override *override.Change    // a person's word was taken in, or has ended
	Copy     *replication.Change // what is known of the data behind pools changed
	Hold     *HoldChange         // a rule begins to hold something, or ends
	Target   *health.Transition  // a target changed its status
	Expiry   *Expiry             // the certificate of a target must be renewed, or has been
	Pool     *PoolChange         // a pool changed its status
	Answer   *AnswerChange       // the answer of some names changed
	Config   *zones.Set          // a configuration was taken into use
	Census   *Census             // with Config: what is believed of its targets at that time
}

// Census is what is believed of the targets of a configuration.
type Census struct {
	Up            int
	Down, Unknown []health.TargetID // in the order of the configuration
}

func newCensus(table *answer.Table, snapshot *health.Snapshot) *Census {
	c := new(Census)
	for id := range targetsOf(table) {
		switch snapshot.State(id).Status {
		case health.Up:
			c.Up++
		case health.Down:
			c.Down = append(c.Down, id)
		default:
			c.Unknown = append(c.Unknown, id)
		}
	}
	return c
}

// targetsOf yields the targets of a table, each once: those that are configured, then those of the
// addresses of aliases.
func targetsOf(table *answer.Table) iter.Seq[health.TargetID] {
	return func(yield func(health.TargetID) bool) {
		seen := make(map[health.TargetID]bool, len(table.Set().Targets))
		first := func(id health.TargetID) bool {
			again := seen[id]
			seen[id] = true
			return again || yield(id)
		}
		for i := range table.Set().Targets {
			if !first(table.Set().Targets[i].ID) {
				return
			}
		}
		for _, pool := range table.Pools() {
			if pool.Pool.Alias == "" {
				continue
			}
			for _, member := range pool.Members {
				for _, id := range pool.Pool.IDs(member.Address) {
					if !first(id) {
						return
					}
				}
			}
		}
	}
}

// HoldChange is a rule that begins to hold statuses or answers against what the probes say, or that
// ends.
type HoldChange struct {
	Rule         string
	Over         bool              // it ends
	Since, Until time.Time         // Until is when it ends at the latest; zero: when what it depends on does
	Targets      []health.TargetID // whose statuses are held
	Pools        []string          // that are answered, or not, by the rule
	Why          string            // one line
}

// PoolChange is a change of a pool's status.
type PoolChange struct {
	From   health.Status
	Lasted time.Duration // how long From had lasted; 0: not known
	To     steer.PoolState
}

// events lists the differences between two tables, causes first, without those of overrides and holds;
// changed says where to look. The old table is nil at the first publication.
func events(old, table *answer.Table, snapshot *health.Snapshot, changed steer.Changed, transitions []health.Transition) []Event {
	at := table.Published()
	var list []Event
	if old == nil || old.Set() != table.Set() {
		list = append(list, Event{At: at, Config: table.Set(), Census: newCensus(table, snapshot)})
	}
	for i := range transitions {
		list = append(list, Event{At: at, Target: &transitions[i]})
	}
	list = append(list, poolChanges(old, table, changed.Pools)...)
	for _, change := range answerChanges(old, table, changed) {
		change.Failed = change.firstFailed(table, snapshot)
		list = append(list, Event{At: at, Answer: change})
	}
	return list
}

// everything marks the whole of a table as changed.
func everything(table *answer.Table) steer.Changed {
	var all steer.Changed
	for i := range table.Pools() {
		all.Pools = append(all.Pools, i)
	}
	for i := range table.Decisions() {
		all.Decisions = append(all.Decisions, i)
	}
	for _, a := range table.Apart() {
		all.Apart = append(all.Apart, a.Name)
	}
	return all
}

func poolChanges(old, table *answer.Table, changed []int) []Event {
	before := previousState(old, table)
	list := make([]Event, 0, len(changed))
	for _, i := range changed {
		from, state := before(i), table.Pools()[i]
		if from.Status == state.Status {
			continue
		}
		change := &PoolChange{From: from.Status, To: *state}
		if !from.Since.IsZero() {
			change.Lasted = max(0, state.Since.Sub(from.Since))
		}
		list = append(list, Event{At: table.Published(), Pool: change})
	}
	return list
}

// previousState returns a function that finds the state of a pool in the old table, by the pool's
// place in the new one.
func previousState(old, table *answer.Table) func(int) *steer.PoolState {
	switch {
	case old == nil:
		return func(int) *steer.PoolState { return new(steer.PoolState) }
	case old.Set() == table.Set():
		return func(i int) *steer.PoolState { return old.Pools()[i] }
	}
	was := make(map[string]*steer.PoolState, len(old.Pools()))
	for _, state := range old.Pools() {
		was[state.Pool.Name] = state
	}
	return func(i int) *steer.PoolState {
		if state := was[table.Pools()[i].Pool.Name]; state != nil {
			return state
		}
		return new(steer.PoolState)
	}
}

// Expiry says that a target shows a certificate that a person must renew soon, or shows such a one no more.
type Expiry struct {
	Target health.TargetID
	Until  time.Time // when the certificate ends; zero: it has been renewed
}

// expiries lists what has changed about certificates between two snapshots. The old one is nil at first.
func expiries(old, snapshot *health.Snapshot) []Event {
	ids := snapshot.ChangedSince(old)
	slices.Sort(ids)
	var list []Event
	for _, id := range ids {
		was, now := old.State(id), snapshot.State(id)
		if !was.Expiring.Equal(now.Expiring) && now != (health.State{}) {
			list = append(list, Event{At: snapshot.At, Expiry: &Expiry{Target: id, Until: now.Expiring}})
		}
	}
	return list
}

// untold are changes of targets that have not been reported yet. New targets of a reload, or of an
// alias, are probed before they are used, and their changes wait here until then.
type untold []health.Transition

func (u *untold) add(list []health.Transition) { *u = append(*u, list...) }

// of takes the changes of the targets that are known to steering, in the order in which they came. Those of
// other targets stay, joined into one for each target, unless the configuration is new: then they
// are dropped.
func (u *untold) of(isKnown func(health.TargetID) bool, isNew bool) []health.Transition {
	var told, strangers []health.Transition
	places := make(map[health.TargetID]int)
	for _, t := range *u {
		at, again := places[t.Target.ID]
		switch {
		case isKnown(t.Target.ID):
			told = append(told, t)
		case isNew:
		case again:
			t.From, t.Lasted = strangers[at].From, strangers[at].Lasted
			strangers[at] = t
		default:
			places[t.Target.ID] = len(strangers)
			strangers = append(strangers, t)
		}
	}
	*u = strangers
	return told
}

// feed hands events from the publisher to their listeners, so that no listener, however
// slow, holds up a publication.
type feed struct {
	listeners []func([]Event)

	mu      sync.Mutex
	waiting []Event
	dropped int
	ready   chan struct{} // capacity 1: there is something waiting
}

// maxWaiting bounds the events that wait for a listener that hangs, apart from those of the last
// publication. The oldest are dropped first.
const maxWaiting = 10_000

func newFeed(listeners []func([]Event)) *feed {
	return &feed{listeners: listeners, ready: make(chan struct{}, 1)}
}

// put never blocks.
func (f *feed) put(events []Event) {
	if len(events) == 0 {
		return
	}
	f.mu.Lock()
	// A publication is dropped as a whole or not at all: its first events are the causes of the
	// others.
	if over := min(len(f.waiting)+len(events)-maxWaiting, len(f.waiting)); over > 0 {
		f.waiting = append([]Event(nil), f.waiting[over:]...)
		f.dropped += over
	}
	f.waiting = append(f.waiting, events...)
	f.mu.Unlock()
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

func (f *feed) take() (events []Event, dropped int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	events, dropped = f.waiting, f.dropped
	f.waiting, f.dropped = nil, 0
	return events, dropped
}

// run delivers events until ctx ends, and then those that still wait. It calls lost with the number
// of events that were dropped.
func (f *feed) run(ctx context.Context, lost func(int)) {
	for {
		select {
		case <-f.ready:
			f.deliver(lost)
		case <-ctx.Done():
			f.deliver(lost)
			return
		}
	}
}

func (f *feed) deliver(lost func(int)) {
	events, dropped := f.take()
	if dropped > 0 {
		lost(dropped)
	}
	if len(events) == 0 {
		return
	}
	for _, listen := range f.listeners {
		listen(events)
	}
}
