package simulate

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"gslb/health"
	"gslb/zones"
)

// prober is what health.Monitor does, with time as a value and without goroutines: which target is probed
// when, who is asked when another fails, and what states are made of verdicts.
type prober struct {
	plan     *plan
	random   *rand.Rand
	targets  []*probed
	derived  []*derived // from these, each after its operands
	snapshot *health.Snapshot
	changed  map[health.TargetID]health.State // since the snapshot

	zero   time.Time // of the plan, by this clock
	now    time.Time
	sight  time.Time
	swept  time.Time
	awaits bool // first verdicts, until settled
}

// probed is one target.
type probed struct {
	*health.Target
	tracker  *health.Tracker
	state    health.State
	hearing  health.Hearing
	probed   time.Time
	judged   time.Time
	took     time.Duration
	due      time.Time
	flying   bool
	started  time.Time
	result   health.Result
	ends     time.Time
	again    bool
	phased   bool
	answered bool
}

// newProber begins at a time, from the verdicts of the run before. The plan began at zero.
func newProber(p *plan, r *rand.Rand, set *zones.Set, prior map[health.TargetID]health.Record, now, zero time.Time) *prober {
	b := &prober{plan: p, random: r, zero: zero, awaits: true, changed: make(map[health.TargetID]health.State)}
	b.snapshot = health.NewSnapshot(now, map[health.TargetID]health.State{})
	b.add(set, prior, now)
	return b
}

// add probes the targets of a configuration too, and those that there are by its times.
func (b *prober) add(set *zones.Set, prior map[health.TargetID]health.Record, now time.Time) {
	b.now = now
	defer b.addDerived(set, prior)
	for i := range set.Targets {
		t := &set.Targets[i]
		if t.IsCalculated() || t.Aside { // heartbeats are made elsewhere
			continue
		}
		if old := b.find(t.ID); old != nil {
			old.Target = t
			old.tracker.SetThresholds(t.Rise, t.Fall)
			old.tracker.SetFlap(t.Flap)
			old.due = soonest(old.due, now.Add(t.Interval))
			continue
		}
		e := &probed{Target: t, tracker: health.NewTracker(t.Rise, t.Fall), due: now.Add(time.Duration(i) * time.Millisecond)}
		e.tracker.SetFlap(t.Flap)
		if r, known := prior[t.ID]; known && r.Fingerprint == t.Fingerprint {
			e.tracker.Restore(r.Status)
			e.state = health.State{Status: r.Status, Since: r.Since, Cause: health.Result{Reason: r.Reason, Detail: r.Detail}}
			e.judged = r.Judged
		}
		e.state.Awaited = b.awaits && e.state.Status != health.Down
		b.touch(e)
		b.targets = append(b.targets, e)
	}
}

// retain forgets all targets but those of a configuration.
func (b *prober) retain(set *zones.Set) {
	b.targets = slices.DeleteFunc(b.targets, func(e *probed) bool {
		gone := !slices.ContainsFunc(set.Targets, func(t health.Target) bool { return t.ID == e.ID })
		if gone {
			b.changed[e.ID] = health.State{}
		}
		return gone
	})
	b.retainDerived(set)
}

func (b *prober) find(id health.TargetID) *probed {
	for _, e := range b.targets {
		if e.ID == id {
			return e
		}
	}
	return nil
}

func (b *prober) touch(e *probed) { b.changed[e.ID] = e.state }

// take is the snapshot with all that has changed.
func (b *prober) take(now time.Time) *health.Snapshot {
	if len(b.changed) > 0 {
		b.derive()
		b.snapshot = b.snapshot.With(now, b.changed)
		b.changed = make(map[health.TargetID]health.State)
	}
	return b.snapshot
}

// next is when a probe begins or ends.
func (b *prober) next() (at time.Time, e *probed) {
	for _, t := range b.targets {
		due := t.due
		if t.flying {
			due = t.ends
		}
		if e == nil || due.Before(at) {
			at, e = due, t
		}
	}
	return at, e
}

// step does what is due of a target.
func (b *prober) step(e *probed, now time.Time) {
	b.now = now
	if e.flying {
		b.land(e, now)
		return
	}
	e.flying, e.started = true, now
	var took time.Duration
	e.result, took = b.plan.outcome(e.Target, now.Sub(b.zero))
	e.ends = now.Add(took)
	if !e.hearing.Silent.IsZero() && e.tracker.Decisive() {
		b.lookRound(e, now, now)
	}
}

func (b *prober) land(e *probed, now time.Time) {
	was, before := e.state, e.state.Heard()
	r := e.result
	e.flying, e.probed, e.took, e.judged = false, now, now.Sub(e.started), now
	wasSilent := !e.hearing.Silent.IsZero()
	e.hearing.Asked = time.Time{}
	if !r.Blank {
		e.hearing.Heard, e.hearing.Silent = now, time.Time{}
	} else {
		e.hearing.Missed, e.hearing.Silent = now, cmp.Or(e.hearing.Silent, e.started)
	}
	sighted := !b.sight.IsZero() && !b.sight.After(e.started.Add(e.took/3))
	doubted := e.tracker.Restored()
	if e.tracker.Observe(r.Verdict, sighted) {
		e.state.Since, e.state.Cause, e.hearing.Began = now, r, e.started
		if doubted && sighted {
			e.hearing.Silent = time.Time{}
		}
	}
	e.state.Status, e.state.Turning = e.tracker.Status(), e.tracker.Turning()
	if r.Verdict == health.Pass || !e.tracker.Restored() {
		e.answered, e.state.Awaited = true, false
	}
	if e.state != was || before.Silent != e.hearing.Silent || before.Asked != e.hearing.Asked {
		b.tell(e)
	}
	e.due = b.after(e, now)
	if e.again {
		e.again, e.due = false, now
	}
	if r.Verdict == health.Pass && b.sight.IsZero() {
		b.sight = now
		for _, other := range b.targets {
			if other.tracker.Restored() && other.tracker.Turning() && !other.flying {
				other.due = now
			}
		}
	}
	isSilent := !e.hearing.Silent.IsZero()
	switch {
	case was.Status == health.Up && e.state.Status == health.Down && isSilent:
		b.lookRound(e, e.started, now)
	case wasSilent && !isSilent:
		b.sweep(now)
	}
}

// tell brings what the state says of answers up to date.
func (b *prober) tell(e *probed) {
	hearing := e.hearing
	e.state.Hearing = &hearing
	b.touch(e)
}

// after is when a target is probed again.
func (b *prober) after(e *probed, now time.Time) time.Time {
	wait := e.Interval
	switch {
	case e.tracker.Turning():
		wait = min(e.FastInterval, e.Interval)
	case !e.phased:
		e.phased = true
		wait = b.part(e.Interval)
	default:
		wait -= b.part(e.Interval / 10)
	}
	if at := e.started.Add(wait); at.After(now) {
		return at
	}
	return now
}

func (b *prober) part(d time.Duration) time.Duration {
	return time.Duration(b.random.Int64N(int64(d) + 1))
}

func (b *prober) lookRound(failing *probed, since, now time.Time) {
	vantage := slices.ContainsFunc(b.targets, func(e *probed) bool { return e.Vantage })
	for _, e := range b.targets {
		switch {
		case vantage && !e.Vantage, e == failing, e.state.Status == health.Unknown, !e.hearing.Silent.IsZero():
		case !e.hearing.Heard.Before(since):
			if !e.state.Heard().Heard.Equal(e.hearing.Heard) {
				b.tell(e)
			}
		default:
			if e.hearing.Asked.IsZero() {
				e.hearing.Asked = now
				b.tell(e)
			}
			at := e.probed.Add(failing.Timeout/4 - e.took)
			if at.Before(now) {
				at = now
			}
			if !e.flying && at.Before(e.due) {
				e.due = at
			}
		}
	}
}

func (b *prober) sweep(now time.Time) {
	if now.Sub(b.swept) < 100*time.Millisecond {
		return
	}
	b.swept = now
	for _, e := range b.targets {
		switch {
		case e.hearing.Silent.IsZero():
		case e.flying:
			e.again = true
		default:
			e.due = now
		}
	}
}

// settle ends the waiting for first verdicts.
func (b *prober) settle() {
	b.awaits = false
	for _, e := range b.targets {
		if e.state.Awaited {
			e.state.Awaited = false
			b.touch(e)
		}
	}
}

// haveAnswered reports whether the targets of a configuration were all probed.
func (b *prober) haveAnswered(set *zones.Set) bool {
	for _, e := range b.targets {
		if !e.answered && slices.ContainsFunc(set.Targets, func(t health.Target) bool { return t.ID == e.ID }) {
			return false
		}
	}
	return true
}

// records is what the next run is told.
func (b *prober) records() []health.Record {
	var list []health.Record
	for _, e := range b.targets {
		if e.state.Status != health.Unknown {
			list = append(list, health.Record{ID: e.ID, Fingerprint: e.Fingerprint, Status: e.state.Status, Since: e.state.Since,
				Judged: e.judged, Reason: e.state.Cause.Reason, Detail: e.state.Cause.Detail})
		}
	}
	for _, d := range b.derived {
		if d.state.Status != health.Unknown {
			list = append(list, health.Record{ID: d.ID, Fingerprint: d.Fingerprint, Status: d.state.Status, Since: d.state.Since, Judged: b.now})
		}
	}
	return list
}

// soonest is the earlier of two times; the zero time means never.
func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
