// Package override has a person's word against the probes': what it means, and how long it holds. It
// knows of pools and names by their names only.
package override

import (
	"net/netip"
	"strings"
	"time"

	"gslb/health"
)

// Kind says what a person wants. Where several speak of one answer, the first of these is the
// strongest.
type Kind string

const (
	Pin   Kind = "pin"   // a name answers with one of its pools
	Drain Kind = "drain" // a pool or member is taken out of all answers
	Force Kind = "force" // a pool or member has a status, whatever its probes say
)

// Override is one word of a person. There is at most one of each kind about a name, a pool or a
// member: a new one takes the place of the one before.
type Override struct {
	Kind   Kind          `json:"kind"`
	Name   string        `json:"name,omitempty"`   // of a pin: fully qualified, lower case
	Pool   string        `json:"pool"`             // that is answered, drained or forced
	Member netip.Addr    `json:"member,omitzero"`  // of the pool; the zero Addr: all of it
	Status health.Status `json:"status,omitempty"` // of a force: up or down
	// Anyway says that a pin holds whatever the status of its pool, and that a drain was wanted although
	// a name was left with nothing.
	Anyway bool      `json:"anyway,omitempty"`
	Reason string    `json:"reason"`
	By     string    `json:"by"` // who said so: "root (socket)", "ci (token)"
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"` // when it ends by itself, by the wall clock; zero: never

	Switch *Switch `json:"switch,omitempty"` // of a pin that is a planned move
}

// Switch is how far a planned move of a name has come. Its pin holds from Move on, with a fence from when that
// says.
type Switch struct {
	From string `json:"from"` // what was answered before
	// Move is when the answer moves, or has: when the old TTL has run out everywhere; until then only the TTL is
	// low. With a fence it moves later, as soon as possible.
	Move time.Time `json:"move"`
	// Before is the pin whose place this one takes: it holds until Move. Nil: there was none.
	Before *Override `json:"before,omitempty"`
	Fence  *Fence    `json:"fence,omitempty"` // nil: no replicated data is left
}

// ID names an override, the same for one that takes its place: "drain/nyc", "drain/nyc/203.0.113.10",
// "force/nyc", "pin/app.gslb.example.com.".
func (o *Override) ID() string {
	subject := o.Pool
	switch {
	case o.Kind == Pin:
		subject = o.Name
	case o.Member.IsValid():
		subject += "/" + o.Member.String()
	}
	return string(o.Kind) + "/" + subject
}

// String is the override in words, without its subject: "drained by root (socket): new kernel". A force by
// nobody is a supposition: "supposed down".
func (o *Override) String() string {
	var b strings.Builder
	switch {
	case o.Kind == Pin && o.Switch != nil:
		b.WriteString("switched to " + o.Pool)
	case o.Kind == Pin:
		b.WriteString("pinned to " + o.Pool)
	case o.Kind == Drain:
		b.WriteString("drained")
	case o.By == "":
		return "supposed " + o.Status.String()
	default:
		b.WriteString("forced " + o.Status.String())
	}
	if o.By != "" {
		b.WriteString(" by " + o.By)
	}
	if !o.Until.IsZero() {
		b.WriteString(" until " + o.Until.UTC().Format(time.RFC3339))
	}
	return b.String() + ": " + o.Reason
}

// Equal reports whether two overrides say the same in all respects; nil says nothing.
func (o *Override) Equal(other *Override) bool {
	if o == nil || other == nil || o == other {
		return o == other
	}
	a, b := *o, *other
	if !a.Since.Equal(b.Since) || !a.Until.Equal(b.Until) || !a.Switch.equal(b.Switch) {
		return false
	}
	a.Since, a.Until, a.Switch = b.Since, b.Until, b.Switch
	return a == b
}

func (s *Switch) equal(other *Switch) bool {
	if s == nil || other == nil {
		return s == other
	}
	return s.From == other.From && s.Move.Equal(other.Move) && s.Before.Equal(other.Before) && s.Fence.equal(other.Fence)
}

// InForce reports whether it has not ended at a time.
func (o *Override) InForce(now time.Time) bool { return o.Until.IsZero() || now.Before(o.Until) }

// Change is an override that was set, or that is not in force any more.
type Change struct {
	Override
	Gone bool      // it is not in force any more
	By   string    // who set it or took it back; empty: it ended by itself
	Why  string    // the reason for setting it, or for its end
	At   time.Time // by the wall clock
}

// Expired is the Why of an override whose time has run out.
const Expired = "expired"
