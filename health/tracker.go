package health

// Tracker turns the verdicts of single probes into a status that does not flap. It is
// pure: it has no clock, starts nothing, and the same verdicts always make the same
// status. It is not safe for concurrent use.
type Tracker struct {
	rise, fall int
	streak     int // verdicts in a row against status
	status     Status
	restored   bool // status was handed in, and nothing of this run has confirmed it yet
}

// NewTracker makes the tracker of a fresh target, of which nothing is known: rise
// consecutive passes will turn it up, fall consecutive fails down. Less than one counts
// as one.
func NewTracker(rise, fall int) *Tracker {
	t := new(Tracker)
	t.SetThresholds(rise, fall)
	return t
}

// SetThresholds changes how many consecutive verdicts turn the target. It moves nothing
// by itself: verdicts that were counted before stay counted, and the next one is measured
// by the new thresholds.
func (t *Tracker) SetThresholds(rise, fall int) {
	t.rise, t.fall = max(rise, 1), max(fall, 1)
}

// Restore starts from a status that an earlier run came to. It is provisional until a verdict
// confirms it or turns it. Restoring Unknown makes the target fresh.
func (t *Tracker) Restore(status Status) {
	t.status, t.streak, t.restored = status, 0, status != Unknown
}

// Observe takes the verdict of one more probe and says whether the status changed. sighted
// says that the prober is known to have seen others while the probe was under way. As long as
// everything fails, a fail may well be the fault of the prober's own network.
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
//	up              fail           up, but down with the fall-th in a row
//	down            pass           down, but up with the rise-th in a row
//	down            fail           down; the count starts again
func (t *Tracker) Observe(v Verdict, sighted bool) (changed bool) {
	if v == Indeterminate {
		return false
	}
	says, needed := Up, t.rise
	if v == Fail {
		says, needed = Down, t.fall
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
	t.status, t.streak, t.restored = says, 0, false
	return true
}

// Status is what is believed of the target.
func (t *Tracker) Status() Status { return t.status }

// Turning says that the target has begun to change its mind: its last verdict spoke
// against its status, but did not turn it.
func (t *Tracker) Turning() bool { return t.streak > 0 }

// Streak is how many verdicts in a row have spoken against the status.
func (t *Tracker) Streak() int { return t.streak }

// Restored says that the status was handed to Restore and is still provisional.
func (t *Tracker) Restored() bool { return t.restored }
