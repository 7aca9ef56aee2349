package alias

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	// atOnce bounds the look-ups under way, and so the sockets. Further ones wait for their turn.
	atOnce = 32

	// retriesAtOnce bounds those of names whose last look-up failed. The next one may take its whole
	// time again, and names that are answered would wait for their turn behind hundreds of these.
	retriesAtOnce = atOnce / 2

	// warnAgain is how often a look-up that keeps failing is logged.
	warnAgain = 5 * time.Minute
)

// Options is what a Watcher needs of its surroundings.
type Options struct {
	Names      []string              // fully qualified, lower case
	Known      []Record              // of an earlier run
	Resolvers  []netip.AddrPort      // asked in this order; empty: those of this host
	Logger     *slog.Logger          // nil: nothing is logged
	Registerer prometheus.Registerer // nil: no metrics; no two watchers can share one
}

// Watcher looks up names in the background and keeps what is known of them. All methods are safe for
// concurrent use.
type Watcher struct {
	log       *slog.Logger
	metrics   *metrics
	resolvers *resolvers
	slots     chan struct{}
	retries   chan struct{}

	wake    chan struct{} // to Run: there are questions that nobody asks yet
	changed chan struct{}

	mu        sync.Mutex // held briefly: never over a look-up or a log line
	started   bool       // Run was called
	entries   map[string]*entry
	unasked   []question // that have no goroutine yet
	dirty     bool       // addresses is out of date
	addresses *Addresses // what the last Take returned
}

// entry is what is known of a name. It is guarded by Watcher.mu.
type entry struct {
	name     string
	families [2]*family // IPv4, IPv6
	restored bool       // it began with addresses of an earlier run
	settled  bool       // its first look-ups are not waited for any longer
	shown    Host       // what Take returns
	first    chan struct{}

	ctx  context.Context // ends when the name is forgotten
	stop context.CancelFunc
}

// family is one family of a name.
type family struct {
	belief
	qtype  uint16
	again  chan struct{} // to its goroutine: ask now
	warned time.Time     // when it was last logged that its look-ups fail
}

// String returns the type of its records.
func (f *family) String() string { return dns.TypeToString[f.qtype] }

// wereAsked reports whether each family was looked up in this run.
func (e *entry) wereAsked() bool {
	return !e.families[0].asked.IsZero() && !e.families[1].asked.IsZero()
}

// question is what a goroutine asks for as long as its name is there.
type question struct {
	entry  *entry
	family *family
}

// New makes a watcher and registers its metrics, which panics if the Registerer has another
// watcher's already. Nothing is looked up until Run.
func New(o Options) *Watcher {
	w := &Watcher{
		log:       o.Logger,
		metrics:   newMetrics(),
		resolvers: newResolvers(o.Resolvers),
		slots:     make(chan struct{}, atOnce),
		retries:   make(chan struct{}, retriesAtOnce),
		wake:      make(chan struct{}, 1),
		changed:   make(chan struct{}, 1),
		entries:   map[string]*entry{},
		addresses: NewAddresses(nil),
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	if o.Registerer != nil {
		w.metrics.register(o.Registerer, w)
	}
	known := make(map[string]Record, len(o.Known))
	for _, r := range o.Known {
		known[r.Name] = r
	}
	w.add(o.Names, known)
	return w
}

// Run looks up names until ctx ends. It can be called once.
func (w *Watcher) Run(ctx context.Context) error {
	w.mu.Lock()
	again := w.started
	w.started = true
	w.mu.Unlock()
	if again {
		return errors.New("alias watcher: Run was called twice")
	}
	var asking sync.WaitGroup
	defer asking.Wait()
	for {
		for _, q := range w.fresh() {
			asking.Go(func() { w.follow(ctx, q) })
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// fresh is the questions that nobody asks yet.
func (w *Watcher) fresh() []question {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.unasked
	w.unasked = nil
	return list
}

// follow asks a question, each time it is due, until ctx ends or the name is forgotten.
func (w *Watcher) follow(ctx context.Context, q question) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(q.entry.ctx, cancel)()
	due := time.NewTimer(0)
	defer due.Stop()
	again := false // the last look-up failed
	for {
		select {
		case <-due.C:
		case <-q.family.again:
		case <-ctx.Done():
			return
		}
		if !w.enter(ctx, again) {
			return
		}
		s := w.lookUp(ctx, q)
		w.leave(again)
		if ctx.Err() != nil {
			return // the look-up was cut short
		}
		due.Reset(time.Until(w.learn(q, s)))
		again = s.kind == failed
	}
}

// enter waits until a look-up may begin. It reports false if ctx ends before. Then leave must not be
// called.
func (w *Watcher) enter(ctx context.Context, again bool) bool {
	if again {
		select {
		case w.retries <- struct{}{}:
		case <-ctx.Done():
			return false
		}
	}
	select {
	case w.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		if again {
			<-w.retries
		}
		return false
	}
}

// leave ends a look-up.
func (w *Watcher) leave(again bool) {
	<-w.slots
	if again {
		<-w.retries
	}
}

// lookUp is one look-up. A panic is one that failed.
func (w *Watcher) lookUp(ctx context.Context, q question) (s said) {
	defer func() {
		if value := recover(); value != nil {
			w.log.Error("looking up an alias failed because of a fault in this program: please report it",
				"alias", q.entry.name, "type", q.family, "panic", value, "stack", string(debug.Stack()))
			s = failure("panic", "a fault of this program: %v", value)
		}
	}()
	return w.resolvers.lookUp(ctx, q.entry.name, q.family.qtype)
}

// learn takes in what a look-up said, and returns when the next one begins.
func (w *Watcher) learn(q question, s said) (next time.Time) {
	e, f, now := q.entry, q.family, time.Now()
	w.mu.Lock()
	if w.entries[e.name] == e { // otherwise it was forgotten just now
		w.metrics.lookups.WithLabelValues(e.name, f.String(), s.reason).Inc()
	}
	before := f.belief
	f.belief = before.after(s, now, rand.Float64())
	after := f.belief
	if before.asked.IsZero() && e.wereAsked() {
		close(e.first)
	}
	w.show(e)
	warn := s.kind == failed && (before.failures == 0 || before.last.reason != s.reason || now.Sub(f.warned) >= warnAgain)
	if warn {
		f.warned = now
	}
	w.mu.Unlock()

	w.tell(w.log.With("alias", e.name, "type", f.String()), before, after, warn)
	return after.next
}

// tell logs what a look-up has changed.
func (w *Watcher) tell(log *slog.Logger, before, after belief, warn bool) {
	s := after.last
	if before.failures > 0 && s.kind != failed {
		log.Info("an alias is looked up again", "failed", before.failures, "said", s.detail)
	}
	switch {
	case !slices.Equal(before.addresses, after.addresses) && len(after.addresses) > 0:
		log.Info("an alias has other addresses", "addresses", after.addresses, "before", before.addresses, "said", s.detail)
	case len(before.addresses) > len(after.addresses):
		log.Error("an alias has no addresses any more", "before", before.addresses, "said", s.detail, "times", after.denied)
	case s.kind == nothing && len(after.addresses) > 0:
		log.Warn("an alias is said to have no addresses: those that it had are kept until that is said again",
			"said", s.detail, "times", after.denied, "of", believed)
	case warn && len(after.addresses) > 0:
		log.Warn("an alias cannot be looked up: the addresses that it had are kept", "error", s.detail,
			"addresses", after.addresses, "age", after.asked.Sub(after.confirmed).Round(time.Second))
	case warn && after.gone(): // as those of the family that a host does not have
		log.Info("an alias cannot be looked up; it had no addresses of this type", "error", s.detail)
	case warn:
		log.Warn("an alias cannot be looked up, and no addresses of it are known", "error", s.detail)
	}
}

// Add makes the watcher look up names, beside those that it has.
func (w *Watcher) Add(names []string) { w.add(names, nil) }

func (w *Watcher) add(names []string, known map[string]Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range names {
		if w.entries[name] != nil {
			continue
		}
		e := &entry{name: name, first: make(chan struct{})}
		e.ctx, e.stop = context.WithCancel(context.Background())
		for i, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
			e.families[i] = &family{qtype: qtype, again: make(chan struct{}, 1)}
			w.unasked = append(w.unasked, question{e, e.families[i]})
		}
		e.restore(known[name], time.Now())
		w.entries[name] = e
		w.show(e)
	}
	signal(w.wake)
}

// Retain forgets all names but these.
func (w *Watcher) Retain(names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, e := range w.entries {
		if !slices.Contains(names, name) {
			e.stop()
			delete(w.entries, name)
			w.metrics.lookups.DeletePartialMatch(prometheus.Labels{"alias": name})
			w.dirty = true
			signal(w.changed)
		}
	}
}

// Ask makes other resolvers be asked: those of this host, if there are none. If they are others than
// before, every name is looked up at once.
func (w *Watcher) Ask(resolvers []netip.AddrPort) {
	if !w.resolvers.use(resolvers) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.entries {
		for _, f := range e.families {
			signal(f.again)
		}
	}
}

// Wait returns once each of the names was looked up in this run, or when ctx ends, with those that
// were not. A name that the watcher does not have is not waited for.
func (w *Watcher) Wait(ctx context.Context, names []string) (missing []string) {
	for _, name := range names {
		w.mu.Lock()
		e := w.entries[name]
		w.mu.Unlock()
		if e == nil {
			continue
		}
		select {
		case <-e.first:
			continue
		case <-e.ctx.Done(): // forgotten
		case <-ctx.Done():
		}
		missing = append(missing, name)
	}
	return missing
}

// Settle ends the waiting for the first look-ups of the names that there are: from now on what is
// known of them counts as it is.
func (w *Watcher) Settle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.entries {
		e.settled = true
		w.show(e)
	}
}

// Changed receives when something that steering looks at has changed since the last Take. Its
// capacity is one, so that several changes are received as one.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Take returns what is known. As long as nothing changes, it returns the same.
func (w *Watcher) Take() *Addresses {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.changed: // what is returned includes what it announced
	default:
	}
	if w.dirty {
		hosts := make(map[string]Host, len(w.entries))
		for name, e := range w.entries {
			hosts[name] = e.shown
		}
		w.addresses, w.dirty = NewAddresses(hosts), false
	}
	return w.addresses
}

// show notes what is known of a name, if that has changed.
func (w *Watcher) show(e *entry) {
	if h := e.host(); !h.Equal(e.shown) {
		e.shown = h
		w.dirty = true
		signal(w.changed)
	}
}

// Records is what the next run needs to know, by name.
func (w *Watcher) Records() []Record {
	var records []Record
	w.each(func(e *entry) {
		if r, ok := e.record(); ok {
			records = append(records, r)
		}
	})
	return records
}

// Reports is what is known of every name, by name.
func (w *Watcher) Reports() []Report {
	var reports []Report
	w.each(func(e *entry) { reports = append(reports, e.report()) })
	return reports
}

func (w *Watcher) each(do func(*entry)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(w.entries)) {
		do(w.entries[name])
	}
}

// signal sends without waiting: what is waiting there already says the same.
func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// LookUp finds the addresses of host names once, for those who have no Watcher, or must leave it alone. What is not
// found before ctx ends is not known.
func LookUp(ctx context.Context, hosts []string, resolvers []netip.AddrPort) map[string]Host {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	defer func() {
		cancel()
		<-ended
	}()
	w := New(Options{Names: hosts, Resolvers: resolvers})
	go func() {
		defer close(ended)
		_ = w.Run(ctx)
	}()
	w.Wait(ctx, hosts)
	w.Settle() // what was not found in time is not known
	addresses, found := w.Take(), make(map[string]Host, len(hosts))
	for _, host := range hosts {
		found[host] = addresses.Of(host)
	}
	return found
}
