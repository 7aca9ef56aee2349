// Package incident says what is wrong, each matter once: a pool that is down and the names that have
// left it are one incident, from its first sign to its end.
//
// [judge] is a pure function that makes a list of what is wrong from one [Look] at everything. A [Book]
// compares the lists of successive looks: what is new begins, what differs in what a person should know has
// changed, and what is missing for a while has ended. Since nothing depends on having seen a change, a
// restart announces nothing anew.
package incident

import (
	"net/netip"
	"time"
)

// Incident is something that a person should know of while it lasts.
type Incident struct {
	// ID is the same while the incident lasts, over restarts too, and no other incident ever has it:
	// "pool/nyc/1764345600". All that befalls a pool at one time is one incident.
	ID string `json:"id"`
	// Kind may become another while the incident lasts: a pool is held, then names leave it, then it has
	// recovered and waits for a person.
	Kind    Kind   `json:"kind"`
	Subject string `json:"subject"` // a pool, a name, a target, a rule, a copy, a file, an override's id

	// Override is the id of the override that is the cause, as of a pool that is drained or forced down, or that is
	// about to end; left out: there is none.
	Override string `json:"override,omitempty"`

	// Critical says that answers are, or may be, wrong. Otherwise something is failing, and handled.
	Critical bool      `json:"critical"`
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until,omitzero"` // when it ended; left out: it has not
	// Paused is since when nothing is found of it, for listeners alone: it ends if that stays so for a while.
	Paused time.Time `json:"-"`

	// Text is the whole in one line for people: "nyc is down since 01:06:02: load balancer times out; app and
	// www answer ams; clients have moved by 01:07:10".
	Text string `json:"text"`
	// Summary is what is wrong and why, without what other fields say: "nyc is down: load balancer times out". Once
	// it is over, it is what was wrong.
	Summary string `json:"summary,omitempty"`
	// Outcome is what is so again since Until: "nyc is up, and answered as usual again"; left out while it lasts.
	Outcome string `json:"outcome,omitempty"`
	Why     string `json:"why"` // the cause alone, one line; may be empty
	Do      string `json:"do"`  // what a person can do, one line; empty: nothing

	// Moves is what names that it concerns are answered instead, those of one answer together; the first ten of
	// MovesTotal.
	Moves      []Move `json:"moves,omitempty"`
	MovesTotal int    `json:"moves_total,omitempty"`
	// Moved is by when, at the latest, the caches of resolvers have no answer of before; left out: nothing
	// is answered otherwise because of it.
	Moved time.Time `json:"clients_moved_by,omitzero"`
	// Turns is how often the pool has gone down within the incident: one that flaps is one incident.
	Turns int `json:"turns,omitempty"`
}

// Move is names that answer something else because of an incident.
type Move struct {
	At         time.Time    `json:"at"`
	Names      []string     `json:"names"` // the first ten
	NamesTotal int          `json:"names_total"`
	From       string       `json:"from"` // as in an event: "nyc", "nyc+sfo"; empty: nothing
	To         string       `json:"to"`
	Addresses  []netip.Addr `json:"addresses,omitempty"` // what is answered now; the first ten
}

// Kind says what an incident is about. Each is the anchor of its section in docs/runbook.md.
type Kind string

const (
	Failover   Kind = "failover"        // names have left a pool that is down, drained or degraded
	PoolDown   Kind = "pool-down"       // a pool is down, and nothing is answered otherwise for it
	MemberDown Kind = "member-down"     // a pool is up, and a member of it is down
	AllDown    Kind = "all-down"        // no pool of a name is left, or too little (panic)
	Held       Kind = "held"            // a pool that is down is answered, by failover_after or max_down
	Blind      Kind = "blind"           // this server can't see anything
	Suspect    Kind = "suspect"         // many targets went silent together
	Degraded   Kind = "degraded"        // the data behind a pool is behind
	Stale      Kind = "stale"           // verdicts are too old to be believed
	Unjudged   Kind = "unjudged"        // probes can't judge targets: credentials, a resolver, this host
	Refused    Kind = "reload-refused"  // the last reload of the configuration failed
	Pending    Kind = "reload-pending"  // a configuration waits for a person
	Expiry     Kind = "certificate"     // a certificate ends soon, or has ended
	OverrideBy Kind = "override-ending" // a person's word is about to end
	Waiting    Kind = "failback-waits"  // a pool has recovered, and waits for gslb failback
	Unsaved    Kind = "unsaved"         // state_dir can't be written
	Notifying  Kind = "notify-failing"  // messages don't reach where they should
)

// Kinds is every kind.
var Kinds = [...]Kind{
	AllDown, Held, Failover, PoolDown, MemberDown, Degraded, Waiting, Blind, Suspect, Stale, Unjudged,
	Refused, Pending, Expiry, OverrideBy, Unsaved, Notifying,
}

// Change is an incident that has begun, has become another in what a person should know, or has ended.
type Change struct {
	What     What     `json:"what"`
	Incident Incident `json:"incident"`
}

// What says how an incident has changed.
type What string

const (
	Began   What = "began"
	Changed What = "changed" // its moves, or whether it is critical
	Paused  What = "paused"  // nothing is found of it; it ends if that stays so, and resumes otherwise
	Resumed What = "resumed" // as it was told of before
	Ended   What = "ended"
)
