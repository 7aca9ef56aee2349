package incident

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/publish"
)

// The bounds of a Book.
const (
	mostOpen  = 1000 // incidents that last, and as many again that are critical; others do not begin
	mostEnded = 200  // that are kept
	keptFor   = 24 * time.Hour
)

// When a Book looks.
const (
	lookEvery = 5 * time.Second
	lookAgain = 250 * time.Millisecond // at the earliest, after a change
)

// Hold is how long nothing may be found of an incident until it has ended, so that what flickers is one. It
// doubles each time when a pool goes down again.
const (
	hold     = 30 * time.Second
	mostHold = 10 * time.Minute
)

// Options is what a Book needs.
type Options struct {
	Look func() Look // called by the goroutine of Run
	Kept Kept        // of the run before
	// Dir is where incidents.json is; empty: incidents end with the process.
	Dir string
	// Held makes sure that no other process uses Dir. It is called before each write; nil: it is so.
	Held       func() error
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Listeners are called in order, by one goroutine, and must not block.
	Listeners []func([]Change)
}

// Book keeps the incidents that last, and those that ended in the last day, also over a restart.
type Book struct {
	options Options
	prompt  chan struct{} // capacity 1: look soon
	saver   *saver
	began   *prometheus.CounterVec

	mu     sync.Mutex
	shifts map[string]shift // by Route.Key
	shown  []Incident       // what List returns; it is not changed
	told   []Incident       // what Announced returns; likewise

	// Of the goroutine of Run:
	open    map[string]*entry // by key
	ended   []Incident        // the latest first
	set     any               // the *zones.Set whose routes shifts has
	looked  time.Time         // last; zero: never
	resumed time.Time         // see Look.Resumed
}

// entry is an incident that lasts, or has been missing for less than its hold.
type entry struct {
	Incident
	Key  string    `json:"key"`
	Gone time.Time `json:"gone,omitzero"` // since when nothing is found of it; zero: something is
	Over string    `json:"over"`          // what is said at its end
	Down bool      `json:"down"`          // its pool was at the last look
	Told string    `json:"told"`          // what listeners know of it
	Was  string    `json:"was"`           // the text that its end repeats: of a pool, the one when it was down
	// WasSummary is the summary that goes with it.
	WasSummary string `json:"was_summary,omitempty"`
}

// hold is how long nothing may be found of it.
func (e *entry) hold() time.Duration {
	return min(hold<<min(max(e.Turns-1, 0), 10), mostHold)
}

// NewBook makes a book that goes on from what the run before has kept.
func NewBook(o Options) *Book {
	b := &Book{
		options: o, prompt: make(chan struct{}, 1), saver: newSaver(o),
		shifts: make(map[string]shift), open: make(map[string]*entry), ended: o.Kept.Ended,
		began: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gslb_incidents_total",
			Help: "Incidents that have begun, by what they were about at first.",
		}, []string{"kind"}),
	}
	for i := range o.Kept.Open {
		e := &o.Kept.Open[i]
		b.open[e.Key] = e
	}
	for _, kind := range Kinds {
		b.began.WithLabelValues(string(kind))
	}
	b.show()
	o.Registerer.MustRegister(b.began, &collector{b})
	return b
}

// Notice takes what was published: it notes whose clients were moved, and makes Run look soon. It never
// blocks.
func (b *Book) Notice(events []publish.Event) {
	b.mu.Lock()
	for i := range events {
		if change := events[i].Answer; change != nil {
			b.note(events[i].At, change)
		}
	}
	b.mu.Unlock()
	b.Prompt()
}

// note notes a move of clients. The caller holds mu.
func (b *Book) note(at time.Time, c *publish.AnswerChange) {
	difference := c.Difference()
	switch difference {
	case publish.OtherAddresses, publish.OtherWeights:
		return // the clients stay with their pools
	}
	for _, r := range c.Routes {
		moved := shift{from: c.From.PoolName(), at: at, gone: at.Add(c.Cached())}
		switch {
		case c.From.Route == nil:
			delete(b.shifts, r.Key)
		case difference != publish.OtherMode:
			b.shifts[r.Key] = moved
		case !b.shifts[r.Key].gone.After(at): // nobody moves, and those of before have done so
			moved.gone = time.Time{}
			b.shifts[r.Key] = moved
		}
	}
}

// Prompt makes Run look soon.
func (b *Book) Prompt() {
	select {
	case b.prompt <- struct{}{}:
	default:
	}
}

// List is the incidents that last, the critical first and of these the youngest, and after them those that
// ended in the last day, the last first. The caller must not change it.
func (b *Book) List() []Incident {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shown
}

// Announced is the same as listeners know it: what is missing for less than its hold has not ended there. The
// caller must not change it.
func (b *Book) Announced() []Incident {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.told
}

// Run looks until ctx ends.
func (b *Book) Run(ctx context.Context) error {
	saving := make(chan struct{})
	go func() {
		defer close(saving)
		b.saver.run(ctx)
	}()
	defer func() { <-saving }()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.prompt:
		case <-next.C:
		}
		b.look()
		select { // what comes in a moment is seen with the next look
		case <-ctx.Done():
			return nil
		case <-time.After(lookAgain):
		}
		next.Reset(lookEvery)
	}
}

// look looks once, and tells what has changed.
func (b *Book) look() {
	l := b.options.Look()
	if l.Table == nil {
		return
	}
	l.Resumed = b.noticePause(l.Now)
	b.mu.Lock()
	if set := l.Table.Set(); b.set != any(set) { // routes that are no more need no memory
		b.set = set
		kept := make(map[string]shift)
		for _, r := range set.Routes {
			if s, is := b.shifts[r.Key]; is {
				kept[r.Key] = s
			}
		}
		b.shifts = kept
	}
	shifts := maps.Clone(b.shifts)
	b.mu.Unlock()
	found := judge(&l, shifts)
	changes := b.compare(&l, found)
	b.show()
	b.saver.put(b.kept())
	if len(changes) == 0 {
		return
	}
	for i := range changes {
		if changes[i].What == Began {
			b.began.WithLabelValues(string(changes[i].Incident.Kind)).Inc()
		}
	}
	for _, listen := range b.options.Listeners {
		listen(changes)
	}
}

// excuseAgain is how long after a pause another one excuses nothing.
const excuseAgain = time.Minute

// noticePause is when this process went on after a pause, in which it did not look when it should: it was
// stopped, or its host was. Where that happens often, the host is overloaded, and that excuses nothing.
func (b *Book) noticePause(now time.Time) time.Time {
	late := !b.looked.IsZero() && now.Sub(b.looked) > lookAgain+lookEvery+staleMargin
	if late && now.Sub(b.resumed).Abs() >= excuseAgain {
		b.resumed = now
	}
	b.looked = now
	return b.resumed
}

// compare takes in what is found, and lists what has changed:
//
//	the incident      │ is found               │ then
//	──────────────────┼────────────────────────┼────────────────────────────────────────────
//	is not known      │ beside one that says   │ nothing
//	                  │ it too                 │
//	is not known      │ and may be due to a    │ nothing
//	                  │ pause of this process  │
//	is not known      │ otherwise              │ it begins
//	lasts, or is gone │ beside one that says   │ it lasts, whatever differs
//	                  │ it too                 │
//	lasts, or is gone │ and differs in what a  │ it has changed
//	                  │ person should know     │
//	lasts             │ as it was told of      │ it lasts
//	is gone           │ as it was told of      │ it has resumed
//	lasts             │ not                    │ it is gone: paused, and shown as one that has ended
//	is gone           │ not, for its hold      │ it has ended
func (b *Book) compare(l *Look, found []finding) []Change {
	var changes []Change
	keys := make(map[string]bool, len(found))
	for i := range found {
		keys[found[i].key] = true
	}
	for i := range found {
		f := &found[i]
		e := b.open[f.key]
		what := Changed
		switch {
		case e != nil:
		case b.isFull(f.critical), f.isWithin(keys), f.early:
			continue
		default:
			e, what = b.begin(l, f), Began
		}
		gone := !e.Gone.IsZero()
		e.take(l, f)
		if told := f.signature(); told != e.Told && !f.isWithin(keys) {
			e.Told = told
			changes = append(changes, Change{what, e.Incident})
		} else if gone {
			changes = append(changes, Change{Resumed, e.Incident})
		}
	}
	for key, e := range b.open {
		switch {
		case keys[key]:
		case e.Gone.IsZero() || e.Gone.After(l.Now): // the clock was set back
			e.Gone, e.Until, e.Down, e.Outcome = l.Now, l.Now, false, e.Over
			if pool, is := strings.CutPrefix(key, "pool/"); is {
				switch state := l.pool(pool); {
				case state == nil:
					e.Outcome = pool + " is not in the configuration any more"
				case state.Drain != nil: // but its names are pinned, or have other pools by now
					e.Outcome = pool + " is still drained, and nothing is answered otherwise for it"
				}
			}
			e.Text, e.Summary = ended(e.Outcome, e.Was, e.Since, e.Until), e.WasSummary
			changes = append(changes, Change{Paused, e.paused()})
		case l.Now.Sub(e.Gone) >= e.hold():
			delete(b.open, key)
			b.ended = append(b.ended, e.Incident)
			changes = append(changes, Change{Ended, e.Incident})
		}
	}
	slices.SortStableFunc(changes, func(x, y Change) int { // those that ended come in no order
		return cmp.Or(cmp.Compare(b2i(x.What == Ended), b2i(y.What == Ended)), b2i(x.What == Ended)*x.Incident.Since.Compare(y.Incident.Since))
	})
	slices.SortStableFunc(b.ended, func(x, y Incident) int { return y.Until.Compare(x.Until) })
	b.ended = slices.DeleteFunc(b.ended, func(i Incident) bool { return l.Now.Sub(i.Until) > keptFor })
	b.ended = b.ended[:min(len(b.ended), mostEnded)]
	return changes
}

// isFull reports whether no other incident can begin. What is not critical leaves room for what is.
func (b *Book) isFull(critical bool) bool { return len(b.open) >= mostOpen<<b2i(critical) }

func b2i(is bool) int {
	if is {
		return 1
	}
	return 0
}

// begin makes the incident of a finding.
func (b *Book) begin(l *Look, f *finding) *entry {
	since := f.since
	if since.IsZero() || since.After(l.Now) {
		since = l.Now
	}
	class, _, _ := strings.Cut(f.key, "/")
	e := &entry{Key: f.key, Incident: Incident{Subject: f.subject, Since: since.UTC()}}
	for at := since.Unix(); e.ID == "" || b.has(e.ID); at++ {
		e.ID = fmt.Sprintf("%s/%s/%d", class, f.subject, at)
	}
	b.open[f.key] = e
	return e
}

// has reports whether an incident has an ID already.
func (b *Book) has(id string) bool {
	for _, e := range b.open {
		if e.ID == id {
			return true
		}
	}
	return slices.ContainsFunc(b.ended, func(i Incident) bool { return i.ID == id })
}

// take brings an incident up to date with what is found of it.
func (e *entry) take(l *Look, f *finding) {
	if f.down && !e.Down {
		e.Turns++
	}
	e.Down, e.Gone, e.Until, e.Over, e.Outcome = f.down, time.Time{}, time.Time{}, f.over, ""
	e.Kind, e.Critical, e.Why, e.Do, e.Override = f.kind, f.critical, cmp.Or(cut(f.why, longestWhy), e.Why), f.do, f.override
	e.Moves, e.MovesTotal = f.moves.shown(e.Moves, e.Subject, e.Since), len(f.moves.list)
	switch moved := f.moves.moved(); {
	case len(f.moves.list) == 0:
		e.Moved = time.Time{}
	case moved.After(e.Since): // else it was before, and what the table says by now was not noticed yet
		e.Moved = moved.UTC()
	}
	e.Text = f.text(l, cmp.Or(f.since, e.Since), e.Moved)
	e.Summary = f.summary()
	if e.Turns > 1 {
		turns := fmt.Sprintf("; it went down %d times since %s UTC", e.Turns, l.clock(e.Since))
		e.Text, e.Summary = cut(e.Text+turns, longestText), cut(e.Summary+turns, longestText)
	}
	if f.down || e.Was == "" || !strings.HasPrefix(f.key, "pool/") {
		e.Was, e.WasSummary = e.Text, e.Summary
	}
}

// paused is an incident that is gone as listeners know it: it has not ended.
func (e *entry) paused() Incident {
	i := e.Incident
	i.Until, i.Text, i.Summary, i.Outcome, i.Paused = time.Time{}, e.Was, e.WasSummary, "", e.Gone
	return i
}

// signature is the same for findings between which nothing has changed that a person should know.
func (f *finding) signature() string {
	return fmt.Sprint(f.kind, " ", f.critical, f.moves.signature())
}

// isWithin reports whether another finding says it too.
func (f *finding) isWithin(keys map[string]bool) bool {
	return slices.ContainsFunc(f.within, func(key string) bool { return keys[key] })
}

// show makes the lists that others see.
func (b *Book) show() {
	var lasting, over, returning []Incident
	for _, e := range b.open {
		if e.Gone.IsZero() {
			lasting = append(lasting, e.Incident)
			continue
		}
		over = append(over, e.Incident)
		returning = append(returning, e.paused())
	}
	slices.SortFunc(lasting, func(x, y Incident) int {
		return cmp.Or(cmp.Compare(b2i(y.Critical), b2i(x.Critical)), y.Since.Compare(x.Since), cmp.Compare(x.ID, y.ID))
	})
	told := slices.Concat(lasting, returning, b.ended)
	over = append(over, b.ended...)
	slices.SortStableFunc(over, func(x, y Incident) int { return cmp.Or(y.Until.Compare(x.Until), cmp.Compare(x.ID, y.ID)) })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shown, b.told = append(lasting, over...), told
}

// collector makes the gauge of a Book.
type collector struct{ book *Book }

var descIncidents = prometheus.NewDesc("gslb_incidents", "Incidents that last, by what they are about.", []string{"kind"}, nil)

// Describe implements prometheus.Collector.
func (collector) Describe(ch chan<- *prometheus.Desc) { ch <- descIncidents }

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	counts := make(map[Kind]int)
	for _, i := range c.book.List() {
		if i.Until.IsZero() {
			counts[i.Kind]++
		}
	}
	for _, kind := range Kinds {
		ch <- prometheus.MustNewConstMetric(descIncidents, prometheus.GaugeValue, float64(counts[kind]), string(kind))
	}
}
