package history

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/health"
	"gslb/publish"
	"gslb/steer"
	"gslb/zones"
)

// Options is what a Book needs.
type Options struct {
	Dir  string       // where its file is, with what Read has read; empty: nothing is kept
	Hold func() error // says whether this process may write there; nil: it may
	Past Past         // of the runs before

	Pools      func() []*steer.PoolState // that are served now
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Book keeps the past of each pool of the configuration that is served. It is safe for concurrent use.
type Book struct {
	file   *file
	pools  func() []*steer.PoolState
	logger *slog.Logger

	origin   time.Time // of the line of time
	failures prometheus.Counter
	soon     chan struct{} // capacity 1: a status has changed

	// places has whose probes those of a target are. It is replaced, never changed.
	places atomic.Pointer[map[health.TargetID][]*latency]

	mu    sync.Mutex
	set   *zones.Set
	order []string // the pools of the configuration
	pasts map[string]*entry
}

// entry is all that is kept of a pool.
type entry struct {
	past
	*latency
}

// New makes a book that goes on from what the runs before have left. Its pools come with the first events.
func New(o Options) *Book {
	now := time.Now()
	b := &Book{
		file: newFile(o.Dir, o.Hold), pools: o.Pools, logger: o.Logger,
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gslb_history_save_failures_total",
			Help: "How often the past of the pools could not be saved to state_dir; after a restart, a part of it will be missing.",
		}),
		soon: make(chan struct{}, 1),
	}
	b.origin, b.pasts = o.Past.restore(now)
	b.places.Store(&map[health.TargetID][]*latency{})
	o.Registerer.MustRegister(b.failures, collector{b})
	return b
}

// place is that of a time on the line of time, in whole milliseconds.
func (b *Book) place(at time.Time) time.Duration {
	return max(begin, at.Sub(b.origin)).Truncate(time.Millisecond)
}

// Notice takes what was published: the pools of a configuration, and what they have become.
func (b *Book) Notice(events []publish.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	placed, turned := false, false
	for i := range events {
		e := &events[i]
		switch {
		case e.Config != nil:
			b.configure(e.Config, b.place(e.At))
			placed = true
		case e.Pool != nil:
			if past := b.pasts[e.Pool.To.Pool.Name]; past != nil {
				past.become(e.Pool.To.Status, b.place(e.At))
				turned = true
			}
		}
	}
	if placed {
		b.assign()
	}
	if turned {
		select {
		case b.soon <- struct{}{}:
		default:
		}
	}
}

// configure begins the past of pools that were not known, and notes which there are no more.
func (b *Book) configure(set *zones.Set, at time.Duration) {
	b.set, b.order = set, make([]string, len(set.Pools))
	has := make(map[string]bool, len(set.Pools))
	for i, pool := range set.Pools {
		b.order[i], has[pool.Name] = pool.Name, true
		switch known := b.pasts[pool.Name]; {
		case known == nil:
			b.pasts[pool.Name] = &entry{*newPast(at), newLatency()}
		case known.gone:
			known.goOn(at)
			known.gone = false
		}
	}
	for name, e := range b.pasts {
		if !has[name] && !e.gone {
			e.become(health.Unknown, at)
			e.gone = true
		}
	}
	b.forget(at)
}

// mostGone is how many pools are remembered that the configuration has no more.
const mostGone = 1000

// forget forgets pools that have been gone for so long that nothing of them is known, or that are too many.
func (b *Book) forget(at time.Duration) {
	left := 0
	for name, e := range b.pasts {
		switch {
		case !e.gone:
		case left == mostGone, at-e.at >= KeptDays*dayTime:
			delete(b.pasts, name)
		default:
			left++
		}
	}
}

// assign notes whose probes those of each target are.
func (b *Book) assign() {
	operands := make(map[health.TargetID][]health.TargetID)
	for i := range b.set.Targets {
		if c, is := b.set.Targets[i].Spec.(*health.Calculated); is {
			operands[b.set.Targets[i].ID] = c.Of
		}
	}
	places := make(map[health.TargetID][]*latency, len(b.set.Targets))
	var add func(l *latency, ids []health.TargetID)
	add = func(l *latency, ids []health.TargetID) {
		for _, id := range ids {
			if list := places[id]; len(list) == 0 || list[len(list)-1] != l {
				places[id] = append(list, l)
			}
			add(l, operands[id])
		}
	}
	for _, p := range b.pools() {
		e := b.pasts[p.Pool.Name]
		if e == nil {
			continue // of a configuration that is about to be told
		}
		add(e.latency, p.Pool.Targets)
		for i := range p.Members {
			if p.Pool.Alias != "" {
				add(e.latency, p.Pool.IDs(p.Members[i].Address))
			} else {
				add(e.latency, p.Members[i].Targets)
			}
		}
	}
	b.places.Store(&places)
}

// reassign is assign for addresses of aliases, which change without an event.
func (b *Book) reassign() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.set != nil && len(b.set.Aliases()) > 0 {
		b.assign()
	}
}

// Probed takes the verdict of a probe: see [health.MonitorOptions]. It allocates nothing,
// but for a time that none of its pool's minute took.
func (b *Book) Probed(t *health.Target, v health.Verdict, started, ended time.Time) {
	of := (*b.places.Load())[t.ID]
	if len(of) == 0 {
		return
	}
	at := b.place(ended)
	for _, l := range of {
		l.count(v, ended.Sub(started), !t.IsPassive(), at)
	}
}

// Reports is the past of each pool of the configuration, in its order. The caller must not change it.
func (b *Book) Reports() []Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	at := b.place(now)
	reports := make([]Report, len(b.order))
	for i, name := range b.order {
		e := b.pasts[name]
		e.goOn(at)
		r := Report{
			Pool: name, Strip: e.strip(now),
			Day: e.downtime(e.slots, Slots, SlotTime), Month: e.downtime(e.days, KeptDays, dayTime),
		}
		e.report(&r, at)
		reports[i] = r
	}
	return reports
}
