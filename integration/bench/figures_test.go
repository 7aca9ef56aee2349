package main

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestQuantile(t *testing.T) {
	for _, test := range []struct {
		sample sample
		q      float64
		want   float64
	}{
		{sample{7}, 0, 7},
		{sample{7}, 0.5, 7},
		{sample{7}, 1, 7},
		{sample{3, 1, 2}, 0.5, 2},
		{sample{4, 1, 3, 2}, 0.5, 2.5},
		{sample{10, 0}, 0.95, 9.5},
		{sample{5, 4, 3, 2, 1}, 1, 5},
	} {
		if got := test.sample.quantile(test.q); got != test.want {
			t.Errorf("%v: quantile(%v) = %v, want %v", test.sample, test.q, got, test.want)
		}
	}
}

func TestQuantileProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sample(rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), 1, 40).Draw(t, "sample"))
		before := slices.Clone(s)
		low, high := rapid.Float64Range(0, 1).Draw(t, "low"), rapid.Float64Range(0, 1).Draw(t, "high")
		if low > high {
			low, high = high, low
		}
		const rounding = 1e-3
		if s.quantile(low) > s.quantile(high)+rounding {
			t.Errorf("quantile(%v) > quantile(%v)", low, high)
		}
		if s.quantile(0) != slices.Min(s) || s.quantile(1) != slices.Max(s) {
			t.Errorf("quantiles 0 and 1 are %v and %v", s.quantile(0), s.quantile(1))
		}
		if !slices.Equal(s, before) {
			t.Error("the sample was changed")
		}
	})
}

func TestTable(t *testing.T) {
	table := &table{}
	table.row("program", "CPU a check")
	table.row("gslb", "99 µs")
	want := "" +
		"| program | CPU a check |\n" +
		"| ------- | ----------: |\n" +
		"| gslb    |       99 µs |\n"
	if diff := cmp.Diff(want, table.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

// TestBound compares the bound with the latest end of a schedule, acted out.
func TestBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		duration := func(name string) time.Duration {
			return time.Duration(rapid.IntRange(0, 5000).Draw(t, name)) * time.Millisecond
		}
		s := settings{Interval: duration("interval"), Fast: duration("fast"), Fall: rapid.IntRange(1, 5).Draw(t, "fall")}
		failing := duration("failing")

		now := s.Interval // a probe has passed at 0, just before the fault
		for fails := 0; ; {
			started := now
			now = now + failing
			if fails++; fails == s.Fall {
				break
			}
			now = max(now, started+s.Fast)
		}
		if got := s.bound(failing); got != now {
			t.Errorf("bound = %v, acted out %v", got, now)
		}
	})
}
