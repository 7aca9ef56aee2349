package health

import (
	"errors"
	"fmt"
	"time"
)

// Add makes the monitor probe targets, beside those that it has:
//
//   - A target with an ID that is not known yet is started. If prior has its ID with the
//     same Fingerprint, it starts from that status, else from Unknown.
//   - A known ID with the same Fingerprint keeps all that is known of it, and from now on
//     goes by the new thresholds and intervals; a probe under way keeps its old timeout.
//   - A known ID with another Fingerprint gets the new probe. Its status stays believed
//     until the new probe has judged. A probe under way is cancelled and does not count;
//     the new one begins when it has ended.
//
// An error joins all that is wrong with any of the targets, and then nothing has changed.
func (m *Monitor) Add(targets []Target, prior map[TargetID]Record) error {
	m.configuring.Lock()
	defer m.configuring.Unlock()

	if err := validate(targets); err != nil {
		return err
	}
	probes, err := m.makeProbes(targets)
	if err != nil {
		return err
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	var fresh []*entry // to be probed as soon as the spread allows
	for i := range targets {
		target := new(targets[i]) // one by one, so that none keeps the others in memory
		e, known := m.entries[target.ID]
		probe, remade := probes[target.ID]
		switch {
		case !known:
			fresh = append(fresh, m.enter(target, probe, prior))
		case remade:
			flying := e.flight != nil
			e.replace(target, probe)
			m.touch(e)
			if !flying { // else its end, which is near, makes the target due
				fresh = append(fresh, e)
			}
		default:
			m.retime(e, target, now)
		}
	}
	if m.started {
		m.spread(fresh, now)
	}
	return nil
}

// Retain stops the probes of all targets but these, and forgets what was known of them. A
// probe under way is cancelled, but not waited for.
func (m *Monitor) Retain(targets []Target) {
	m.configuring.Lock()
	defer m.configuring.Unlock()

	keep := make(map[TargetID]bool, len(targets))
	for i := range targets {
		keep[targets[i].ID] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, e := range m.entries {
		if keep[id] {
			continue
		}
		delete(m.entries, id)
		m.unschedule(e)
		e.abort()
		e.answer()
		m.gone = append(m.gone, e.target)
		m.announce()
	}
}

// validate finds what no schedule could be made of.
func validate(targets []Target) error {
	var errs []error
	seen := make(map[TargetID]bool, len(targets))
	for i := range targets {
		t := &targets[i]
		wrong := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("target %q: "+format, append([]any{t.ID}, args...)...))
		}
		if seen[t.ID] {
			wrong("given twice")
		}
		seen[t.ID] = true
		if t.Spec == nil {
			wrong("has no spec to probe by")
		}
		if t.Interval <= 0 {
			wrong("interval is %s, must be more than 0s", t.Interval)
		}
		if t.Timeout <= 0 {
			wrong("timeout is %s, must be more than 0s", t.Timeout)
		}
	}
	return errors.Join(errs...)
}

// makeProbes makes the probe of each target that has none yet or needs another.
func (m *Monitor) makeProbes(targets []Target) (map[TargetID]Probe, error) {
	probes := map[TargetID]Probe{}
	var errs []error
	for i := range targets {
		t := &targets[i]
		if m.probesAlike(t) {
			continue
		}
		probe, err := m.make(*t)
		if err != nil {
			errs = append(errs, fmt.Errorf("target %q: %w", t.ID, err))
			continue
		}
		probes[t.ID] = probe
	}
	return probes, errors.Join(errs...)
}

// probesAlike says whether the target is known, with a probe that does what it asks.
func (m *Monitor) probesAlike(t *Target) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, known := m.entries[t.ID]
	return known && e.target.Fingerprint == t.Fingerprint
}

// enter makes the entry of a target that was not known.
func (m *Monitor) enter(target *Target, probe Probe, prior map[TargetID]Record) *entry {
	e := newEntry(target, probe)
	m.entries[target.ID] = e
	record, ok := prior[target.ID]
	if ok && record.Fingerprint == target.Fingerprint && record.Status != Unknown {
		e.restore(record)
		m.touch(e)
	}
	return e
}

// retime makes an entry go by another target's thresholds and intervals.
func (m *Monitor) retime(e *entry, target *Target, now time.Time) {
	old := e.target
	e.target = target
	e.tracker.SetThresholds(target.Rise, target.Fall)

	changed := old.Interval != target.Interval || old.FastInterval != target.FastInterval
	probed := !e.probed.IsZero() // else its first probe is due soon
	if m.started && changed && probed && e.flight == nil {
		m.schedule(e, e.soonest(now))
	}
}
