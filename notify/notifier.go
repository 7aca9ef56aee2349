package notify

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/incident"
	"gslb/internal/shout"
	"gslb/zones"
)

const (
	sendWait  = 20 * time.Second // for one message to be taken
	endGrace  = 2 * time.Second  // for one that is under way when the program ends
	lookEvery = time.Minute      // at all incidents, so that a change that was lost is not lost for good

	// A target is said to fail when nothing was taken for so long, by several tries.
	failingAfter = 30 * time.Second
	failingTries = 3
)

// Options is what a Notifier needs.
type Options struct {
	Settings zones.Notify
	// Incidents are those that last, and perhaps those that have ended lately. It may be called at any time.
	Incidents  func() []incident.Incident
	Dir        string       // where the spool is; empty: a restart may say something twice, or not at all
	Hold       func() error // makes sure that no other process uses Dir; nil: it is so
	Host       string       // the name of this machine
	Logger     *slog.Logger
	Registerer prometheus.Registerer

	transport http.RoundTripper // of webhooks and Alertmanagers; nil: the network
}

// Notifier tells the targets of incidents. It is safe for concurrent use.
type Notifier struct {
	options Options
	spool   *spool
	changed chan struct{} // there are other workers
	dirty   chan struct{} // the spool is to be written

	mu       sync.Mutex
	settings zones.Notify
	workers  map[string]*worker // by the name of the target
	recalled bool               // the spool was read; until then changes are kept in early
	early    []incident.Change
}

// mostEarly is how many changes are kept until the spool was read. Others are found when everything is looked at.
const mostEarly = 1000

// worker tells one target. The queue is guarded by the mutex of the Notifier.
type worker struct {
	target zones.NotifyTarget
	queue  *queue
	sender sender
	wake   chan struct{}
	before *worker // with another configuration of the target, which must have ended first; may be nil

	begun bool
	stop  context.CancelFunc // nil: it has not begun
	ended chan struct{}
	said  bool // the log has that the target fails
}

// New makes a Notifier, and registers its metrics. Nobody is told anything before Run. The only error is of the
// configuration.
func New(o Options) (*Notifier, error) {
	n := &Notifier{
		options: o, changed: make(chan struct{}, 1), dirty: make(chan struct{}, 1), workers: make(map[string]*worker),
		spool: newSpool(o.Dir, o.Hold),
	}
	if err := n.Use(o.Settings); err != nil {
		return nil, err
	}
	o.Registerer.MustRegister(collector{n})
	return n, nil
}

// Use takes another configuration. What a target was told, and is still to be told, stays with its name.
func (n *Notifier) Use(settings zones.Notify) error {
	made := make(map[string]*worker, len(settings.Targets))
	var errs []error
	for _, t := range settings.Targets {
		s, err := newSender(t, n.source, n.options.transport)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		made[t.Name] = &worker{target: t, sender: s, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settings = settings
	for name, w := range made {
		old := n.workers[name]
		switch {
		case old == nil:
			w.queue = newQueue(w.target, w.sender.one())
		case reflect.DeepEqual(old.target, w.target):
			made[name] = old
		default:
			w.queue, w.before, w.said = old.queue, old, old.said
			w.queue.use(w.target, w.sender.one())
		}
	}
	for name, old := range n.workers {
		if made[name] != old && old.stop != nil {
			old.stop()
		}
	}
	n.workers = made
	signal(n.changed)
	return nil
}

// source is what messages say of this server.
func (n *Notifier) source() source {
	n.mu.Lock()
	defer n.mu.Unlock()
	return source{n.options.Host, n.settings.Page, n.settings.Runbook}
}

// Notice takes what has become of incidents. It never waits for a target or for a disk.
func (n *Notifier) Notice(changes []incident.Change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.recalled {
		n.early = append(n.early, changes[:min(len(changes), mostEarly-len(n.early))]...)
		return
	}
	n.notice(changes)
}

// notice is Notice for who holds the lock.
func (n *Notifier) notice(changes []incident.Change) {
	now := time.Now()
	for _, w := range n.workers {
		for _, c := range changes {
			w.queue.notice(c.Incident, now)
		}
		signal(w.wake)
	}
	signal(n.dirty)
}

// look compares the queues with the incidents as they are.
func (n *Notifier) look() {
	all := n.options.Incidents()
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for _, w := range n.workers {
		w.queue.look(all, now)
		signal(w.wake)
	}
	signal(n.dirty)
}

// signal makes a channel ready, if it is not.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run tells the targets until ctx ends.
func (n *Notifier) Run(ctx context.Context) error {
	if !n.recall(ctx) {
		return nil
	}
	n.look()
	var running sync.WaitGroup
	defer func() {
		running.Wait()
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, w := range n.workers { // Run may be called again
			w.begun, w.before, w.ended = false, nil, make(chan struct{})
		}
	}()
	running.Go(func() { n.keep(ctx) })
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		n.mu.Lock()
		for _, w := range n.workers {
			if !w.begun {
				w.begun = true
				var life context.Context
				life, w.stop = context.WithCancel(ctx)
				running.Go(func() { n.tell(life, w) })
			}
		}
		n.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-n.changed:
			n.look() // a target that is new is told what is open
		case <-ticker.C:
			n.look()
		}
	}
}

// tell sends what a queue has until ctx ends.
func (n *Notifier) tell(ctx context.Context, w *worker) {
	defer close(w.ended)
	for b := w.before; b != nil; b = b.before {
		if b.begun {
			<-b.ended
			break // those before it have ended too
		}
	}
	w.before = nil
	for ctx.Err() == nil {
		n.mu.Lock()
		now := time.Now()
		items, at := w.queue.next(now)
		n.mu.Unlock()
		if len(items) == 0 {
			wait(ctx, w.wake, now, at)
			continue
		}
		err := n.send(ctx, w.sender, items)
		n.mu.Lock()
		now = time.Now()
		if err == nil {
			w.queue.taken(items, now)
		} else {
			refusal := new(shout.Refusal)
			w.queue.missed(items, errors.As(err, &refusal), err, now)
		}
		n.log(w, items, err)
		n.mu.Unlock()
		signal(n.dirty)
	}
}

// wait returns when something has changed, or at a time, if it is not zero.
func wait(ctx context.Context, wake <-chan struct{}, now, at time.Time) {
	var due <-chan time.Time
	if !at.IsZero() {
		timer := time.NewTimer(at.Sub(now))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-wake:
	case <-due:
	}
}

// send brings a message to a target. One that is under way when ctx ends has a moment to arrive, since it
// would be said again after a restart.
func (n *Notifier) send(ctx context.Context, s sender, items []item) error {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendWait)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(endGrace, cancel) })()
	return s.send(bounded, items)
}

// log says what was sent, and when a target begins and ceases to fail.
func (n *Notifier) log(w *worker, items []item, err error) {
	logger := n.options.Logger.With("target", w.target.Name, "kind", w.sender.kind())
	switch {
	case err == nil:
		if w.said {
			w.said = false
			logger.Info("notifications arrive again")
		}
		if items[0].what != lasts {
			logger.Info("a notification was sent", "about", headline(&items[0].incident), "what", string(items[0].what), "incidents", len(items))
		}
	case !w.said:
		w.said = true
		logger.Warn("a notification was not taken: it is tried again until it is", "reason", err, "about", headline(&items[0].incident), "waiting", w.queue.pending())
	}
}

// Report is how a target is doing.
type Report struct {
	Name string
	Kind string // "slack", "webhook"
	// Failing is since when no message was taken, although some were sent; zero: the last one was.
	Failing time.Time
	Tries   int    // since then
	Why     string // the last try failed
	Waiting int    // incidents that something is to be said of
	Sent    int    // messages that were taken since the start
	Failed  int    // tries that failed since the start
	Dropped int    // incidents that were forgotten unsaid, since too much waited, or for too long
	Last    time.Time
}

// Broken reports whether the target fails for so long that a person should know.
func (r *Report) Broken(now time.Time) bool {
	return r.Tries >= failingTries && now.Sub(r.Failing) >= failingAfter
}

// failingFor is since how many seconds the target fails.
func (r *Report) failingFor() float64 {
	if r.Failing.IsZero() {
		return 0
	}
	return time.Since(r.Failing).Seconds()
}

// Reports is all targets, by name.
func (n *Notifier) Reports() []Report {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []Report
	for _, t := range n.settings.Targets {
		w := n.workers[t.Name]
		q := w.queue
		r := Report{Name: t.Name, Kind: w.sender.kind(), Failing: q.failing, Tries: q.failed, Waiting: q.pending(), Sent: q.sent, Failed: q.misses, Dropped: q.dropped, Last: q.last}
		if q.why != nil {
			r.Why = q.why.Error()
		}
		list = append(list, r)
	}
	return list
}

// Tried is what became of a test of a target.
type Tried struct {
	Name, Kind string
	Err        error // nil: the message was taken
}

// Test sends a message that is about nothing to the target with this name; empty: to all of them. Of none
// there is no result.
func (n *Notifier) Test(ctx context.Context, name string) []Tried {
	n.mu.Lock()
	var names []string
	var senders []sender
	for _, t := range n.settings.Targets {
		if name == "" || t.Name == name {
			names, senders = append(names, t.Name), append(senders, n.workers[t.Name].sender)
		}
	}
	n.mu.Unlock()
	return try(ctx, names, senders)
}

// Test is [Notifier.Test] without a server. The only error is of the configuration.
func Test(ctx context.Context, settings zones.Notify, name, host string) ([]Tried, error) {
	n, err := New(Options{Settings: settings, Host: host, Registerer: prometheus.NewRegistry()})
	if err != nil {
		return nil, err
	}
	return n.Test(ctx, name), nil
}

// try sends a test by each sender.
func try(ctx context.Context, names []string, senders []sender) []Tried {
	ctx, cancel := context.WithTimeout(ctx, sendWait)
	defer cancel()
	results := make([]Tried, len(senders))
	var sending sync.WaitGroup
	for i, s := range senders {
		sending.Go(func() {
			results[i] = Tried{names[i], s.kind(), s.send(ctx, []item{trial(time.Now())})}
		})
	}
	sending.Wait()
	return results
}

// trialKind is no kind of incident, and has no section in the runbook.
const trialKind incident.Kind = "test"

// trial is what a test says.
func trial(now time.Time) item {
	now = now.Truncate(time.Second)
	return item{what: test, incident: incident.Incident{
		ID: "test/" + now.UTC().Format("20060102T150405"), Kind: trialKind, Since: now,
		Summary: "This is a test: a person has asked gslb to send it. Nothing is wrong.",
		Do:      "nothing; close it, if this service keeps it open",
	}}
}
