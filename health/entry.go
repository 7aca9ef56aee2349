package health

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

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

// Record is what is worth keeping of a target over a restart.
type Record struct {
	ID          TargetID  `json:"id"`
	Fingerprint string    `json:"fingerprint"`
	Status      Status    `json:"status"`
	Since       time.Time `json:"since"`  // when Status became what it is
	Judged      time.Time `json:"judged"` // when the last pass or fail came
	Reason      string    `json:"reason"` // of the Result that made the status
	Detail      string    `json:"detail"`
}

// Report is what an operator may know of a target.
type Report struct {
	Target Target
	State  State
	Last   Result        // of the last probe, whatever its verdict
	Probed time.Time     // when the last probe ended; zero: none has
	Judged time.Time     // when the last pass or fail came, of this run or an earlier one
	Took   time.Duration // how long the last probe took
	Streak int           // how many verdicts in a row speak against the status
	Probes [3]uint64     // by Verdict, of this run
	// Restored says that the status is an earlier run's and no probe of this run has
	// judged yet.
	Restored bool
}

// Reports is what is known of every target, by ID.
func (m *Monitor) Reports() []Report {
	return each(m, (*entry).report)
}

// Records is what is worth keeping over a restart: every target that was ever judged, in
// this run or in the earlier one that it was restored from, by ID.
func (m *Monitor) Records() []Record {
	return slices.DeleteFunc(each(m, (*entry).record), func(r Record) bool { return r.Status == Unknown })
}

// each is what a function makes of every entry, by ID. The lock is held for one entry at a
// time, so that whoever asks for all of them delays no probe.
func each[T any](m *Monitor, of func(*entry) T) []T {
	entries := m.list()
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.id, b.id) })
	all := make([]T, len(entries))
	for i, e := range entries {
		m.mu.Lock()
		all[i] = of(e)
		m.mu.Unlock()
	}
	return all
}

// list is all entries, in no order.
func (m *Monitor) list() []*entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.entries))
}
