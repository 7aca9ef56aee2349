package incident

import (
	"slices"
	"time"

	"gslb/answer"
	"gslb/health"
	"gslb/override"
	"gslb/safety"
	"gslb/steer"
)

// Look is everything that is looked at, at one moment.
type Look struct {
	Now     time.Time
	Begun   time.Time       // of this run
	Resumed time.Time       // after a pause in which nothing ran here: a Book notes it; zero: there was none
	Table   *answer.Table   // what is served
	Reports []health.Report // of each target, by ID
	Doubt   safety.Doubt
	Words   *override.Words // of people
	Refused Refusal         // the last reload; the zero value: it was not refused
	Waits   Waits           // a configuration; the zero value: none does
	// Certificate is when that of the admin server ends; zero: it has none.
	Certificate time.Time
	Faults      []Fault // what other parts of the program report of themselves
}

// pool is the state of a pool; nil: the configuration that is served has none of this name.
func (l *Look) pool(name string) *steer.PoolState {
	if at := slices.IndexFunc(l.Table.Pools(), func(s *steer.PoolState) bool { return s.Pool.Name == name }); at >= 0 {
		return l.Table.Pools()[at]
	}
	return nil
}

// Refusal is a reload of the configuration that failed.
type Refusal struct {
	Path string // empty: none did
	Why  string // the first of the errors
	// Loaded is whether it could be loaded, so that gslb check finds nothing wrong.
	Loaded bool
}

// Waits is a configuration that waits for a person, since it would move many names.
type Waits struct {
	Path               string // empty: none does
	Since              time.Time
	Moved, Names, Over int // so many of so many names, more than a percentage
}

// Fault is what a part of the program reports of itself: that a directory can't be written, or that messages
// do not arrive.
type Fault struct {
	Kind     Kind
	Subject  string // there is at most one fault of a kind and a subject
	Critical bool
	Since    time.Time
	What     string // a clause: "Events are not written to /var/lib/gslb"
	Over     string // the same when it is over: "Events are written again"
	Why, Do  string // one line each; may be empty
}

// shift is the last time when the clients of a route were moved.
type shift struct {
	from string // what was answered before, as Decision.Described has it; empty: nothing
	at   time.Time
	// gone is when caches have no answer of before any more, at the latest; zero: nobody was moved.
	gone time.Time
}

// finding is something that is wrong.
type finding struct {
	key      string // of the cause; the same as long as it is the same
	kind     Kind
	subject  string
	critical bool
	since    time.Time // zero: since it is found
	down     bool      // it is of a pool that is down
	override string    // the id of the one that it is due to; empty: none
	what     string    // a clause: "nyc is down"
	when     string    // what joins it to its time; empty: " since "
	why, do  string
	then     string // what will happen by itself; may be empty
	over     string // a clause for its end: "nyc is answered as usual again"
	moves    moves
	// early is set if it may be due to a pause of this process alone. It does not begin.
	early bool
	// within is the keys of findings that say it too. It does not begin beside one of these.
	within []string
}

// staleMargin is by how much a verdict may be late before it is said that a target can't be judged, or a look
// before it is taken for the first after a pause.
const staleMargin = time.Second
