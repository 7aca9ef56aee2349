package health

import "time"

// entry is all that the monitor keeps of one target. It is guarded by Monitor.mu, but for
// what never changes: the ID, and what target points to.
type entry struct {
	id      TargetID
	target  *Target // never changed: a reload puts another one in its place
	probe   Probe
	tracker Tracker

	state    State  // what steering sees; Status and Turning are the tracker's
	reported Status // the status that the last Take told
	dirty    bool   // state has changed since the last Take: in Monitor.dirty

	last   Result
	probed time.Time
	judged time.Time
	took   time.Duration
	probes [3]uint64 // by Verdict
	warned time.Time // when an indeterminate result was last logged

	answered bool          // a probe of what the target is now has ended
	awaited  chan struct{} // closed at the first answer; nil: nobody waits

	flight *flight   // the probe under way; nil: none is
	due    time.Time // when to probe or, while a probe is under way, when to call it overdue
	index  int       // in Monitor.queue; -1: not there
	phased bool      // the target has found its own place within the interval
}

// newEntry makes the entry of a target that has no history.
func newEntry(target *Target, probe Probe) *entry {
	return &entry{
		id:      target.ID,
		target:  target,
		probe:   probe,
		tracker: *NewTracker(target.Rise, target.Fall),
		index:   -1,
	}
}

// restore takes over what an earlier run knew of the target. It is no transition.
func (e *entry) restore(r Record) {
	e.tracker.Restore(r.Status)
	e.state = State{
		Status: r.Status,
		Since:  r.Since,
		Cause:  Result{Verdict: verdictFor(r.Status), Reason: r.Reason, Detail: r.Detail},
	}
	e.reported = r.Status
	e.judged = r.Judged
}

// replace makes the entry probe something else under the same ID. What was known stays
// believed until the new probe has judged. A probe under way is cancelled, and its result
// will not count.
func (e *entry) replace(target *Target, probe Probe) {
	e.target, e.probe = target, probe
	e.tracker.SetThresholds(target.Rise, target.Fall)
	e.tracker.Restore(e.state.Status)
	e.state.Turning = false
	e.answered, e.phased = false, false
	e.abort()
}

// abort cancels the probe under way, if there is one, and makes its result worthless.
func (e *entry) abort() {
	if e.flight != nil {
		e.flight.void = true
		e.flight.cancel()
	}
}

// observe takes the result of a probe and says whether state changed.
func (e *entry) observe(r Result, started, ended time.Time) (changed bool) {
	e.last, e.probed, e.took = r, ended, ended.Sub(started)
	e.probes[r.Verdict]++
	if r.Verdict == Indeterminate {
		return false
	}
	e.judged = ended
	before := e.state
	if e.tracker.Observe(r.Verdict) {
		e.state.Since, e.state.Cause = ended, r
	}
	e.state.Status, e.state.Turning = e.tracker.Status(), e.tracker.Turning()
	return e.state != before
}

// loud says whether a result that is about to be observed must be logged as a warning:
// the first of a series of indeterminate ones, another reason within it, and a reminder
// every warnAgain.
func (e *entry) loud(r Result, now time.Time) bool {
	if r.Verdict != Indeterminate {
		return false
	}
	series := !e.probed.IsZero() && e.last.Verdict == Indeterminate
	if series && r.Reason == e.last.Reason && now.Sub(e.warned) < warnAgain {
		return false
	}
	e.warned = now
	return true
}

// answer lets go those who wait for the first result, or for the target's end.
func (e *entry) answer() {
	if e.awaited != nil {
		close(e.awaited)
		e.awaited = nil
	}
}

func (e *entry) report() Report {
	return Report{
		Target:   *e.target,
		State:    e.state,
		Last:     e.last,
		Probed:   e.probed,
		Judged:   e.judged,
		Took:     e.took,
		Streak:   e.tracker.Streak(),
		Probes:   e.probes,
		Restored: e.tracker.Restored(),
	}
}

func (e *entry) record() Record {
	return Record{
		ID:          e.target.ID,
		Fingerprint: e.target.Fingerprint,
		Status:      e.state.Status,
		Since:       e.state.Since,
		Judged:      e.judged,
		Reason:      e.state.Cause.Reason,
		Detail:      e.state.Cause.Detail,
	}
}

// verdictFor is the verdict that makes a status.
func verdictFor(s Status) Verdict {
	switch s {
	case Up:
		return Pass
	case Down:
		return Fail
	default:
		return Indeterminate
	}
}
