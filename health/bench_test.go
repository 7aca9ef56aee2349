//go:build unix

package health

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const many = 10_000 // the targets that DESIGN wants at an interval of five seconds

// BenchmarkProbe is what the monitor itself costs for each probe: an interval that no
// schedule could keep has it launch and land empty probes as fast as it can.
func BenchmarkProbe(b *testing.B) {
	for _, n := range []int{1, 100, many} {
		b.Run(fmt.Sprintf("targets=%d", n), func(b *testing.B) {
			var left atomic.Int64
			left.Store(int64(b.N))
			done := make(chan struct{})
			result := Result{Verdict: Pass, Reason: "ok"}
			probe := func(context.Context) Result {
				if left.Add(-1) == 0 {
					close(done)
				}
				return result
			}
			targets := newTargets(n)
			for i := range targets {
				targets[i].Interval, targets[i].FastInterval = time.Nanosecond, time.Nanosecond
			}
			m := benchmarked(b, targets, probe)
			b.ReportAllocs()
			b.ResetTimer()
			stop := background(b, m)
			<-done
			b.StopTimer()
			stop()
		})
	}
}

// BenchmarkMonitor10kTargets lets 10,000 targets be probed every five seconds. One
// iteration is one second of real time, so that only the metrics that it reports mean
// anything: processor time a second, probes a second, goroutines at most, and heap.
// Each probe takes 50 ms, as one over a network might.
func BenchmarkMonitor10kTargets(b *testing.B) {
	var probes atomic.Int64
	m := benchmarked(b, newTargets(many), func(ctx context.Context) Result {
		probes.Add(1)
		timer := time.NewTimer(50 * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
			return Result{Verdict: Pass, Reason: "ok"}
		case <-ctx.Done():
			return Result{Verdict: Fail, Reason: "timeout"}
		}
	})
	defer background(b, m)()
	if missing := m.Wait(b.Context(), idsOf(newTargets(many))); len(missing) > 0 {
		b.Fatalf("%d targets were not probed", len(missing))
	}

	goroutines, cpu, n := 0, processorTime(b), probes.Load()
	seconds := 0
	b.ResetTimer()
	for b.Loop() {
		for range 100 {
			time.Sleep(10 * time.Millisecond)
			goroutines = max(goroutines, runtime.NumGoroutine())
		}
		seconds++
	}
	per := 1 / float64(seconds)
	b.ReportMetric(float64(processorTime(b)-cpu)/float64(time.Millisecond)*per, "cpu-ms/s")
	b.ReportMetric(float64(probes.Load()-n)*per, "probes/s")
	b.ReportMetric(float64(goroutines), "goroutines")
	b.ReportMetric(reachable()/many, "heap-B/target")
}

// BenchmarkTake is one Take of 10,000 targets after so many have changed.
func BenchmarkTake(b *testing.B) {
	for _, n := range []int{0, 1, 100, many} {
		b.Run(fmt.Sprintf("changed=%d", n), func(b *testing.B) {
			m := benchmarked(b, newTargets(many), pass)
			var entries []*entry
			for _, e := range m.entries {
				entries = append(entries, e)
				m.turn(e)
			}
			m.Take()
			b.ReportAllocs()
			next := 0
			for b.Loop() {
				for range n {
					m.turn(entries[next%many])
					next++
				}
				if _, transitions := m.Take(); len(transitions) != n {
					b.Fatalf("%d transitions", len(transitions))
				}
			}
		})
	}
}

// turn makes an entry's status another, as a verdict would.
func (m *Monitor) turn(e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e.state.Status = Up + Down - max(e.state.Status, Up)
	m.touch(e)
}

// BenchmarkScrape collects the metrics of 10,000 targets.
func BenchmarkScrape(b *testing.B) {
	m := benchmarked(b, newTargets(many), pass)
	c := newCollector(m)
	metrics := make(chan prometheus.Metric, 4*many)
	b.ReportAllocs()
	for b.Loop() {
		c.Collect(metrics)
		for len(metrics) > 0 {
			<-metrics
		}
	}
}

// BenchmarkReports makes the reports of 10,000 targets, as the status page does.
func BenchmarkReports(b *testing.B) {
	m := benchmarked(b, newTargets(many), pass)
	b.ReportAllocs()
	for b.Loop() {
		m.Reports()
	}
}

func benchmarked(b *testing.B, targets []Target, probe Probe) *Monitor {
	b.Helper()
	m := NewMonitor(MonitorOptions{Make: func(Target) (Probe, error) { return probe, nil }})
	if err := m.Add(targets, nil); err != nil {
		b.Fatal(err)
	}
	return m
}

// background runs the monitor until stop is called.
func background(b *testing.B, m *Monitor) (stop func()) {
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}
}

// processorTime is what this process has used so far, in user and in system mode.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// reachable is how many bytes the heap holds.
func reachable() float64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc)
}
