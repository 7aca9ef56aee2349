package soak

import (
	"strings"
	"testing"

	"gslb/bench/load"
	"gslb/integration/figures"
)

func TestReport(t *testing.T) {
	for _, c := range []struct {
		name   string
		leak   float64 // descriptors, from one sample to the next
		rcodes [16]int
		err    string
	}{
		{name: "flat"},
		{name: "a descriptor lost now and then", leak: 0.2, err: "descriptors grew from 41 to 51"},
		{name: "a wrong answer", rcodes: [16]int{0: 10, 3: 1}, err: "1 queries for steered names were answered with NXDOMAIN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			s := &soak{Report: &figures.Report{Out: &out}}
			for i := range 60 {
				noise := float64(i % 2)
				s.samples = append(s.samples, sample{
					resident: (50 + noise) * (1 << 20), heap: (20 + noise) * (1 << 20), goroutines: 40 + noise,
					descriptors: 40 + noise + c.leak*float64(i),
				})
			}
			err := s.report(&load.UDPReport{Rcodes: c.rcodes})
			if (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if !strings.Contains(out.String(), "| 6 of 6           |         50.5 MiB | 51.0 MiB |") {
				t.Errorf("the report:\n%s", out.String())
			}
		})
	}
}

func TestTooFewSamples(t *testing.T) {
	s := &soak{Report: &figures.Report{}, samples: make([]sample, rows-1)}
	if err := s.report(nil); err == nil || err.Error() != "only 5 samples could be taken" {
		t.Error(err)
	}
}
