package health

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"
)

// flight is one probe under way.
type flight struct {
	entry   *entry
	target  *Target // as it was at the start; a reload may have changed the entry's
	probe   Probe
	started time.Time
	ctx     context.Context
	cancel  context.CancelFunc
	void    bool // guarded by Monitor.mu: the result is not to count
}

// dispatch does all that is due, and returns how long there is until the next.
func (m *Monitor) dispatch(ctx context.Context) time.Duration {
	for ctx.Err() == nil {
		f, overdue, wait := m.due(ctx)
		switch {
		case f == nil:
			return wait
		case overdue:
			m.log.Warn("probe does not end; its target keeps its status",
				"target", f.target.ID, "check", f.target.Check,
				"timeout", f.target.Timeout, "running", time.Since(f.started))
		default:
			go m.fly(ctx, f)
		}
	}
	return 0
}

// due looks at the top of the queue. If that is due, it is either a target to probe, for
// which a new flight is returned, or one whose flight is overdue. Otherwise the flight is
// nil, and wait says how long there is.
func (m *Monitor) due(ctx context.Context) (f *flight, overdue bool, wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.queue) == 0 {
		return nil, false, idle
	}
	e, now := m.queue[0], time.Now()
	if wait := e.due.Sub(now); wait > 0 {
		return nil, false, wait
	}
	if e.flight != nil {
		m.unschedule(e) // said once; the end of the probe brings the target back
		return e.flight, true, 0
	}
	e.flight = &flight{entry: e, target: e.target, probe: e.probe, started: now}
	e.flight.ctx, e.flight.cancel = context.WithTimeout(ctx, e.target.Timeout)
	m.inFlight++
	m.schedule(e, now.Add(overdueAfter*e.target.Timeout))
	return e.flight, false, 0
}

// fly executes a probe and takes in its result.
func (m *Monitor) fly(ctx context.Context, f *flight) {
	defer f.cancel()
	result, stack := execute(f)
	ended := time.Now()
	counts, loud := m.land(ctx, f, result, ended)
	if !counts {
		return
	}
	m.metrics.observe(f.target, result, ended.Sub(f.started))
	m.logResult(f, result, stack, loud)
}

// logResult makes what could not judge loud, and a fail visible to who looks for it. A
// change of status is logged once it is served, and not here.
func (m *Monitor) logResult(f *flight, result Result, stack []byte, loud bool) {
	if result.Verdict == Pass {
		return
	}
	attributes := []any{"target", f.target.ID, "check", f.target.Check,
		"reason", result.Reason, "detail", result.Detail}
	switch {
	case loud && stack != nil:
		m.log.Error("probe panicked; its target keeps its status", append(attributes, "stack", string(stack))...)
	case loud:
		m.log.Warn("probe cannot judge; its target keeps its status", attributes...)
	case result.Verdict == Fail:
		m.log.Debug("probe failed", attributes...)
	}
}

// execute calls the probe. One that panics could not judge, and its stack is returned.
func execute(f *flight) (result Result, stack []byte) {
	defer func() {
		if p := recover(); p != nil {
			result = Result{Verdict: Indeterminate, Reason: "panic", Detail: fmt.Sprint(p)}
			stack = debug.Stack()
		}
	}()
	return f.probe(f.ctx), nil
}

// land ends a flight and plans the next. It says whether the result counts (it does not
// if the probe was cancelled) and whether it must be logged as a warning.
func (m *Monitor) land(ctx context.Context, f *flight, result Result, ended time.Time) (counts, loud bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inFlight--
	e := f.entry
	e.flight = nil
	switch {
	case ctx.Err() != nil:
		m.nudge() // drain counts
		return false, false
	case m.entries[e.id] != e: // forgotten
		return false, false
	case f.void:
		m.schedule(e, ended)
		return false, false
	}
	loud = e.loud(result, ended)
	if e.observe(result, f.started, ended) {
		m.touch(e)
	}
	e.answered = true
	e.answer()
	m.schedule(e, e.next(f.started, ended))
	return true, loud
}
