package answer

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// Health is where the publisher learns of health: a [health.Monitor].
type Health interface {
	// Changed receives when Take has something new.
	Changed() <-chan struct{}
	Take() (*health.Snapshot, []health.Transition)
}

// PublisherOptions is what a publisher needs.
type PublisherOptions struct {
	Health     Health
	Memory     steer.Memory // of an earlier run
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Listeners are told, in order and by one goroutine, of what is served already.
	Listeners []func([]Event)
}

// Publisher keeps the table that is served. Its Run is the only goroutine that decides
// and stores; everybody else may read at any time.
type Publisher struct {
	health  Health
	logger  *slog.Logger
	metrics *metrics
	feed    *feed
	configs chan config

	table  atomic.Pointer[Table]
	memory atomic.Pointer[steer.Memory]
}

// config is a configuration on its way to the publishing goroutine.
type config struct {
	set  *zones.Set
	done chan<- struct{}
}

// NewPublisher makes a publisher that serves nothing until Use.
func NewPublisher(o PublisherOptions) *Publisher {
	p := &Publisher{
		health:  o.Health,
		logger:  o.Logger,
		metrics: newMetrics(o.Registerer),
		feed:    newFeed(o.Listeners),
		configs: make(chan config),
	}
	p.memory.Store(&o.Memory)
	return p
}

// Table is what is served now; nil before the first Use. It is safe for concurrent use.
func (p *Publisher) Table() *Table { return p.table.Load() }

// Memory is what the next decision will remember, to be kept over a restart. It is safe
// for concurrent use.
func (p *Publisher) Memory() steer.Memory { return *p.memory.Load() }

// Use puts a configuration to service, and returns once it is served. It needs Run to be
// running, and fails only when ctx ends before.
func (p *Publisher) Use(ctx context.Context, set *zones.Set) error {
	done := make(chan struct{})
	select {
	case p.configs <- config{set, done}:
	case <-ctx.Done():
		return ctx.Err()
	}
	<-done
	return nil
}

// Run publishes a new table whenever health or the configuration changes, or a waiting
// time runs out, until ctx ends.
func (p *Publisher) Run(ctx context.Context) error {
	feeding := make(chan struct{})
	go func() {
		defer close(feeding)
		p.feed.run(ctx, func(n int) {
			p.logger.Error("events were lost: a listener does not keep up", "lost", n)
		})
	}()
	defer func() { <-feeding }()

	revisit := time.NewTimer(0)
	defer revisit.Stop()
	var set *zones.Set
	for {
		var next config
		select {
		case <-ctx.Done():
			return nil
		case next = <-p.configs:
			set = next.set
		case <-p.health.Changed():
		case <-revisit.C:
		}
		if set == nil {
			continue
		}
		if at := p.publish(set); !at.IsZero() {
			revisit.Reset(max(0, time.Until(at)))
		}
		if next.done != nil {
			close(next.done)
		}
	}
}

// publish decides, compiles and stores, and then tells. It returns when the decisions may
// change by time alone.
func (p *Publisher) publish(set *zones.Set) (revisit time.Time) {
	snapshot, transitions := p.health.Take()
	now := time.Now()
	outcome := steer.Step(set, snapshot, p.Memory(), now)

	old := p.table.Load()
	var table *Table
	if old != nil && old.set == set {
		table = old.With(outcome.Pools, outcome.Decisions)
	} else {
		table = Compile(set, outcome.Pools, outcome.Decisions)
	}
	table.published = time.Now()
	p.memory.Store(&outcome.Memory)
	p.table.Store(table)

	p.metrics.observe(now, time.Now())
	p.feed.put(events(old, table, transitions))
	return outcome.Revisit
}
