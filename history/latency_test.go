package history

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gslb/health"
)

// TestLatencies compares what is told of probes with the probes themselves.
func TestLatencies(t *testing.T) {
	type verdict struct {
		minute int
		health.Verdict
		took time.Duration
	}
	rapid.Check(t, func(rt *rapid.T) {
		l := newLatency()
		at := begin
		var all []verdict
		for range rapid.IntRange(0, 300).Draw(rt, "probes") {
			at += time.Duration(rapid.Int64Range(0, int64(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 90 * time.Minute}).Draw(rt, "scale"))).Draw(rt, "after"))
			v := verdict{number(at, SparkTime), rapid.SampledFrom([]health.Verdict{health.Pass, health.Pass, health.Fail, health.Indeterminate}).Draw(rt, "verdict"),
				time.Duration(rapid.Int64Range(1<<leastBits, int64(30*time.Second)).Draw(rt, "took"))}
			l.count(v.Verdict, v.took, true, at)
			all = append(all, v)
		}
		now := number(at, SparkTime)
		// passes of some minutes, and the part of fails
		of := func(from, to int) (took []time.Duration, failed float64) {
			fails, verdicts := 0, 0
			for _, v := range all {
				if v.minute < from || v.minute > to || v.Verdict == health.Indeterminate {
					continue
				}
				verdicts++
				if v.Verdict == health.Fail {
					fails++
				} else {
					took = append(took, v.took)
				}
			}
			slices.Sort(took)
			if verdicts == 0 {
				return took, -1
			}
			return took, float64(fails) / float64(verdicts)
		}
		var r Report
		l.report(&r, at)
		took, failed := of(now-recentMinutes+1, now)
		if r.Failed != failed {
			rt.Errorf("%v failed, want %v", r.Failed, failed)
		}
		near(rt, "p50", r.P50, took, 0.5, 0)
		near(rt, "p99", r.P99, took, 0.99, 0)
		if len(r.Spark) != Sparks {
			rt.Fatalf("%d minutes", len(r.Spark))
		}
		for i, got := range r.Spark {
			took, _ := of(now-Sparks+1+i, now-Sparks+1+i)
			near(rt, "spark", got, took, 0.5, none)
		}
	})
}

// near fails if a quantile is not as near to that of what was measured as the buckets allow; without any, it
// must be otherwise.
func near(t *rapid.T, what string, got time.Duration, took []time.Duration, q float64, otherwise time.Duration) {
	t.Helper()
	if len(took) == 0 {
		if got != otherwise {
			t.Errorf("%s is %s, and nothing was measured", what, got)
		}
		return
	}
	want := took[max(0, int(math.Ceil(q*float64(len(took))))-1)]
	if ratio := float64(got) / float64(want); ratio < 0.79 || ratio > 1.26 { // both ends of one bucket
		t.Errorf("%s is %s, want %s", what, got, want)
	}
}

func TestBuckets(t *testing.T) {
	for i := range buckets {
		low, high := lowest(i), lowest(i+1)
		for _, took := range []time.Duration{low, (low + high) / 2, high - 1} {
			if got := bucketOf(took); got != i {
				t.Errorf("%s is in bucket %d, want %d (%s to %s)", took, got, i, low, high)
			}
		}
	}
	for took, want := range map[time.Duration]int{-1: 0, 0: 0, time.Microsecond: 0, time.Hour: buckets - 1, math.MaxInt64: buckets - 1} {
		if got := bucketOf(took); got != want {
			t.Errorf("%s is in bucket %d, want %d", took, got, want)
		}
	}
}
