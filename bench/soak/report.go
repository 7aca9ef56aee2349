package soak

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"

	"gslb/bench/load"
	"gslb/integration/figures"
)

// sample is what the server takes at one moment.
type sample struct {
	resident, heap, goroutines, descriptors float64
}

// rows are how many parts the time is shown in.
const rows = 6

// growth is by how much the median of the last row may exceed that of the first. After half an
// hour, any leak exceeds it.
const growth = 1.10

// look takes a sample now and then, once the server is warm.
func (s *soak) look(ctx context.Context) error {
	begun := time.Now()
	return every(ctx, sampleEvery, func() error {
		if time.Since(begun) < s.warm {
			return nil
		}
		series, err := s.server.Metrics(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			s.Say("no sample after %v: %v", time.Since(begun).Round(time.Second), err)
			return nil
		}
		s.samples = append(s.samples, sample{
			resident:    series["process_resident_memory_bytes"],
			heap:        series["go_memstats_heap_alloc_bytes"],
			goroutines:  series["go_goroutines"],
			descriptors: series["process_open_fds"],
		})
		if last := s.samples[len(s.samples)-1]; len(s.samples)%12 == 0 {
			s.Say("%v: %s resident, %.0f goroutines, %.0f descriptors", time.Since(begun).Round(time.Second),
				figures.Mebibytes(last.resident), last.goroutines, last.descriptors)
		}
		return nil
	})
}

// taken is one thing that the server takes, in a row.
type taken struct {
	name string
	of   func(sample) float64
	text func(float64) string
}

func resources() []taken {
	count := func(n float64) string { return fmt.Sprintf("%.0f", n) }
	return []taken{
		{"resident", func(s sample) float64 { return s.resident }, figures.Mebibytes},
		{"heap", func(s sample) float64 { return s.heap }, figures.Mebibytes},
		{"goroutines", func(s sample) float64 { return s.goroutines }, count},
		{"descriptors", func(s sample) float64 { return s.descriptors }, count},
	}
}

// report shows the samples row by row, and what became of the queries.
func (s *soak) report(answers *load.UDPReport) error {
	if len(s.samples) < rows {
		return fmt.Errorf("only %d samples could be taken", len(s.samples))
	}
	t := &figures.Table{}
	head := []string{"part of the time"}
	for _, r := range resources() {
		head = append(head, r.name+", median", "most")
	}
	t.Row(head...)
	medians := make(map[string][]float64)
	for row := range rows {
		part := s.samples[row*len(s.samples)/rows : (row+1)*len(s.samples)/rows]
		cells := []string{fmt.Sprintf("%d of %d", row+1, rows)}
		for _, r := range resources() {
			var values figures.Sample
			for _, sample := range part {
				values = append(values, r.of(sample))
			}
			medians[r.name] = append(medians[r.name], values.Median())
			cells = append(cells, r.text(values.Median()), r.text(values.Quantile(1)))
		}
		t.Row(cells...)
	}
	s.Table(t, "%v, after %v: %d pools of which most fail, each in its own way, %d names, %d queries/s, a new configuration every %v (%d in all), garbage, lingering connections.\n%s",
		s.time, s.warm, pools, names, s.rate, s.reloadEvery, s.reloads, figures.Host())
	errs := []error{s.judgeAnswers(answers)}
	for _, r := range resources() {
		m := medians[r.name]
		if first, last := m[0], m[rows-1]; last > first*growth {
			errs = append(errs, fmt.Errorf("%s grew from %s to %s", r.name, r.text(first), r.text(last)))
		}
	}
	return errors.Join(errs...)
}

// judgeAnswers shows what became of the queries, and fails if one was answered wrongly: every
// name has addresses at all times.
func (s *soak) judgeAnswers(a *load.UDPReport) error {
	s.Print("Queries: %d, lost %d (%.4f %%); latency p99 %s, p99.9 %s, at most %s.",
		a.Sent(), a.Lost(), 100*float64(a.Lost())/float64(max(1, a.Sent())),
		figures.Milliseconds(a.Latency(0.99)), figures.Milliseconds(a.Latency(0.999)), figures.Milliseconds(a.Latency(1)))
	for rcode, count := range a.Rcodes {
		if rcode != dns.RcodeSuccess && count > 0 {
			return fmt.Errorf("%d queries for steered names were answered with %s", count, dns.RcodeToString[rcode])
		}
	}
	return nil
}
