package health

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"
)

// flight is one probe under way.
type flight struct {
	monitor *Monitor
	entry   *entry
	target  *Target         // as it was at the start; a reload may have changed the entry's
	prober  prober          // guarded by Monitor.mu once it was launched
	started time.Time       // when it was due, or soon after
	waited  time.Duration   // from then on, for others; written by whoever ends it
	run     context.Context // of Monitor.Run
	ctx     context.Context // of the probe, where it has one
	cancel  context.CancelFunc
	void    bool // guarded by Monitor.mu: the result is not to count
	overdue bool // guarded by Monitor.mu: it has not ended in overdueAfter timeouts
}

// dispatch starts every probe that is due, and returns the time until the next one.
func (m *Monitor) dispatch(ctx context.Context) time.Duration {
	for ctx.Err() == nil {
		f, say, wait := m.due(ctx)
		switch {
		case f != nil:
			f.begin()
		case say != nil:
			say()
		default:
			return wait
		}
	}
	return 0
}

// newFlight is the flight of a probe of a target that begins at a time.
func (m *Monitor) newFlight(ctx context.Context, e *entry, now time.Time) *flight {
	var f *flight
	if last := len(m.spare) - 1; last >= 0 {
		f, m.spare[last] = m.spare[last], nil
		m.spare = m.spare[:last]
	} else {
		f = new(flight)
	}
	*f = flight{monitor: m, entry: e, target: e.target, prober: e.prober, started: now, run: ctx}
	if f.prober.launcher == nil {
		f.ctx, f.cancel = context.WithDeadline(ctx, f.deadline())
	}
	return f
}

func (f *flight) deadline() time.Time { return f.started.Add(f.target.Timeout) }

// began is from when on the probe's time counts.
func (f *flight) began() time.Time { return f.started.Add(f.waited) }

// begin starts the probe.
func (f *flight) begin() {
	if f.cancel != nil {
		go f.fly()
		return
	}
	f.prober.launcher.Launch(f.deadline(), f)
}

// abort ends the probe soon. It is called with Monitor.mu held.
func (f *flight) abort() {
	if f.cancel != nil {
		f.cancel()
		return
	}
	f.prober.launcher.Abort()
}

// abortLaunched aborts all probes that no context ends.
func (m *Monitor) abortLaunched() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		if e.flight != nil && e.flight.cancel == nil {
			e.flight.abort()
		}
	}
}

// Land implements Landing.
func (f *flight) Land(result Result, waited time.Duration) {
	f.waited = waited
	f.end(result, nil)
	m := f.monitor
	m.mu.Lock()
	defer m.mu.Unlock()
	*f = flight{}
	m.spare = append(m.spare, f)
}

// Resume implements Landing.
func (f *flight) Resume(rest Probe, waited time.Duration) {
	m := f.monitor
	m.mu.Lock()
	defer m.mu.Unlock()
	f.ctx, f.cancel = context.WithDeadline(f.run, f.deadline())
	f.prober, f.waited = prober{probe: rest}, waited
	if f.void {
		f.cancel()
	}
	go f.fly()
}

// due looks at the top of the queue. If the target there is due, it returns what is to be done:
//
//	the target is         │ and                          │ then
//	──────────────────────┼──────────────────────────────┼────────────────────────────────────────
//	not being probed      │ there is room for a probe    │ it is probed
//	not being probed      │ as many are under way as may │ it waits until one ends
//	being probed, overdue │ that was not said            │ it is said; looked at again when stale
//	being probed, overdue │ its verdict is stale         │ it is said
//
// A probe begins when its flight does, and something is said by a call of say. If both are nil, wait is the
// time until the target is due.
func (m *Monitor) due(ctx context.Context) (f *flight, say func(), wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.queue) == 0 {
		return nil, nil, idle
	}
	e, now := m.queue[0].entry, time.Now()
	if wait := e.due.Sub(now); wait > 0 {
		return nil, nil, wait
	}
	switch {
	case e.flight == nil && m.full():
		m.unschedule(e)
		m.queueUp(e)
		return nil, m.sayFull(now), 0
	case e.flight == nil:
		e.flight = m.newFlight(ctx, e, now)
		m.inFlight++
		m.schedule(e, now.Add(overdueAfter*e.target.Timeout))
		if !e.hearing.Silent.IsZero() && e.tracker.Decisive() {
			m.lookRound(e, now)
		}
		return e.flight, nil, 0
	case !e.flight.overdue:
		e.flight.overdue = true
		m.overdue++
		m.admit()
		m.schedule(e, later(now, e.staleAt().Add(1)))
		return nil, m.sayOverdue(e.flight), 0
	}
	m.unschedule(e) // the end of the probe brings the target back
	if e.state.Stale || !e.isStale(now) {
		return nil, func() {}, 0
	}
	e.state.Stale = true
	m.touch(e)
	return nil, m.sayStale(e.target, e.state.Status, e.judged), 0
}

// full reports whether the limit on probes is reached. Overdue probes do not count: a few that
// never end would stop all others.
func (m *Monitor) full() bool { return m.most > 0 && m.inFlight-m.overdue >= m.most }

// queueUp makes a target that is due wait until there is room.
func (m *Monitor) queueUp(e *entry) {
	if !e.queued {
		e.queued = true
		m.waiting = append(m.waiting, e)
	}
}

// admit makes the target that has waited longest due.
func (m *Monitor) admit() {
	for len(m.waiting) > 0 {
		e := m.waiting[0]
		m.waiting[0] = nil
		m.waiting = m.waiting[1:]
		e.queued = false
		if m.entries[e.id] == e && e.flight == nil && e.index < 0 {
			m.schedule(e, e.due)
			return
		}
	}
}

// fly executes a probe and takes in its result.
func (f *flight) fly() {
	defer f.cancel()
	f.end(execute(f))
}

// end takes in the result of a probe. A stack is that of a panic.
func (f *flight) end(result Result, stack []byte) {
	m, ended := f.monitor, time.Now()
	counts, said := m.land(f, result, ended)
	if !counts {
		return
	}
	if m.probed != nil {
		m.probed(f.target, result.Verdict, f.began(), ended)
	}
	m.logResult(f, result, stack, said)
}

// execute calls the probe. A panic is an indeterminate result; its stack is returned.
func execute(f *flight) (result Result, stack []byte) {
	defer func() {
		if p := recover(); p != nil {
			result = Result{Verdict: Indeterminate, Reason: "panic", Detail: fmt.Sprint(p)}
			stack = debug.Stack()
		}
	}()
	return f.prober.probe(f.ctx), nil
}

// land ends a flight and schedules the next probe. It returns whether the result counts (not if the
// probe was cancelled) and what to log.
func (m *Monitor) land(f *flight, result Result, ended time.Time) (counts bool, said remark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inFlight--
	if f.overdue {
		m.overdue--
	}
	m.admit()
	e := f.entry
	e.flight = nil
	switch {
	case f.run.Err() != nil:
		m.nudge() // drain waits for the last probe
		return false, remark{}
	case m.entries[e.id] != e: // forgotten
		return false, remark{}
	case f.void:
		m.schedule(e, ended)
		return false, remark{}
	}
	said = e.remark(result, ended)
	began := f.began()
	was, wasSilent, last := e.state.Status, !e.hearing.Silent.IsZero(), e.last.Verdict
	if e.observe(result, sighted(m.sight, began, ended), began, ended) {
		m.touch(e)
	}
	if e.feed(result, ended) {
		m.touchSoon(e)
	}
	next := e.next(f.started, ended) // whoever waits for others comes no later the next time
	if e.again {
		e.again, next = false, ended
	}
	m.schedule(e, next)
	if result.Verdict == Pass && m.sight.IsZero() && !e.target.IsPassive() {
		m.see(ended)
	}
	switch isSilent := !e.hearing.Silent.IsZero(); {
	case was == Up && e.state.Status == Down && isSilent:
		m.lookRound(e, began)
	case wasSilent && !isSilent, e.target.Vantage && last == Fail && result.Verdict == Pass:
		m.sweep(ended)
	}
	m.metrics.observe(f.target, result, ended.Sub(began)) // here, since what is forgotten must not be counted
	return true, said
}

// sighted reports whether the first pass of the run came before a third of a probe's time was over. Then
// the network worked when the probe tried for the second time.
func sighted(sight, started, ended time.Time) bool {
	return !sight.IsZero() && !sight.After(started.Add(ended.Sub(started)/3))
}

// see records the first pass of this run. What failed before may have failed because the network
// was not up, and is probed again at once.
func (m *Monitor) see(now time.Time) {
	m.sight = now
	for _, e := range m.entries {
		if e.tracker.Restored() && e.tracker.Turning() && e.index >= 0 && e.flight == nil {
			m.schedule(e, now)
		}
	}
}

// logResult logs an indeterminate result as a warning and a fail at level debug. A change of status
// is logged elsewhere, when it is served.
func (m *Monitor) logResult(f *flight, result Result, stack []byte, said remark) {
	if result.Verdict == Pass && said.blind == 0 {
		return // as nearly always: without the memory that a line takes
	}
	attributes := []any{"target", f.target.ID, "check", f.target.Check,
		"reason", result.Reason, "detail", result.Detail}
	switch {
	case said.loud && stack != nil:
		m.log.Error("probe panicked; its target keeps its status", append(attributes, "stack", string(stack))...)
	case said.loud:
		m.log.Warn("probe cannot judge; its target keeps its status", attributes...)
	case said.blind > 0:
		m.log.Info("probe can judge again", append(attributes,
			"verdict", result.Verdict.String(), "after", said.blind.Round(time.Millisecond))...)
	case result.Verdict == Fail:
		m.log.Debug("probe failed", attributes...)
	}
	if said.stale {
		m.sayStale(f.target, said.status, said.judged)()
	}
}

// sayOverdue returns a function that logs that a probe does not end.
func (m *Monitor) sayOverdue(f *flight) func() {
	target, started := f.target, f.started // f may be another probe's soon
	return func() {
		m.log.Warn("probe does not end; its target keeps its status", "target", target.ID, "check", target.Check,
			"timeout", target.Timeout, "running", time.Since(started))
	}
}

// sayStale returns a function that logs that a target's verdict is stale.
func (m *Monitor) sayStale(t *Target, status Status, judged time.Time) func() {
	attributes := []any{"target", t.ID, "check", t.Check, "status", status.String()}
	if !judged.IsZero() {
		attributes = append(attributes, "age", time.Since(judged).Round(time.Second))
	}
	return func() {
		m.log.Warn("verdict is stale: for too long, no probe has confirmed or changed the status", attributes...)
	}
}

// sayFull returns a function that logs, once every warnAgain, that probes wait for each other.
func (m *Monitor) sayFull(now time.Time) func() {
	if !m.warned.IsZero() && now.Sub(m.warned) < warnAgain {
		return func() {}
	}
	m.warned = now
	return func() {
		m.log.Warn("probes come late: as many are under way as there may be; allow the process more open files, or probe less often",
			"probes", m.most)
	}
}
