package admin

import (
	"cmp"
	"net/netip"
	"strings"
	"time"

	"gslb/health"
	"gslb/publish"
	"gslb/steer"
)

// eventNames is how many names an event of an answer lists; a steering may have 100,000.
const eventNames = 10

// Event is a change that is served already.
type Event struct {
	At time.Time `json:"at"`
	// Kind says what changed: "target" or "pool" its status, "answer" what names are
	// answered with, "config" the configuration.
	Kind string `json:"kind"`
	// Subject is a target's id, a pool's name, the first of the names, or a file.
	Subject string `json:"subject"`
	// From and To are statuses (target, pool), pools' names (answer; empty: none), or
	// hashes (config, where From is always empty).
	From string `json:"from"`
	To   string `json:"to"`
	Why  string `json:"why"` // one line; may be empty

	// Of an answer only.
	Mode       steer.Mode   `json:"mode,omitempty"`
	Addresses  []netip.Addr `json:"addresses,omitempty"`
	Names      []string     `json:"names,omitempty"` // the first ten
	NamesTotal int          `json:"names_total,omitempty"`
}

// entry is an event as it is kept. It is all plain data: an publish.Event would hold on to
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
		}}, true
	case e.Pool != nil:
		return entry{Event: Event{
			At: e.At, Kind: "pool", Subject: e.Pool.To.Pool.Name,
			From: e.Pool.From.String(), To: e.Pool.To.Status.String(), Why: e.Pool.To.Why,
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
		From: change.From.PoolName(), To: change.To.PoolName(), Why: whyDecision(change.To),
		Mode: change.To.Mode, Addresses: change.To.Addresses,
		NamesTotal: len(change.Names),
	}
	for _, name := range change.Names[:min(len(change.Names), eventNames)] {
		e.Names = append(e.Names, name.Name)
	}
	if len(e.Names) > 0 {
		e.Subject = e.Names[0]
	}
	kept := entry{Event: e}
	if change.To.Steering != nil {
		kept.steering = change.To.Steering.Key
	}
	return kept
}

// whyResult is a result in one line.
func whyResult(r health.Result) string { return cmp.Or(r.Detail, r.Reason) }

// whyDecision is what tipped a decision. In normal mode that is the pools that were passed
// over, or else the one that was chosen; in any other, all of them.
func whyDecision(d steer.Decision) string {
	var why []string
	for _, r := range d.Reasons {
		if d.Mode == steer.Normal && r.Chosen {
			if len(why) == 0 {
				why = append(why, r.Pool+": "+r.Why)
			}
			break
		}
		why = append(why, r.Pool+": "+r.Why)
	}
	return strings.Join(why, "; ")
}
