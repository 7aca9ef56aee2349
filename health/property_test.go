package health

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// act is what one probe of a script does.
type act struct {
	takes   time.Duration
	verdict Verdict
	hangs   bool
}

// script is a target with what its probes will do, one after the other and then again.
type script struct {
	target Target
	acts   []act
	prior  Status
}

func drawScript(t *rapid.T, id TargetID) script {
	milliseconds := func(from, to int, label string) time.Duration {
		return time.Duration(rapid.IntRange(from, to).Draw(t, label)) * time.Millisecond
	}
	target := newTarget(id)
	target.Interval = milliseconds(100, 10_000, "interval")
	target.FastInterval = milliseconds(50, int(target.Interval/time.Millisecond), "fast interval")
	target.Timeout = milliseconds(10, int(target.Interval/time.Millisecond)-1, "timeout")
	target.Rise = rapid.IntRange(1, 4).Draw(t, "rise")
	target.Fall = rapid.IntRange(1, 4).Draw(t, "fall")
	acts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) act {
		return act{
			takes:   milliseconds(0, int(target.Timeout/time.Millisecond)-1, "takes"),
			verdict: rapid.SampledFrom([]Verdict{Indeterminate, Pass, Fail}).Draw(t, "verdict"),
			hangs:   rapid.IntRange(0, 9).Draw(t, "hangs") == 0,
		}
	}), 1, 12).Draw(t, "acts")
	return script{target, acts, rapid.SampledFrom([]Status{Unknown, Up, Down}).Draw(t, "prior")}
}

// probe acts out the script, n being the number of the probe.
func (s script) probe(n *int) Probe {
	return func(ctx context.Context) Result {
		a := s.acts[*n%len(s.acts)]
		*n++
		if a.hangs {
			return hang(ctx)
		}
		timer := time.NewTimer(a.takes)
		defer timer.Stop()
		select {
		case <-timer.C:
			return Result{Verdict: a.verdict, Reason: "scripted"}
		case <-ctx.Done(): // the monitor stops: nothing else comes before the timer
			return Result{Verdict: Fail, Reason: "timeout"}
		}
	}
}

// verdict is that of the probe of a number.
func (s script) verdict(n int) Verdict {
	if a := s.acts[n%len(s.acts)]; !a.hangs {
		return a.verdict
	}
	return Fail
}

// sightOf is when a probe of any script passed for the first time.
func sightOf(w *world, scripts []script) (sight time.Time) {
	for _, s := range scripts {
		for i, at := range w.spans(s.target.ID) {
			if !at.end.IsZero() && s.verdict(i) == Pass && (sight.IsZero() || at.end.Before(sight)) {
				sight = at.end
			}
		}
	}
	return sight
}

// check finds what was wrong with the schedule and the status of a script that ran. It
// trusts Tracker, which has a property of its own.
func (s script) check(spans []span, report Report, begun, sight, now time.Time) error {
	tracker := NewTracker(s.target.Rise, s.target.Fall)
	tracker.Restore(s.prior)
	phased := false
	for i, at := range spans {
		if at.end.IsZero() {
			if i != len(spans)-1 {
				return fmt.Errorf("probe %d has not ended, but there are %d", i, len(spans))
			}
			break
		}
		tracker.Observe(s.verdict(i), sighted(sight, at.start, at.end))

		earliest, latest := at.start.Add(s.target.Interval*9/10-1), at.start.Add(s.target.Interval)
		switch {
		case tracker.Turning():
			earliest = at.start.Add(s.target.FastInterval)
			latest = earliest
		case !phased:
			phased, earliest = true, at.start
		}
		earliest, latest = later(earliest, at.end), later(latest, at.end)
		if tracker.Restored() && tracker.Turning() && sight.After(at.end) && sight.Before(latest) {
			earliest, latest = sight, sight // the first pass of all has it probed at once
		}
		next := now
		if i+1 < len(spans) {
			next = spans[i+1].start
			if next.Before(earliest) {
				return fmt.Errorf("probe %d came %s too early", i+1, earliest.Sub(next))
			}
		}
		if next.After(latest) {
			return fmt.Errorf("probe %d came %s too late, or not at all", i+1, next.Sub(latest))
		}
	}
	if len(spans) == 0 || spans[0].start.Sub(begun) > 10*time.Millisecond {
		return fmt.Errorf("the first of %d probes came late", len(spans))
	}
	want := step{Status: tracker.Status(), Streak: tracker.Streak(), Turning: tracker.Turning(), Restored: tracker.Restored()}
	got := step{Status: report.State.Status, Streak: report.Streak, Turning: report.State.Turning, Restored: report.Restored}
	if got != want {
		return fmt.Errorf("after %d probes it is %+v, want %+v", len(spans), got, want)
	}
	return nil
}

func TestAnySchedule(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var scripts []script
		for i := range rapid.IntRange(1, 5).Draw(r, "targets") {
			scripts = append(scripts, drawScript(r, TargetID(fmt.Sprint(i))))
		}
		lasts := time.Duration(rapid.IntRange(1, 60).Draw(r, "seconds")) * time.Second

		var errs []error // rapid fails by a panic, which may not leave the bubble's goroutine
		synctest.Test(t, func(t *testing.T) { errs = perform(t, scripts, lasts) })
		if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
			r.Fatalf("target %d: %v", i, errs[i])
		}
	})
}

// perform runs a monitor over the scripts and returns what was wrong with each.
func perform(t *testing.T, scripts []script, lasts time.Duration) []error {
	w := newWorld()
	prior := map[TargetID]Record{}
	var targets []Target
	for _, s := range scripts {
		w.set(s.target.ID, s.probe(new(int)))
		targets = append(targets, s.target)
		prior[s.target.ID] = Record{Fingerprint: "1", Status: s.prior}
	}
	m := NewMonitor(MonitorOptions{Make: w.make, Light: w.light})
	mustAdd(t, m, targets, prior)
	begun := time.Now()
	run(t, m)
	after(lasts)

	errs := make([]error, len(scripts))
	for i, s := range scripts {
		errs[i] = s.check(w.spans(s.target.ID), reportOf(t, m, s.target.ID), begun, sightOf(w, scripts), time.Now())
	}
	if len(w.doubled) > 0 {
		errs[0] = fmt.Errorf("probed twice at once: %v", w.doubled)
	}
	return errs
}
