package simulate

import (
	"flag"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	runs     = flag.Int("runs", 500, "how many runs of TestRuns")
	from     = flag.Uint64("from", 1, "the seed of the first run")
	one      = flag.Uint64("seed", 0, "the run that is made again, and told of")
	all      = flag.Bool("all", false, "list all that fail")
	progress = flag.Bool("progress", false, "say every ten seconds how far it has come")
)

// TestRuns makes runs from successive seeds. The first that fails is made again, with all that happens.
func TestRuns(t *testing.T) {
	t.Parallel()
	if *one != 0 {
		retell(t, *one)
		return
	}
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // little is kept
	var next, wrong atomic.Uint64
	next.Store(*from)
	last := *from + uint64(*runs)
	begun := time.Now()
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for wrong.Load() == 0 {
				seed := next.Add(1) - 1
				if seed >= last {
					return
				}
				if err := run(newPlan(seed), nil); err != nil {
					if *all {
						t.Logf("%d: %v", seed, err)
						continue
					}
					wrong.CompareAndSwap(0, seed)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		workers.Wait()
		close(done)
	}()
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-tick.C:
			if *progress {
				say(t, next.Load()-*from, begun)
			}
		}
	}
	if seed := wrong.Load(); seed != 0 {
		retell(t, seed)
		return
	}
	say(t, uint64(*runs), begun)
}

func say(t *testing.T, n uint64, begun time.Time) {
	took := time.Since(begun)
	t.Logf("%d runs in %s, %.0f a second", n, took.Round(time.Second), float64(n)/took.Seconds())
}

// retell makes a run again, and says what happens.
func retell(t *testing.T, seed uint64) {
	p := newPlan(seed)
	trace := func(string) {}
	if testing.Verbose() {
		t.Log(p)
		trace = func(line string) { t.Log(line) }
	}
	if err := run(p, trace); err != nil {
		t.Errorf("the run with seed %d fails: %v\nagain, with all that happens: go test ./simulate -run TestRuns -seed %d -v", seed, err, seed)
	} else if *one == 0 {
		t.Errorf("the run with seed %d failed, and does not when it is made again", seed)
	}
}
