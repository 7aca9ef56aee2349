package figures

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestQuantile(t *testing.T) {
	for _, test := range []struct {
		sample Sample
		q      float64
		want   float64
	}{
		{Sample{7}, 0, 7},
		{Sample{7}, 0.5, 7},
		{Sample{7}, 1, 7},
		{Sample{3, 1, 2}, 0.5, 2},
		{Sample{4, 1, 3, 2}, 0.5, 2.5},
		{Sample{10, 0}, 0.95, 9.5},
		{Sample{5, 4, 3, 2, 1}, 1, 5},
	} {
		if got := test.sample.Quantile(test.q); got != test.want {
			t.Errorf("%v: Quantile(%v) = %v, want %v", test.sample, test.q, got, test.want)
		}
	}
}

func TestQuantileProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Sample(rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), 1, 40).Draw(t, "sample"))
		before := slices.Clone(s)
		low, high := rapid.Float64Range(0, 1).Draw(t, "low"), rapid.Float64Range(0, 1).Draw(t, "high")
		if low > high {
			low, high = high, low
		}
		const rounding = 1e-3
		if s.Quantile(low) > s.Quantile(high)+rounding {
			t.Errorf("Quantile(%v) > Quantile(%v)", low, high)
		}
		if s.Quantile(0) != slices.Min(s) || s.Quantile(1) != slices.Max(s) {
			t.Errorf("quantiles 0 and 1 are %v and %v", s.Quantile(0), s.Quantile(1))
		}
		if !slices.Equal(s, before) {
			t.Error("the sample was changed")
		}
	})
}

func TestTable(t *testing.T) {
	table := &Table{}
	table.Row("program", "CPU a check")
	table.Row("gslb", "99 µs")
	want := "" +
		"| program | CPU a check |\n" +
		"| ------- | ----------: |\n" +
		"| gslb    |       99 µs |\n"
	if diff := cmp.Diff(want, table.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}
