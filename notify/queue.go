package notify

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"gslb/incident"
	"gslb/internal/shout"
	"gslb/zones"
)

// What a target is told of an incident:
//
//	it was told      │ the incident is     │ it is told                    │ when
//	─────────────────┼─────────────────────┼───────────────────────────────┼──────────────────────────────
//	nothing          │ open                │ that it has begun             │ after group_wait
//	                 │ paused              │ nothing                       │
//	nothing          │ over                │ that it was, in one message   │ after group_wait
//	that it began    │ as it was told      │ nothing                       │
//	                 │ open for long       │ that it goes on               │ after repeat_after
//	                 │ another: its moves, │ what it is now                │ after group_wait, and not
//	                 │ its kind            │                               │ within a minute of the last, or
//	                 │                     │                               │ longer, if it flaps
//	                 │ critical by now     │ what it is now                │ after group_wait
//	                 │ over                │ that it is (resolved = true)  │ after group_wait
//
// In quiet time what is not critical waits for its end, and so does what is more than rate allows for an
// hour to pass. Whatever waits then goes into one message, where a target takes several incidents in one.

const (
	changeWait  = time.Minute // between two messages on one incident that is no worse; doubled with each turn
	mostDoubled = 5
	goneAfter   = 24 * time.Hour
	lateAfter   = 10 * time.Minute // an end no report of before comes
	mostKept    = 2500             // incidents, for each target: more than ever last
	mostAtOnce  = 50               // in one message

	firstRetry  = time.Second
	lastRetry   = 5 * time.Minute
	refusedMost = 5                // in a row, one at once after the other
	refusedWait = 10 * time.Second // between others: a new incident may be taken
)

// entry is an incident as a target has to do with it.
type entry struct {
	Incident incident.Incident `json:"incident"` // as it is now
	Told     bool              `json:"told,omitempty"`
	As       guise             `json:"as,omitzero"`        // it was told last
	Said     string            `json:"said,omitempty"`     // the digest of what was told last
	Pending  bool              `json:"pending,omitempty"`  // something is to be said
	Since    time.Time         `json:"since,omitzero"`     // from when on
	Worse    bool              `json:"worse,omitempty"`    // it became critical since the last message
	Critical bool              `json:"critical,omitempty"` // it has been, for this target
	Last     time.Time         `json:"last,omitzero"`      // message that was taken
	Refused  int               `json:"-"`                  // so often in a row
	After    time.Time         `json:"-"`                  // which it is not tried again before
}

// guise is what may become another while an incident lasts, and by which some targets tell incidents apart.
type guise struct {
	Kind     incident.Kind `json:"kind"`
	Critical bool          `json:"critical,omitempty"`
}

func guiseOf(i *incident.Incident) guise { return guise{i.Kind, i.Critical} }

// over reports whether the incident has ended.
func (e *entry) over() bool { return !e.Incident.Until.IsZero() }

// What a message says of an incident.
type what string

const (
	began   what = "began"
	changed what = "changed"
	lasts   what = "lasts"
	ended   what = "ended"
	was     what = "was" // it began and ended, and this is the first that is said of it
	test    what = "test"
)

// item is an incident in a message.
type item struct {
	what     what
	incident incident.Incident
	as       guise // in which it was told last; the zero value: it was not
}

// queue is what one target is to be told. It has no lock, and knows no clock.
type queue struct {
	target  zones.NotifyTarget
	one     bool // a message is about one incident
	entries map[string]*entry
	gone    map[string]time.Time // incidents that all was said of, so that a late report does not begin them anew
	limit   *rate.Limiter        // nil: there is none
	dropped int                  // since the start

	failing time.Time // since when nothing was taken; zero: the last was
	failed  int       // so often in a row
	after   time.Time // which nothing is tried before
	why     error
	sent    int // messages that were taken, since the start
	misses  int // tries that failed, since the start
	last    time.Time
}

func newQueue(t zones.NotifyTarget, one bool) *queue {
	q := &queue{entries: make(map[string]*entry), gone: make(map[string]time.Time)}
	q.use(t, one)
	return q
}

// use takes another configuration of the target.
func (q *queue) use(t zones.NotifyTarget, one bool) {
	if t.Rate != q.target.Rate || q.target.Name == "" {
		q.limit = nil
		if t.Rate > 0 {
			q.limit = rate.NewLimiter(rate.Limit(float64(t.Rate)/time.Hour.Seconds()), t.Rate)
		}
	}
	if t.URL != q.target.URL || t.Key != q.target.Key {
		q.after, q.failed = time.Time{}, 0 // it may have been mended
		for _, e := range q.entries {
			e.After, e.Refused = time.Time{}, 0
		}
	}
	q.target, q.one = t, one
	for id, e := range q.entries {
		if !e.Told && !q.wants(&e.Incident) {
			delete(q.entries, id)
		}
	}
}

// restore goes on from what the run before has left. If the target failed then, it does until something is taken.
func (q *queue) restore(entries map[string]*entry, failing, now time.Time) {
	q.entries = entries
	q.keepPast(now)
	if !failing.IsZero() && q.failing.IsZero() {
		q.failing, q.failed = earlier(failing, now), failingTries
	}
}

// keepPast keeps what has happened from lying in the future, so that a clock that was set back keeps nobody
// waiting. What this run has noted by a clock that no one sets stays as it is.
func (q *queue) keepPast(now time.Time) {
	for _, e := range q.entries {
		e.Since, e.Last = earlier(e.Since, now), earlier(e.Last, now)
	}
}

// wants reports whether the target is told of an incident that it was told nothing of yet.
func (q *queue) wants(i *incident.Incident) bool {
	if i.Kind == incident.Notifying && i.Subject == q.target.Name {
		return false // that it can't be reached
	}
	if q.target.CriticalOnly && !i.Critical {
		return false
	}
	return len(q.target.Kinds) == 0 || slices.Contains(q.target.Kinds, string(i.Kind))
}

// notice takes an incident as it is now.
func (q *queue) notice(i incident.Incident, now time.Time) {
	e := q.entries[i.ID]
	if e == nil {
		if _, done := q.gone[i.ID]; done || !i.Until.IsZero() || !q.wants(&i) {
			return
		}
		q.makeRoom()
		q.entries[i.ID] = &entry{Incident: i, Pending: true, Since: now, Critical: i.Critical}
		return
	}
	before := e.Incident
	if e.over() && i.Until.IsZero() {
		return // a report from before its end
	}
	if !e.Told && !i.Critical && e.Critical && q.target.CriticalOnly && i.Until.IsZero() && now.Before(e.Since.Add(q.target.GroupWait)) {
		delete(q.entries, i.ID) // it was critical for so short a time that nobody need be woken
		return
	}
	e.Incident = i
	if i.Critical && !e.Critical {
		e.Critical, e.Worse = true, true
	}
	switch {
	case e.over() && e.Told && !q.target.Resolved:
		q.forget(i.ID, now)
	case same(&before, &i):
	case e.Told && !e.Worse && digest(&i) == e.Said: // it is again as it was told
		e.Pending = false
	case !e.Pending:
		e.Pending, e.Since = true, now
	case e.Worse && !before.Critical: // it waits no longer than one that has just become so
		e.Since = now
	}
}

// same reports whether a person who was told of one incident knows the other.
func same(a, b *incident.Incident) bool { return digest(a) == digest(b) }

// digest is the same for an incident as long as nothing differs in it that a person should know.
func digest(i *incident.Incident) string {
	h := fnv.New64a()
	fmt.Fprint(h, guiseOf(i), i.Until.UnixNano(), i.MovesTotal)
	for _, m := range i.Moves {
		fmt.Fprintf(h, " %q %d %q", m.To, m.NamesTotal, m.Names)
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// look takes every incident that is open: those that the queue takes for open and that are not among them
// have ended unseen. Of one that goes on, what has changed is no news, unless it has become critical: what is, is
// reported.
func (q *queue) look(all []incident.Incident, now time.Time) {
	q.keepPast(now)
	known := make(map[string]bool, len(all))
	for _, i := range all {
		known[i.ID] = true
		switch e := q.entries[i.ID]; {
		case e == nil && !i.Until.IsZero():
		case e == nil, e.Pending, !i.Until.IsZero(), i.Critical && !e.Critical:
			q.notice(i, now)
		default:
			e.Incident = i
		}
	}
	for id, e := range q.entries {
		if !known[id] && !e.over() {
			i := e.Incident
			i.Until = now
			q.notice(i, now)
		}
	}
	for id, at := range q.gone {
		if now.Sub(at).Abs() > lateAfter {
			delete(q.gone, id)
		}
	}
	for id, e := range q.entries {
		if e.over() && now.Sub(e.Incident.Until) > goneAfter {
			q.drop(id)
		}
	}
}

// makeRoom drops what matters least when there is too much.
func (q *queue) makeRoom() {
	if len(q.entries) < mostKept {
		return
	}
	q.drop(slices.MinFunc(slices.Collect(maps.Keys(q.entries)), func(a, b string) int {
		x, y := q.entries[a], q.entries[b]
		return cmp.Or(-compareBool(x.over(), y.over()), compareBool(x.Critical, y.Critical), x.Since.Compare(y.Since), cmp.Compare(a, b))
	}))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func (q *queue) drop(id string) {
	if q.entries[id].Pending {
		q.dropped++
	}
	delete(q.entries, id)
}

func (q *queue) forget(id string, now time.Time) {
	delete(q.entries, id)
	q.gone[id] = now
}

// due is when something is to be said of an incident; zero: never, as it stands. What could not be said before a
// quiet time began waits for its end.
func (q *queue) due(e *entry, now time.Time) time.Time {
	var at time.Time
	switch {
	case !e.Told && !e.over() && !e.Incident.Paused.IsZero():
		return time.Time{} // what it would say is not so at present; its end, or that it goes on, comes by itself
	case e.Pending && e.Told && !e.over() && !e.Worse:
		// Of what flaps it is told ever more seldom.
		at = later(e.Since.Add(q.target.GroupWait), e.Last.Add(changeWait<<min(max(e.Incident.Turns-1, 0), mostDoubled)))
	case e.Pending:
		at = e.Since.Add(q.target.GroupWait)
	case e.Told && !e.over() && q.target.RepeatAfter > 0:
		at = e.Last.Add(q.target.RepeatAfter)
	default:
		return time.Time{}
	}
	at = later(at, e.After)
	if quiet := q.target.Quiet; quiet != nil && (!e.Critical || quiet.Critical) {
		at = later(at, quiet.Until(later(at, now).In(q.target.Location)))
	}
	return at
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// next is what is to be said now and, if that is nothing, when there may be something; zero: not before a
// change.
func (q *queue) next(now time.Time) ([]item, time.Time) {
	var first time.Time
	var ripe []*entry
	for _, e := range q.entries {
		at := q.due(e, now)
		switch {
		case at.IsZero():
		case !at.After(now):
			ripe = append(ripe, e)
		case first.IsZero() || at.Before(first):
			first = at
		}
	}
	if len(ripe) == 0 {
		return nil, first
	}
	if now.Before(q.after) {
		return nil, q.after
	}
	if q.limit != nil {
		if missing := 1 - q.limit.TokensAt(now); missing > 0 {
			return nil, now.Add(time.Duration(missing*float64(time.Hour)/float64(q.target.Rate)) + time.Millisecond)
		}
	}
	slices.SortFunc(ripe, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.Refused, b.Refused), -compareBool(a.Critical, b.Critical), -compareBool(a.Told, b.Told), a.Incident.Since.Compare(b.Incident.Since), cmp.Compare(a.Incident.ID, b.Incident.ID))
	})
	most := mostAtOnce
	if q.one || ripe[0].Refused > 0 { // perhaps it was refused because of another that went with it
		most = 1
	}
	var items []item
	for _, e := range ripe[:min(most, len(ripe))] {
		if e.Refused > 0 && len(items) > 0 {
			break
		}
		items = append(items, item{e.say(), e.Incident, e.As})
	}
	return items, time.Time{}
}

// say is what is said of an incident that something is to be said of.
func (e *entry) say() what {
	switch {
	case !e.Told && e.over():
		return was
	case !e.Told:
		return began
	case e.over():
		return ended
	case e.Pending:
		return changed
	}
	return lasts
}

// taken notes that a message has arrived.
func (q *queue) taken(items []item, now time.Time) {
	if q.limit != nil {
		q.limit.AllowN(now, 1)
	}
	q.failing, q.failed, q.after, q.why = time.Time{}, 0, time.Time{}, nil
	q.sent++
	q.last = now
	for _, said := range items {
		e := q.entries[said.incident.ID]
		switch {
		case e == nil:
		case !said.incident.Until.IsZero():
			q.forget(said.incident.ID, now)
		default:
			e.Told, e.As, e.Said, e.Last, e.Refused, e.After = true, guiseOf(&said.incident), digest(&said.incident), now, 0, time.Time{}
			if same(&said.incident, &e.Incident) {
				e.Pending, e.Worse = false, false
			} else if e.over() && !q.target.Resolved {
				q.forget(said.incident.ID, now)
			}
		}
	}
}

// missed notes that a message was not taken. What is refused is tried again later than what goes with
// other incidents; if nothing comes through, nothing is tried for a while, nor as long as the target wants.
func (q *queue) missed(items []item, refused bool, err error, now time.Time) {
	if q.failing.IsZero() {
		q.failing = now
	}
	q.failed++
	q.misses++
	q.why = err
	switch {
	case !refused:
		wait := backoff(q.failed)
		if said := (*shout.Later)(nil); errors.As(err, &said) { // within our own limits, whatever it says
			wait = max(wait, min(said.Wait, lastRetry))
		}
		q.after = now.Add(wait)
		return
	case q.failed > refusedMost:
		q.after = now.Add(refusedWait)
	}
	for _, said := range items {
		if e := q.entries[said.incident.ID]; e != nil {
			e.Refused++
			e.After = now.Add(backoff(e.Refused))
		}
	}
}

// backoff is how long to wait after so many failures: twice as long each time, within limits, and by up to a
// fifth less, so that several servers do not come back together.
func backoff(failures int) time.Duration {
	d := lastRetry
	if failures < 10 {
		d = min(lastRetry, firstRetry<<(failures-1))
	}
	return d - time.Duration(rand.Int64N(int64(d)/5+1))
}

// pending is how many incidents something is to be said of.
func (q *queue) pending() int {
	n := 0
	for _, e := range q.entries {
		if e.Pending {
			n++
		}
	}
	return n
}
