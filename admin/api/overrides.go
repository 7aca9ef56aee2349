package api

import (
	"net/netip"
	"time"

	"gslb/health"
	"gslb/override"
	"gslb/steer"
)

// Override is a person's word that is kept.
type Override struct {
	// ID names it, the same for one that takes its place: "drain/nyc", "drain/nyc/203.0.113.10",
	// "force/nyc", "pin/app.gslb.example.com.".
	ID     string        `json:"id"`
	Kind   override.Kind `json:"kind"`             // "pin", "drain" or "force"; an earlier one is stronger
	Name   string        `json:"name,omitempty"`   // of a pin
	Pool   string        `json:"pool"`             // that is answered, drained or forced
	Member netip.Addr    `json:"member,omitzero"`  // of the pool; left out: all of it
	Status health.Status `json:"status,omitempty"` // of a force: "up" or "down"
	Force  bool          `json:"force"`            // it was wanted whatever the consequences
	Reason string        `json:"reason"`
	By     string        `json:"by"` // who said so: "root (socket)", "ci (token)"
	Since  time.Time     `json:"since"`
	Until  time.Time     `json:"until,omitzero"` // left out: it has no end
	// Unmatched says that the configuration does not have what it is about, so that it changes nothing.
	Unmatched bool    `json:"unmatched"`
	Switch    *Switch `json:"switch,omitempty"` // of a pin that is a planned move
}

// OverrideList is the answer of GET /api/v1/overrides.
type OverrideList struct {
	Overrides []Override `json:"overrides"` // by id
	Total     int        `json:"total"`
	// SetAside is the files of overrides of an earlier run that could not be read, so that they are not in
	// force, with commas between; empty: none. A damaged file is kept under another name.
	SetAside string `json:"set_aside"`
	// Kept says that overrides survive a restart; they don't without a state_dir.
	Kept bool `json:"kept"`
}

// OverrideRequest is the body of POST /api/v1/overrides.
type OverrideRequest struct {
	Kind   string `json:"kind"`             // "pin", "drain" or "force"
	Name   string `json:"name,omitempty"`   // of a pin, with or without the final dot
	Pool   string `json:"pool"`             // that is to be answered, drained or forced
	Member string `json:"member,omitempty"` // an address of the pool; empty: all of it
	Status string `json:"status,omitempty"` // of a force: "up" or "down"
	Reason string `json:"reason"`           // one line of at most 200 characters
	// For is how long it holds, as "2h" or "90m", from 1s to 8760h; Until is its end instead. Without
	// both it has no end.
	For   string    `json:"for,omitempty"`
	Until time.Time `json:"until,omitzero"`
	// Force drains although a name is left with nothing, and pins whatever the status of the pool.
	Force   bool `json:"force,omitempty"`
	Preview bool `json:"preview,omitempty"` // only tell what would change
}

// RemoveRequest is the body of DELETE /api/v1/overrides/{id} and of DELETE /api/v1/overrides?all=true.
// The body may be left out.
type RemoveRequest struct {
	Reason  string `json:"reason,omitempty"`
	Preview bool   `json:"preview,omitempty"` // only tell what would change
}

// OverrideResult is what a person's word did or, as a preview, would do.
type OverrideResult struct {
	Preview   bool       `json:"preview"`   // nothing was done
	Overrides []Override `json:"overrides"` // that were made, or ended; the first 50
	Total     int        `json:"total"`     // of them
	// Changes is what is answered otherwise by it, the first 50.
	Changes      []Change `json:"changes"`
	ChangesTotal int      `json:"changes_total"`
	// Answers is what the names concerned are answered with now that it is served: the first 50. It is
	// empty of a preview.
	Answers []Answer `json:"answers"`
	Notes   []string `json:"notes"` // what a person should know of it, a line each: that it has no end
}

// Change is names that are answered otherwise, all in the same way.
type Change struct {
	Names      []string   `json:"names"` // the first 20
	NamesTotal int        `json:"names_total"`
	Views      []string   `json:"views,omitempty"` // of the clients for whom it changes; left out: all, of names without views
	From       string     `json:"from"`            // pools, as in an event; empty: none
	To         string     `json:"to"`
	FromMode   steer.Mode `json:"from_mode,omitempty"` // left out: there was no answer
	ToMode     steer.Mode `json:"to_mode,omitempty"`   // left out: there is none
	Why        string     `json:"why"`                 // one line
	// LeavesNothing says that no pool is left: what is answered then is by when_all_down.
	LeavesNothing bool `json:"leaves_nothing"`
}

// Answer is what names are answered with, all alike.
type Answer struct {
	Names      []string     `json:"names"` // the first 20
	NamesTotal int          `json:"names_total"`
	Views      []string     `json:"views,omitempty"` // as of a Change
	Pool       string       `json:"pool"`
	Mode       steer.Mode   `json:"mode"`
	Addresses  []netip.Addr `json:"addresses"` // the first 50
	TTL        float64      `json:"ttl_seconds"`
}

// FailbackResult is the answer of POST /api/v1/names/{name}/failback.
type FailbackResult struct {
	Name    string   `json:"name"`
	Changes []Change `json:"changes"` // empty: nothing waited
	// Names is all that moved by it: those that share the route. The first 20.
	Names      []string `json:"names"`
	NamesTotal int      `json:"names_total"`
	Answers    []Answer `json:"answers"` // what the name is answered with now
	Notes      []string `json:"notes"`
}

// SwitchRequest is the body of POST /api/v1/names/{name}/switch.
type SwitchRequest struct {
	To     string `json:"to"`               // a pool of the name
	Reason string `json:"reason,omitempty"` // "planned move" if it is left out
	Force  bool   `json:"force,omitempty"`  // although the pool is not usable
	// Wait is how long what was written in the regions that are left may take to arrive in the new one, as "90s";
	// left out: twice the replication's max_lag.
	Wait string `json:"wait,omitempty"`
	// AcceptLoss has it move although the data of the pool is behind, or what was written does not arrive.
	AcceptLoss bool `json:"accept_loss,omitempty"`
}

// Phase is how far a planned move has come.
type Phase string

const (
	SwitchLowersTTL Phase = "lowering_ttl" // the TTL is ttl_min, and the old one is waited out
	SwitchWatches   Phase = "watching"     // the answer has moved; clients follow
	SwitchDone      Phase = "done"         // all clients have moved; the pin stays
	SwitchAborted   Phase = "aborted"      // the pin is removed

	// Between regions whose data is replicated, these come before watching:
	SwitchStopsWrites   = Phase(override.StopsWrites)   // hook stop_writes
	SwitchWritesMarks   = Phase(override.WritesMarks)   // a mark is written in the regions that are left
	SwitchAwaitsMarks   = Phase(override.AwaitsMarks)   // it is awaited in the new one
	SwitchAcceptsWrites = Phase(override.AcceptsWrites) // the answer has moved; hook accept_writes
	SwitchResumesWrites = Phase(override.ResumesWrites) // it is aborted; hook resume_writes
)

// Switch is a planned move of a name.
type Switch struct {
	Name    string    `json:"name"`
	From    string    `json:"from"` // what was answered before
	To      string    `json:"to"`
	Phase   Phase     `json:"phase"`
	By      string    `json:"by"`
	Reason  string    `json:"reason"`
	Since   time.Time `json:"since"`
	Move    time.Time `json:"move"`             // when the answer moves, or has
	Settled time.Time `json:"settled,omitzero"` // when the last client has moved
	// Status is of the pool that is moved to: what is watched.
	Status health.Status `json:"status"`
	Detail string        `json:"detail"` // one line: what is waited for, or what became of it

	// Replication is that of the regions that are left, if what was written there is waited for.
	Replication string  `json:"replication,omitempty"`
	AcceptLoss  bool    `json:"accept_loss,omitempty"`
	Wait        float64 `json:"wait_seconds,omitempty"` // for what was written
	// Stopped is for how long writing was ended by hooks, so far or in all.
	Stopped float64      `json:"writes_stopped_seconds,omitempty"`
	Steps   []SwitchStep `json:"steps,omitempty"` // that were begun, in order
}

// SwitchPreview is what a planned move, or its abort, would do.
type SwitchPreview struct {
	Switch       Switch   `json:"switch"`
	Changes      []Change `json:"changes"` // of what is answered, once it is made; the first 50
	ChangesTotal int      `json:"changes_total"`
	Stages       []string `json:"stages"` // what is done, waited for, and may be lost, in order, a line each
	Notes        []string `json:"notes"`
}

// SwitchStep is a phase of a planned move that was begun.
type SwitchStep struct {
	Phase  Phase     `json:"phase"`
	Began  time.Time `json:"began"`
	Took   float64   `json:"took_seconds,omitempty"` // left out: it goes on
	Detail string    `json:"detail,omitempty"`       // what became of it, in one line
}

// Hold is a rule that keeps something as it is.
type Hold struct {
	// Rule is "blind", "suspect", "velocity", "failover_after", "failback_after", "failback_manual",
	// "failback_ramp" or "degraded".
	Rule  string    `json:"rule"`
	Pool  string    `json:"pool,omitempty"` // that it concerns; left out: everything
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"` // left out: not known
	Why   string    `json:"why,omitempty"`  // one line
}
