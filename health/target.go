package health

import (
	"context"

	"time"
)

// TargetID names a target within one configuration: "web@203.0.113.10", "table@us-east-1".
// It is the same over reloads and restarts as long as the configuration means the same.
type TargetID string

// Target is one check applied to one address, or once to a whole pool, with every
// placeholder filled in. Pools that apply the same check to the same address share it.
// A Target is never changed after it was built.
type Target struct {
	ID      TargetID
	Check   string // the check's name in the configuration
	Subject string // what it is applied to: an address, a region, or a pool's name
	Spec    Spec

	Interval     time.Duration // between the starts of two probes
	FastInterval time.Duration // the same, while the target is turning
	Timeout      time.Duration // of one probe, shorter than Interval
	Rise         int           // consecutive passes that turn it up
	Fall         int           // consecutive fails that turn it down
	Flap         Flap          // what turns it down although it does not fail Fall times in a row

	Slow Slow // what is too long for a pass

	// Place is what the target fails together with: a region, or a pool without one. It is empty if no
	// pool has the target.
	Place string
	// Vantage says that the target fails together with no region: it shows whether this host sees
	// anything.
	Vantage bool

	Feedback Feedback // what the number is that its probes find beside their verdicts, where they do

	// Aside says that no pool's status depends on the target: nobody waits for it, and it is not asked
	// whether this host sees anything.
	Aside bool

	// Fingerprint is a digest of Spec and Slow: two targets with the same one probe the same thing
	// in the same way, so that a verdict outlives a reload or a restart.
	Fingerprint string
}

// Flap turns a target down that fails now and then: Percent of its last Of probes. The zero value turns
// none.
type Flap struct{ Percent, Of int }

// Slow says when a pass took too long, and what it then is: a fail, or a pass that is noted as slow. The zero value
// says that none did.
type Slow struct {
	After time.Duration
	Fails bool
}

// MaxFlap is the largest Flap.Of.
const MaxFlap = 64

// staleIntervals is how many intervals, and a timeout, a verdict may be old before it is stale. So
// one or two probes may fail to judge.
const staleIntervals = 3

// StaleAfter is the age above which the target's verdict is too old to be relied on.
func (t *Target) StaleAfter() time.Duration { return staleIntervals*t.Interval + t.Timeout }

// Probe executes one probe. It ends soon after ctx does. A probe that is cut short by the context's
// deadline is a Fail with reason "timeout". A Probe is never called twice at once.
type Probe func(ctx context.Context) Result

// Maker makes the probe of a target. It does no input or output that can block, except for reading
// local files, and fails only for errors in the configuration.
type Maker func(Target) (Probe, error)

// Launcher starts the probes of one target, where they need no goroutine, no context and no timer of their
// own. It is a Probe in another form.
type Launcher interface {
	// Launch begins a probe, which its deadline ends, and returns at once. The end is told once, from another
	// goroutine, by one method of to. The probe before must have ended.
	Launch(deadline time.Time, to Landing)

	// Abort ends the probe under way, if there is one; its result does not matter. It may be told before Abort
	// returns, or soon after, but not by Abort.
	Abort()
}

// Landing is told how a launched probe ends.
type Landing interface {
	// Land takes its result. It waited so long for others before it began, which is no time that it took.
	Land(result Result, waited time.Duration)
	// Resume says that it needs a goroutine after all: the rest of it is a Probe, of the same deadline. It waited as
	// for Land.
	Resume(rest Probe, waited time.Duration)
}

// LauncherMaker makes the Launcher of a target; nil: its probes need more than that, and its Maker makes them.
// Its errors are those of a Maker.
type LauncherMaker func(Target) (Launcher, error)
