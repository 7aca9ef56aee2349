package publish

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/alias"
	"gslb/answer"
	"gslb/health"
	"gslb/override"
	"gslb/replication"
	"gslb/safety"
	"gslb/steer"
	"gslb/zones"
)

// Health is the source of snapshots: a [health.Monitor].
type Health interface {
	// Changed receives when Take has something new.
	Changed() <-chan struct{}
	Take() (*health.Snapshot, []health.Transition)
}

// Hosts is the source of the addresses of aliases: an [alias.Watcher], or a Follower of package
// alias/follow, which has new addresses probed first.
type Hosts interface {
	// Changed receives when Take has something new.
	Changed() <-chan struct{}
	Take() *alias.Addresses
}

// noHosts is for a program without aliases.
type noHosts struct{}

func (noHosts) Changed() <-chan struct{} { return nil }
func (noHosts) Take() *alias.Addresses   { return nil }

// Words is the source of what people say: an override.Book.
type Words interface {
	// Changed receives when Take has something new.
	Changed() <-chan struct{}
	// Take returns what is in force, and what has changed since the last Take.
	Take() (*override.Words, []override.Change)
}

// noWords is for a program that no person can speak to.
type noWords struct{}

func (noWords) Changed() <-chan struct{}                   { return nil }
func (noWords) Take() (*override.Words, []override.Change) { return nil, nil }

// Copies is the source of what is known of the data behind pools: a replication.Book.
type Copies interface {
	// Changed receives when Take has something new.
	Changed() <-chan struct{}
	// Take returns what is known of all copies, and what has changed since the last Take.
	Take() (*replication.View, []replication.Change)
}

// noCopies is for a program that knows of no replicated table.
type noCopies struct{}

func (noCopies) Changed() <-chan struct{}                        { return nil }
func (noCopies) Take() (*replication.View, []replication.Change) { return nil, nil }

// Options is what a publisher needs.
type Options struct {
	Health     Health
	Hosts      Hosts        // nil: there are no aliases
	Words      Words        // nil: nobody says anything
	Copies     Copies       // nil: there are none
	Memory     steer.Memory // of an earlier run
	Safety     safety.Memory
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Listeners are called in order, by one goroutine, with changes that are served already.
	Listeners []func([]Event)
}

// Publisher keeps the table that is served. Its Run is the only goroutine that decides and stores;
// all others may read at any time.
type Publisher struct {
	health  Health
	hosts   Hosts
	words   Words
	copies  Copies
	logger  *slog.Logger
	metrics *metrics
	feed    *feed
	configs chan config
	asked   chan request

	restored steer.Memory // of an earlier run
	outcome  atomic.Pointer[steer.Outcome]
	memories atomic.Uint64 // how often Memory became another
	table    atomic.Pointer[answer.Table]
	doubt    atomic.Pointer[safety.Doubt]
	safety   atomic.Pointer[safety.Memory]

	// Of the goroutine of Run:
	untold untold               // the changes of targets that nobody was told of yet
	unsaid []override.Change    // the same of people's words
	copied []replication.Change // the same of copies
	holds  holds
	rules  *ruling
	doubts *doubter
	told   *answer.Table    // that was told of last; nil: none was
	seen   *health.Snapshot // whose certificates were told of last; nil: none
}

// config is a configuration on its way to the publishing goroutine.
type config struct {
	set   *zones.Set
	index *answer.Index
	done  chan<- error // receives when it is served, or can't be

	targets   map[health.TargetID]bool // that the set has
	beginning bool                     // the first verdicts are still to come
}

// request is what the publishing goroutine is to do; it returns when to decide again.
type request struct {
	what func(*config) (revisit time.Time)
	done chan<- struct{} // closed when it is done
}

// New makes a publisher that serves nothing until Use.
func New(o Options) *Publisher {
	if o.Hosts == nil {
		o.Hosts = noHosts{}
	}
	if o.Words == nil {
		o.Words = noWords{}
	}
	if o.Copies == nil {
		o.Copies = noCopies{}
	}
	p := &Publisher{
		health:   o.Health,
		hosts:    o.Hosts,
		words:    o.Words,
		copies:   o.Copies,
		logger:   o.Logger,
		metrics:  newMetrics(o.Registerer),
		feed:     newFeed(o.Listeners),
		configs:  make(chan config),
		asked:    make(chan request),
		restored: o.Memory,
		doubts:   newDoubter(o.Safety, o.Registerer),
		rules:    newRuling(o.Registerer),
	}
	p.doubt.Store(new(safety.Doubt))
	p.safety.Store(&o.Safety)
	return p
}

// Table is what is served now; nil before the first Use. It is safe for concurrent use.
func (p *Publisher) Table() *answer.Table { return p.table.Load() }

// Outcome is what the table that is served was made of; nil before the first Use. It is safe for
// concurrent use.
func (p *Publisher) Outcome() *steer.Outcome { return p.outcome.Load() }

// Words is what people have said, as far as it is served. It is safe for concurrent use.
func (p *Publisher) Words() *override.Words {
	if outcome := p.outcome.Load(); outcome != nil {
		return outcome.Words()
	}
	return nil
}

// Settle returns when everything is served that the sources had before the call: verdicts, addresses
// and words. It needs Run to be running, and fails when ctx ends first.
func (p *Publisher) Settle(ctx context.Context) error {
	return p.do(ctx, func(c *config) time.Time { return p.publish(c) })
}

// Alive returns when the publishing goroutine has taken note of the call, so that it does not hang. It fails when
// ctx ends first.
func (p *Publisher) Alive(ctx context.Context) error {
	return p.do(ctx, func(*config) time.Time { return time.Time{} })
}

// do has something done by the publishing goroutine, with the configuration that is served, unless
// there is none yet. It is done at once, and returns when to decide again.
func (p *Publisher) do(ctx context.Context, what func(*config) (revisit time.Time)) error {
	done := make(chan struct{})
	select {
	case p.asked <- request{what, done}:
	case <-ctx.Done():
		return ctx.Err()
	}
	<-done
	return nil
}

// Memory is what the next decision will remember, to be kept over a restart. It is made
// when asked for, so that no publication waits for it, and safe for concurrent use.
func (p *Publisher) Memory() steer.Memory {
	if outcome := p.outcome.Load(); outcome != nil {
		return outcome.Memory()
	}
	return p.restored
}

// Doubt says by which rule statuses are held that the probes speak against; the zero value: by none. It
// is safe for concurrent use.
func (p *Publisher) Doubt() safety.Doubt { return *p.doubt.Load() }

// Safety is what must be remembered of that, as Memory is. The caller must not change it.
func (p *Publisher) Safety() safety.Memory { return *p.safety.Load() }

// MemoryRevision changes whenever Memory or Safety does. A caller that reads it before Memory never takes an
// old memory for a new one. It is safe for concurrent use.
func (p *Publisher) MemoryRevision() uint64 { return p.memories.Load() }

// Use begins to serve a configuration, and returns once it is served. It needs Run to be running.
// It fails when ctx ends first, or if a fault of the program makes it panic; then the old
// configuration stays. The static part of the table is made by the caller's goroutine, so that
// changes of health are published meanwhile.
func (p *Publisher) Use(ctx context.Context, set *zones.Set) error {
	return p.hand(ctx, config{set: set})
}

// Begin is Use at a start, before the first verdicts. Everything that does not depend on a verdict
// is answered from now on, and so is every name whose decision is possible already; the others are
// pending ([steer.Pending]). No event is sent. Use must follow with the same configuration when the
// first verdicts are there, and sends all events.
func (p *Publisher) Begin(ctx context.Context, set *zones.Set) error {
	return p.hand(ctx, config{set: set, beginning: true})
}

// hand gives a configuration to the publishing goroutine.
func (p *Publisher) hand(ctx context.Context, next config) error {
	if table := p.table.Load(); table == nil || table.Set() != next.set {
		next.index = answer.NewIndex(next.set)
	}
	next.targets = make(map[health.TargetID]bool, len(next.set.Targets))
	for i := range next.set.Targets {
		next.targets[next.set.Targets[i].ID] = true
	}
	done := make(chan error, 1)
	next.done = done
	select {
	case p.configs <- next:
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-done
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
	var current config
	for {
		select {
		case <-ctx.Done():
			return nil
		case next := <-p.configs:
			at, err := p.begin(&next)
			if err == nil {
				current = next
			}
			p.revisit(revisit, at)
			next.done <- err
			continue
		case r := <-p.asked:
			if current.set != nil {
				p.revisit(revisit, r.what(&current))
			}
			close(r.done)
			continue
		case <-p.health.Changed():
		case <-p.hosts.Changed():
		case <-p.words.Changed():
		case <-p.copies.Changed():
		case <-revisit.C:
		}
		if current.set != nil {
			p.revisit(revisit, p.publish(&current))
		}
	}
}

// revisit sets the timer to fire at a time; the zero time means never.
func (p *Publisher) revisit(timer *time.Timer, at time.Time) {
	if !at.IsZero() {
		timer.Reset(max(0, time.Until(at)))
	}
}

// begin is publish for a new configuration. A panic becomes an error, and the old configuration
// stays.
func (p *Publisher) begin(c *config) (revisit time.Time, err error) {
	defer func() {
		if value := recover(); value != nil {
			p.logger.Error("a configuration was not taken because of a fault in this program: please report it", "panic", value, "stack", string(debug.Stack()))
			revisit, err = time.Now(), fmt.Errorf("publish: a fault of this program, which the log has more about: %v", value)
		}
	}()
	return p.publish(c), nil
}

// publish decides, compiles, stores the table, and then sends the events. It returns when to decide
// again. Clients of some routes, by Route.Index, return to preferred pools.
func (p *Publisher) publish(c *config, failback ...int) (revisit time.Time) {
	hosts := p.hosts.Take() // before the snapshot, which has the verdicts on their addresses then
	snapshot, transitions := p.health.Take()
	p.untold.add(transitions)
	seen := snapshot
	words, changes := p.words.Take()
	p.unsaid = append(p.unsaid, changes...)
	copies, copied := p.copies.Take()
	p.copied = append(p.copied, copied...)
	now := time.Now()
	judgement := p.doubts.judge(c.set, hosts, snapshot, now)
	snapshot = judgement.Snapshot
	old := p.table.Load()
	outcome, table := p.decide(c, old, steer.Input{Snapshot: snapshot, Hosts: hosts, Words: words, Copies: copies, Now: now, Failback: failback})
	before := p.outcome.Swap(outcome)
	table = table.PublishedAt(time.Now())
	p.table.Store(table)
	p.doubt.Store(&judgement.Doubt)
	revisit = earlier(outcome.Revisit, judgement.Revisit)

	p.metrics.observe(now, time.Now())
	if p.doubts.guard.Changed() {
		memory := p.doubts.guard.Memory()
		p.safety.Store(&memory)
		p.memories.Add(1)
	}
	if !outcome.SameMemory(before) {
		p.memories.Add(1)
	}
	if c.beginning {
		return revisit
	}
	changed := outcome.Changed
	if p.told == nil { // no event was sent for the table before
		changed = everything(table)
	}
	isKnown := func(id health.TargetID) bool { return c.targets[id] || outcome.Judges(id) }
	news := make([]Event, 0, len(p.unsaid)+len(p.copied))
	for i := range p.unsaid {
		news = append(news, Event{At: p.unsaid[i].At, Override: &p.unsaid[i]})
	}
	for i := range p.copied {
		news = append(news, Event{At: p.copied[i].At, Copy: &p.copied[i]})
	}
	p.unsaid, p.copied = nil, nil
	news = append(news, events(p.told, table, snapshot, changed, p.untold.of(isKnown, p.told == nil || p.told.Set() != c.set))...)
	news = append(news, expiries(p.seen, seen)...)
	p.seen = seen
	news = append(news, p.doubts.changes(judgement.Doubt, table.Published())...)
	p.feed.put(append(news, p.holds.changes(table, changed)...))
	p.rules.observe(p.told, table, changed)
	p.told = table
	return revisit
}

// earlier is the first of two times; the zero time means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// decide decides and compiles: what has changed, if the configuration is that of the old
// table, otherwise everything.
func (p *Publisher) decide(c *config, old *answer.Table, in steer.Input) (*steer.Outcome, *answer.Table) {
	if old != nil && old.Set() == c.set {
		outcome := p.outcome.Load().Next(in)
		return outcome, old.With(outcome)
	}
	outcome := steer.Step(c.set, in, p.Memory())
	return outcome, c.index.Compile(outcome)
}

// metrics count the publications of a table.
type metrics struct {
	last     prometheus.Gauge
	duration prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gslb_table_published_timestamp_seconds",
			Help: "When the table that is served was published, as Unix time.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "gslb_table_publish_duration_seconds",
			Help:    "How long it took from a change being noticed to its being served; its count is the number of publications.",
			Buckets: prometheus.ExponentialBuckets(50e-6, 4, 8),
		}),
	}
	r.MustRegister(m.last, m.duration)
	return m
}

func (m *metrics) observe(began, published time.Time) {
	m.last.Set(float64(published.UnixNano()) / 1e9)
	m.duration.Observe(published.Sub(began).Seconds())
}
