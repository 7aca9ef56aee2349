package health

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// firsts is when each target was first probed, sorted.
func firsts(w *world, targets []Target) []time.Time {
	var starts []time.Time
	for _, t := range targets {
		for _, s := range w.spans(t.ID)[:1] {
			starts = append(starts, s.start)
		}
	}
	slices.SortFunc(starts, time.Time.Compare)
	return starts
}

func TestFirstProbesAreSpread(t *testing.T) {
	for _, test := range []struct {
		name    string
		targets int
		within  time.Duration
	}{
		{"one", 1, time.Millisecond},
		{"a handful", 10, 2 * time.Millisecond},
		{"a thousand", 1000, 200 * time.Millisecond},
		{"ten thousand", 10_000, 2 * time.Second},
		{"more", 15_000, 2 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, targets := newWorld(), newTargets(test.targets)
				begun := time.Now()
				start(t, w, targets...)
				after(test.within)

				starts := firsts(w, targets)
				if len(starts) != test.targets {
					t.Fatalf("%d of %d were probed within %s", len(starts), test.targets, test.within)
				}
				const slices = 10
				var load [slices]int
				for _, s := range starts {
					load[min(int(s.Sub(begun)*slices/test.within), slices-1)]++
				}
				for i, n := range load {
					if most := test.targets/slices + 2; n > most {
						t.Errorf("tenth %d of the spread has %d starts, want at most %d", i, n, most)
					}
				}
			})
		})
	}
}

func TestFirstProbesAreSpreadFromRunOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, targets := newWorld(), newTargets(1000)
		m := NewMonitor(MonitorOptions{Make: w.make})
		mustAdd(t, m, targets, nil)
		after(time.Hour)
		run(t, m)
		after(time.Second)
		starts := firsts(w, targets)
		if took := starts[len(starts)-1].Sub(starts[0]); took < 190*time.Millisecond {
			t.Errorf("the targets that were added before Run all started within %s", took)
		}
	})
}

func TestLoadIsEven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, targets := newWorld(), newTargets(10_000)
		m := start(t, w, targets...)
		after(10 * time.Second) // every target has its place by now
		begun := time.Now()
		after(5 * time.Second)

		var load [10]int // by half seconds; about 10,000/9.5 are expected in each
		for _, target := range targets {
			for _, s := range w.spans(target.ID) {
				if i := s.start.Sub(begun) / (500 * time.Millisecond); s.start.After(begun) && i < 10 {
					load[i]++
				}
			}
		}
		for i, n := range load {
			if n < 800 || n > 1300 {
				t.Errorf("half second %d has %d starts: %v", i, n, load)
			}
		}
		if n := len(m.Reports()); n != len(targets) {
			t.Errorf("%d reports", n)
		}
	})
}

func TestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, targets := newWorld(), newTargets(200)
		start(t, w, targets...)
		after(2 * time.Minute)

		var shortest, longest = time.Hour, time.Duration(0)
		for _, target := range targets {
			spans := w.spans(target.ID)
			if second := spans[1].start.Sub(spans[0].start); second > target.Interval {
				t.Errorf("the second probe of %s came after %s", target.ID, second)
			}
			for i := 2; i < len(spans); i++ {
				gap := spans[i].start.Sub(spans[i-1].start)
				shortest, longest = min(shortest, gap), max(longest, gap)
			}
		}
		if shortest < 4500*time.Millisecond || longest > 5*time.Second {
			t.Errorf("the gaps are %s to %s, want within 4.5s and 5s", shortest, longest)
		}
		if longest-shortest < 450*time.Millisecond {
			t.Errorf("the gaps are %s to %s: no jitter", shortest, longest)
		}
	})
}

func TestSettledTargetsShareABeat(t *testing.T) {
	for _, test := range []struct{ interval, beat time.Duration }{
		{5 * time.Second, 10 * time.Millisecond},
		{200 * time.Millisecond, 10 * time.Millisecond},
		{100 * time.Millisecond, 5 * time.Millisecond},
		{time.Millisecond, 50 * time.Microsecond},
	} {
		t.Run(test.interval.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, targets := newWorld(), newTargets(50)
				for i := range targets {
					targets[i].Interval, targets[i].FastInterval, targets[i].Timeout = test.interval, 0, test.interval/2
				}
				start(t, w, targets...)
				after(10*time.Millisecond + 10*test.interval)
				for _, target := range targets {
					spans := w.spans(target.ID)
					for i := 2; i < len(spans); i++ { // the first two are spread
						if off := time.Duration(spans[i].start.UnixNano()) % test.beat; off != 0 {
							t.Fatalf("probe %d of %s is %s off the beat", i, target.ID, off)
						}
						if gap := spans[i].start.Sub(spans[i-1].start); gap < test.interval*9/10 || gap > test.interval {
							t.Fatalf("probe %d of %s came after %s", i, target.ID, gap)
						}
					}
				}
			})
		})
	}
}

func TestTheShortestIntervalHasABeat(t *testing.T) {
	target := Target{Interval: 1, Rise: 1, Fall: 1}
	e := newEntry(&target, prober{})
	e.phased = true
	now := time.Now()
	if next := e.next(now, now); next.Before(now) || next.After(now.Add(target.Interval)) {
		t.Errorf("the next probe is %s after this one", next.Sub(now))
	}
}

func TestFastIntervalWhileTurning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const id = "web@192.0.2.1"
		w := newWorld()
		m := start(t, w, newTarget(id))
		after(30 * time.Second)
		w.set(id, fail)
		before := w.probed(id)
		after(15 * time.Second)
		w.set(id, pass)
		recovered := w.probed(id)
		after(15 * time.Second)

		if r := reportOf(t, m, id); r.State.Status != Up {
			t.Fatalf("it is %s", r.State.Status)
		}
		gaps := func(from, n int) (gaps []time.Duration) {
			spans := w.spans(id)
			for i := from; i < from+n; i++ {
				gaps = append(gaps, spans[i+1].start.Sub(spans[i].start))
			}
			return gaps
		}
		// Three fails turn it down, two passes turn it up; between them, the count is open.
		for _, turn := range []struct {
			name         string
			from, needed int
		}{{"down", before, 3}, {"up", recovered, 2}} {
			all := gaps(turn.from-1, turn.needed+1)
			for i, gap := range all {
				turning := i > 0 && i < turn.needed
				if turning && gap != time.Second {
					t.Errorf("turning %s: gaps %v, want 1s at %d", turn.name, all, i)
				}
				if !turning && (gap < 4500*time.Millisecond || gap > 5*time.Second) {
					t.Errorf("turning %s: gaps %v, want about 5s at %d", turn.name, all, i)
				}
			}
		}
	})
}

// A probe that outlasts the fast interval is followed by the next without a pause.
func TestFastIntervalShorterThanTheProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const id = "web@192.0.2.1"
		w := newWorld()
		start(t, w, newTarget(id))
		after(30 * time.Second)
		w.set(id, hang)
		first := w.probed(id)
		after(15 * time.Second)
		spans := w.spans(id)
		for i := first; i < first+2; i++ {
			if gap := spans[i+1].start.Sub(spans[i].end); gap != 0 {
				t.Errorf("probe %d began %s after the one before had timed out", i-first+1, gap)
			}
		}
	})
}

func TestFailoverIsBounded(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault Probe
		takes time.Duration
	}{
		{"fails at once", fail, 0},
		{"fails slowly", func(context.Context) Result {
			time.Sleep(300 * time.Millisecond)
			return Result{Verdict: Fail, Reason: "status"}
		}, 300 * time.Millisecond},
		{"hangs", hang, 2 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, targets := newWorld(), newTargets(300)
				m := start(t, w, targets...)
				after(21 * time.Second)
				m.Take()

				begun := time.Now()
				for _, target := range targets {
					w.set(target.ID, test.fault)
				}
				t0 := targets[0]
				bound := t0.Interval + time.Duration(t0.Fall-1)*max(t0.FastInterval, test.takes) + test.takes
				after(bound)
				_, transitions := m.Take()
				if len(transitions) != len(targets) {
					t.Errorf("%d of %d are down after %s", len(transitions), len(targets), bound)
				}
				for _, tr := range transitions {
					if took := tr.At.Sub(begun); took < bound-t0.Interval {
						t.Errorf("%s was down after %s, before three probes could tell", tr.Target.ID, took)
					}
				}
			})
		})
	}
}

func TestAHungTargetDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, targets := newWorld(), newTargets(500)
		release := make(chan struct{})
		defer close(release)
		w.set(targets[100].ID, hang)
		w.set(targets[200].ID, deaf(release))
		begun := time.Now()
		start(t, w, targets...)
		after(time.Minute)
		for i, target := range targets {
			spans := w.spans(target.ID)
			if i == 200 {
				if len(spans) != 1 {
					t.Errorf("the probe that does not end was started %d times", len(spans))
				}
				continue
			}
			previous := begun
			for _, s := range spans {
				if gap := s.start.Sub(previous); gap > target.Interval {
					t.Errorf("%s had to wait %s", target.ID, gap)
				}
				previous = s.start
			}
			if n := len(spans); n < 12 {
				t.Errorf("%s was probed %d times in a minute", target.ID, n)
			}
		}
		if len(w.doubled) > 0 {
			t.Errorf("probed twice at once: %v", w.doubled)
		}
	})
}
