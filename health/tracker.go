package health

import "math/bits"

// Tracker turns the verdicts of single probes into a status that does not flap. It is pure: the
// same verdicts always give the same status. It is not safe for concurrent use.
type Tracker struct {
	rise, fall int
	streak     int // verdicts in a row against status
	status     Status
	restored   bool // status was handed in, and nothing of this run has confirmed it yet

	flap   Flap
	record uint64 // the last verdicts, the latest in the lowest bit; 1: a fail
	seen   int    // how many verdicts record has
	fresh  int    // how many of them came since the target came up again
}

// shownVerdicts is how many verdicts the share of failures is of, without a flap.
const shownVerdicts = 20

// NewTracker makes the tracker of a target of which nothing is known. rise consecutive passes turn
// it up, fall consecutive fails turn it down; values below one count as one.
func NewTracker(rise, fall int) *Tracker {
	t := new(Tracker)
	t.SetThresholds(rise, fall)
	return t
}

// SetThresholds changes how many consecutive verdicts turn the target. It does not change the
// status or the count; the next verdict is judged by the new thresholds.
func (t *Tracker) SetThresholds(rise, fall int) {
	t.rise, t.fall = max(rise, 1), max(fall, 1)
}

// SetFlap changes which share of the last verdicts turns the target down, as SetThresholds does.
func (t *Tracker) SetFlap(f Flap) { t.flap = f }

// Restore starts from the status of an earlier run. It is provisional until a verdict confirms or
// changes it. Restoring Unknown makes the target fresh.
func (t *Tracker) Restore(status Status) {
	t.status, t.streak, t.restored = status, 0, status != Unknown
}

// Observe takes the verdict of one more probe and says whether the status changed. sighted says
// that another target has passed in this run, so that the prober's own network works. As long as
// everything fails, that network may be at fault.
//
//	status          verdict        becomes
//	any             indeterminate  the same; a count that has begun goes on
//	unknown         pass           up
//	unknown         fail           down
//	up, restored    pass           up
//	up, restored    fail, sighted  down: what fails at the start must not be offered
//	up, restored    fail           up and still provisional, but down with the fall-th in a row
//	down, restored  pass           down; the first of rise, as one good probe proves little
//	down, restored  fail           down
//	up              pass           up; the count starts again
//	up              fail           up, but down with the fall-th in a row, and with the fail that
//	                               makes the flap full: so many of the last verdicts since it came up
//	down            pass           down, but up with the rise-th in a row
//	down            fail           down; the count starts again
func (t *Tracker) Observe(v Verdict, sighted bool) (changed bool) {
	if v == Indeterminate {
		return false
	}
	t.note(v == Fail)
	says, needed := Up, t.rise
	if v == Fail {
		says, needed = Down, t.fall
	}
	if v == Fail && t.flaps() {
		needed = 1
	}
	if t.status == Unknown || t.restored && says == Down && sighted {
		needed = 1
	}
	if says == t.status {
		t.streak, t.restored = 0, false
		return false
	}
	t.streak++
	if t.streak < needed {
		t.restored = t.restored && says == Down
		return false
	}
	if t.status == Down {
		t.fresh = 0 // what brought it down must not do so again
	}
	t.status, t.streak, t.restored = says, 0, false
	return true
}

// note adds a verdict to the record.
func (t *Tracker) note(failed bool) {
	t.record <<= 1
	if failed {
		t.record |= 1
	}
	t.seen, t.fresh = min(t.seen+1, MaxFlap), min(t.fresh+1, MaxFlap)
}

// failures is how many of the last so many verdicts were fails.
func (t *Tracker) failures(of int) int {
	return bits.OnesCount64(t.record & (1<<of - 1))
}

// flaps reports whether as many of the last verdicts were fails as the flap says. Verdicts that have not
// come yet are taken for passes.
func (t *Tracker) flaps() bool {
	return t.flap.Of > 0 && 100*t.failures(min(t.flap.Of, t.fresh)) >= t.flap.Percent*t.flap.Of
}

// Failures is how many of the last verdicts were fails: of those that the flap looks at, or of 20.
func (t *Tracker) Failures() (failed, of int) {
	of = shownVerdicts
	if t.flap.Of > 0 {
		of = t.flap.Of
	}
	of = min(of, t.seen)
	return t.failures(of), of
}

// Decisive reports whether one more fail turns the target down, which is up.
func (t *Tracker) Decisive() bool {
	next := *t
	return t.status == Up && next.Observe(Fail, false)
}

// Status is what is believed of the target.
func (t *Tracker) Status() Status { return t.status }

// Turning says that the last verdict disagreed with the status, but did not change it.
func (t *Tracker) Turning() bool { return t.streak > 0 }

// Streak is how many verdicts in a row have disagreed with the status.
func (t *Tracker) Streak() int { return t.streak }

// Restored says that the status was handed to Restore and is still provisional.
func (t *Tracker) Restored() bool { return t.restored }
