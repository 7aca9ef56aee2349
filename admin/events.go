package admin

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"gslb/health"
	"gslb/publish"
	"gslb/steer"
)

// Bounds on what is remembered: a steering may have 100,000 names, and a pool 5,000 addresses.
const (
	eventsKept     = 200
	eventNames     = 10
	eventViews     = 10
	eventAddresses = 50
)

// Event is a change that is served already.
type Event struct {
	At time.Time `json:"at"`
	// Kind says what changed: "target" or "pool" its status, "answer" what names are
	// answered with, "config" the configuration.
	Kind string `json:"kind"`
	// Subject is a target's id, a pool's name, the first of the names, or a file.
	Subject string `json:"subject"`
	// From and To are statuses (target, pool), pools' names (answer: "nyc+sfo", or "nyc 75 % + sfo 25 %"
	// where the parts of the clients differ; empty: none), or hashes (config, where From is always empty).
	From string `json:"from"`
	To   string `json:"to"`
	Why  string `json:"why"` // one line; may be empty

	// Lasted is how long a target or pool had the status From; left out: not known.
	Lasted float64 `json:"lasted_seconds,omitempty"`

	// Of an answer only. Changed says what differs first: "first" (there was no answer before), "pool",
	// "mode", "addresses", or "weights" (the same pools share the clients in other parts).
	Changed publish.Difference `json:"changed,omitempty"`
	// Views tells for which clients the answer changed so: the narrowest view of each; left out: for
	// all of a name without views. The first ten.
	Views      []string `json:"views,omitempty"`
	ViewsTotal int      `json:"views_total,omitempty"`
	// FromMode is left out when there was no answer before.
	FromMode       steer.Mode   `json:"from_mode,omitempty"`
	Mode           steer.Mode   `json:"mode,omitempty"`
	FromAddresses  []netip.Addr `json:"from_addresses,omitempty"` // the first 50
	Addresses      []netip.Addr `json:"addresses,omitempty"`      // the first 50
	AddressesTotal int          `json:"addresses_total,omitempty"`
	CNAMEs         []string     `json:"cnames,omitempty"` // answered instead of addresses; the first ten
	Names          []string     `json:"names,omitempty"`  // the first ten
	NamesTotal     int          `json:"names_total,omitempty"`
}

// entry is an event as it is kept. It is all plain data: a publish.Event would hold on to
// the whole configuration of its time.
type entry struct {
	Event
	steering string // the zones.Steering.Key of an answer
}

// Record remembers events, given in the order in which they happened. The last 200 are
// kept. It is safe for concurrent use.
func (s *Server) Record(events []publish.Event) {
	entries := make([]entry, 0, len(events))
	for _, e := range events {
		if kept, ok := newEntry(e); ok {
			entries = append(entries, kept)
		}
	}
	s.events.add(entries)
}

func newEntry(e publish.Event) (entry, bool) {
	switch {
	case e.Target != nil:
		return entry{Event: Event{
			At: e.At, Kind: "target", Subject: string(e.Target.Target.ID),
			From: e.Target.From.String(), To: e.Target.To.String(), Why: whyResult(e.Target.Cause),
			Lasted: e.Target.Lasted.Seconds(),
		}}, true
	case e.Pool != nil:
		return entry{Event: Event{
			At: e.At, Kind: "pool", Subject: e.Pool.To.Pool.Name,
			From: e.Pool.From.String(), To: e.Pool.To.Status.String(), Why: cut(e.Pool.To.Why, longestText),
			Lasted: e.Pool.Lasted.Seconds(),
		}}, true
	case e.Answer != nil:
		return newAnswerEntry(e.At, e.Answer), true
	case e.Config != nil:
		return entry{Event: Event{At: e.At, Kind: "config", Subject: e.Config.Path, To: e.Config.Hash}}, true
	}
	return entry{}, false
}

func newAnswerEntry(at time.Time, change *publish.AnswerChange) entry {
	e := Event{
		At: at, Kind: "answer",
		From: cut(change.From.Described(), longestText), To: cut(change.To.Described(), longestText), Why: cut(whyAnswer(change), longestText),
		Changed:  change.Difference(),
		FromMode: change.From.Mode, Mode: change.To.Mode,
		FromAddresses: first(eventAddresses, change.From.Addresses()),
		Addresses:     first(eventAddresses, change.To.Addresses()), AddressesTotal: len(change.To.Addresses()),
		NamesTotal: len(change.Names),
	}
	views := change.Views()
	e.Views, e.ViewsTotal = first(eventViews, views), len(views)
	for _, share := range change.To.Shares {
		if share.Pool.CNAME != "" && len(e.CNAMEs) < eventNames {
			e.CNAMEs = append(e.CNAMEs, share.Pool.CNAME)
		}
	}
	for _, name := range first(eventNames, change.Names) {
		e.Names = append(e.Names, name.Name)
	}
	if len(e.Names) > 0 {
		e.Subject = e.Names[0]
	}
	kept := entry{Event: e}
	if change.To.Route != nil {
		kept.steering = change.To.Route.Steering.Key
	}
	return kept
}

// first is at most n items, in memory of their own.
func first[T any](n int, items []T) []T {
	return slices.Clone(items[:min(n, len(items))])
}

// whyResult is a result in one line.
func whyResult(r health.Result) string { return cut(cmp.Or(r.Detail, r.Reason), longestText) }

// whyAnswer is the reasons for an answer: of the pools that explain the change.
func whyAnswer(change *publish.AnswerChange) string {
	pools, causes := change.Why()
	why := transform(pools[:causes], func(c steer.Considered) string { return c.Pool + ": " + c.Why })
	return strings.Join(why, "; ")
}

// ring keeps the last eventsKept entries. It is safe for concurrent use; the zero value is
// ready.
type ring struct {
	mu      sync.Mutex
	entries [eventsKept]entry
	added   uint64 // ever
}

// add takes entries in the order they happened.
func (r *ring) add(entries []entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range entries {
		r.entries[r.added%eventsKept] = e
		r.added++
	}
}

// count is how many entries were ever added.
func (r *ring) count() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.added
}

// latest returns what is kept, the latest first.
func (r *ring) latest() []entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := min(r.added, eventsKept)
	entries := make([]entry, 0, kept)
	for i := range kept {
		entries = append(entries, r.entries[(r.added-1-i)%eventsKept])
	}
	return entries
}
