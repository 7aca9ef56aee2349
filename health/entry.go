package health

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// entry is all that the monitor keeps of one target. It is guarded by Monitor.mu, except for what
// never changes: the ID, and what target points to.
type entry struct {
	id      TargetID
	target  *Target // never changed: a reload puts another one in its place
	prober  prober
	tracker Tracker

	state    State     // what steering sees; Status and Turning are the tracker's
	reported Status    // the status that the last Take told
	since    time.Time // when reported became what it is; zero: not known
	dirty    bool      // state has changed since the last Take: in Monitor.dirty

	readings *readings // of the load; nil: none

	last   Result
	probed time.Time
	judged time.Time
	took   time.Duration
	probes [3]uint64 // by Verdict
	blind  time.Time // when the present series of indeterminate results began; zero: there is none
	warned time.Time // when one of them was last logged
	begun  time.Time // when the target was entered, or Run began

	against time.Time // when the first probe of a row began that speaks against the status; without one, the last probe

	expires time.Time // when the certificate ends that was last seen; zero: none was
	slow    uint64    // passes that took too long

	hearing Hearing // what has been heard; in state as it was when that was last brought up to date

	answered bool          // what the target is now was probed, and that said enough
	waiters  chan struct{} // closed at the answer; nil: nobody waits

	flight *flight   // the probe under way; nil: none is
	due    time.Time // when to probe or, while a probe is under way, when to call it overdue
	index  int       // in Monitor.queue; -1: not there
	phased bool      // the target has its own place within the interval
	again  bool      // it is to be probed again as soon as the probe under way has ended
	queued bool      // the target is due, but too many probes are under way: in Monitor.waiting
}

// newEntry makes the entry of a target that has no history.
func newEntry(target *Target, prober prober) *entry {
	e := &entry{
		id:      target.ID,
		target:  target,
		prober:  prober,
		tracker: *NewTracker(target.Rise, target.Fall),
		index:   -1,
	}
	e.tracker.SetFlap(target.Flap)
	return e
}

// restore takes over what an earlier run knew of the target. It is no transition.
func (e *entry) restore(r Record) {
	e.tracker.Restore(r.Status)
	e.state = State{
		Status: r.Status,
		Since:  r.Since,
		Cause:  Result{Verdict: verdictFor(r.Status), Reason: r.Reason, Detail: r.Detail},
	}
	e.reported, e.since = r.Status, r.Since
	e.judged = r.Judged
}

// replace makes the entry probe something else under the same ID. It keeps its status and what
// has been counted against it: one fail after a reload proves no more than one before it. A
// probe under way is cancelled, and its result will not count.
func (e *entry) replace(target *Target, prober prober) {
	if e.target.IsCalculated() != target.IsCalculated() { // what was counted is of another kind
		status := e.state.Status
		e.tracker, e.hearing = *NewTracker(target.Rise, target.Fall), Hearing{}
		e.tracker.Restore(status)
	}
	e.target, e.prober = target, prober
	e.tracker.SetThresholds(target.Rise, target.Fall)
	e.tracker.SetFlap(target.Flap)
	e.answered, e.phased = false, false
	e.abort()
}

// abort cancels the probe under way, if there is one. Its result will not count.
func (e *entry) abort() {
	if e.flight != nil {
		e.flight.void = true
		e.flight.abort()
	}
}

// observe takes the result of a probe and says whether state changed.
func (e *entry) observe(r Result, sighted bool, started, ended time.Time) (changed bool) {
	before := e.state
	e.last, e.probed, e.took = r, ended, ended.Sub(started)
	e.probes[r.Verdict]++
	if r.Notes != nil && r.Notes.Slow {
		e.slow++
	}
	if r.Verdict == Indeterminate {
		e.state.Stale = e.isStale(ended)
	} else {
		e.judged, e.state.Stale = ended, false
	}
	e.listen(r, started, ended)
	e.see(r)
	if e.tracker.Streak() == 0 {
		e.against = started
	}
	if e.tracker.Observe(r.Verdict, sighted) {
		e.state.Since, e.state.Cause, e.hearing.Began, e.hearing.First = ended, r, started, e.against
		e.state.Cause.Notes = nil // they are of one probe
	}
	e.state.Status, e.state.Turning = e.tracker.Status(), e.tracker.Turning()
	// A fail that leaves the status provisional does not answer.
	if r.Verdict != Fail || !e.tracker.Restored() {
		e.answer()
	}
	told := e.state.Heard()
	if e.state == before && told.Silent.Equal(e.hearing.Silent) && told.Asked.Equal(e.hearing.Asked) {
		return false
	}
	e.tell()
	return true
}

// see notes until when the certificate is valid that the target has shown. Where none was seen, the last one
// counts, unless the target passes without.
func (e *entry) see(r Result) {
	switch {
	case r.Notes != nil && !r.Notes.Expires.IsZero():
		e.expires, e.state.Expiring = r.Notes.Expires, time.Time{}
		if r.Notes.Expiring {
			e.state.Expiring = r.Notes.Expires
		}
	case r.Verdict == Pass:
		e.expires, e.state.Expiring = time.Time{}, time.Time{}
	}
}

// tell brings what the state says of answers up to date.
func (e *entry) tell() {
	e.state.Hearing = nil
	if hearing := e.hearing; hearing != (Hearing{}) {
		e.state.Hearing = &hearing
	}
}

// listen notes whether an answer has come.
func (e *entry) listen(r Result, started, ended time.Time) {
	e.hearing.Asked = time.Time{}
	switch {
	case r.Verdict == Indeterminate:
	case r.Verdict == Pass || !r.Blank:
		e.hearing.Silent = time.Time{}
		if !e.target.IsPassive() {
			e.hearing.Heard = ended
		}
	default:
		e.hearing.Missed = ended
		if e.hearing.Silent.IsZero() {
			e.hearing.Silent = started
		}
	}
}

// staleAt is when the status becomes stale if no verdict comes before. A new target has as much
// time from its beginning, or from the start.
func (e *entry) staleAt() time.Time {
	return later(e.judged, e.begun).Add(e.target.StaleAfter())
}

func (e *entry) isStale(now time.Time) bool { return now.After(e.staleAt()) }

// remark is what the log says about a result. A series of indeterminate results is logged at its
// beginning, when the reason changes, every warnAgain, and at its end. It is also logged that a
// status has become stale.
type remark struct {
	loud   bool          // it could not judge
	blind  time.Duration // it could judge again after so long; 0: there was no series
	stale  bool          // the status has become stale
	status Status
	judged time.Time
}

// remark updates the series with a result that is about to be observed.
func (e *entry) remark(r Result, now time.Time) remark {
	if r.Verdict != Indeterminate {
		if e.blind.IsZero() {
			return remark{}
		}
		over := remark{blind: now.Sub(e.blind)}
		e.blind = time.Time{}
		return over
	}
	said := remark{stale: !e.state.Stale && e.isStale(now), status: e.state.Status, judged: e.judged}
	if e.blind.IsZero() {
		e.blind, e.warned = now, time.Time{}
	}
	if r.Reason != e.last.Reason || now.Sub(e.warned) >= warnAgain {
		said.loud, e.warned = true, now
	}
	return said
}

// answer releases those who wait for the first verdict.
func (e *entry) answer() {
	e.answered, e.state.Awaited = true, false
	e.release()
}

// release releases those who wait, with or without a verdict.
func (e *entry) release() {
	if e.waiters != nil {
		close(e.waiters)
		e.waiters = nil
	}
}

func (e *entry) report() Report {
	failed, of := e.tracker.Failures()
	return Report{
		Failed:   failed,
		Of:       of,
		Target:   *e.target,
		State:    e.state,
		Last:     e.last,
		Probed:   e.probed,
		Judged:   e.judged,
		Took:     e.took,
		Streak:   e.tracker.Streak(),
		Probes:   e.probes,
		Slow:     e.slow,
		Expires:  e.expires,
		Restored: e.tracker.Restored(),
	}
}

func (m *Monitor) record(e *entry) Record {
	return Record{
		ID:          e.target.ID,
		Fingerprint: e.target.Fingerprint,
		Status:      e.state.Status,
		Since:       e.state.Since,
		Judged:      m.judgedAt(e),
		Reason:      e.state.Cause.Reason,
		Detail:      e.state.Cause.Detail,
	}
}

// verdictFor is the verdict that leads to a status.
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

// Record is what the next run needs to know of a target.
type Record struct {
	ID          TargetID  `json:"id"`
	Fingerprint string    `json:"fingerprint"`
	Status      Status    `json:"status"`
	Since       time.Time `json:"since"`  // when Status became what it is
	Judged      time.Time `json:"judged"` // when the last pass or fail came
	Reason      string    `json:"reason"` // of the Result that made the status
	Detail      string    `json:"detail"`
}

// Report is what an operator is shown of a target.
type Report struct {
	Target Target
	State  State
	Last   Result        // of the last probe, whatever its verdict
	Probed time.Time     // when the last probe ended; zero: none has
	Judged time.Time     // when the last pass or fail came, of this run or an earlier one
	Took   time.Duration // how long the last probe took
	Streak int           // how many verdicts in a row speak against the status
	// Failed is how many of the last Of verdicts were fails, whatever the status.
	Failed, Of int
	Probes     [3]uint64 // by Verdict, of this run
	Slow       uint64    // of them, those that took longer than the check calls slow
	Expires    time.Time // when the certificate ends that the target has shown; zero: it has shown none
	// Restored says that the status is an earlier run's, and nothing of this run has
	// confirmed it yet.
	Restored bool
}

// Reports is what is known of every target, by ID.
func (m *Monitor) Reports() []Report {
	return each(m, m.report)
}

// Records is what the next run needs to know: every target that was judged in this run or restored
// from an earlier one, by ID.
func (m *Monitor) Records() []Record {
	return slices.DeleteFunc(each(m, m.record), func(r Record) bool { return r.Status == Unknown })
}

// each applies a function to every entry, by ID. The lock is held for one entry at a time, so that
// no probe is delayed.
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
