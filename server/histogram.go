package server

import (
	"sync/atomic"
)

// The bounds of histograms.
var (
	sizeBounds     = [...]int{64, 128, 256, 512, udpPayload, 4096, 16384, 65535}
	durationBounds = [...]int{ // nanoseconds
		1e3, 4e3, 16e3, 64e3, 256e3, 1024e3, 4096e3, 16384e3, 65536e3, 262144e3,
	}
)

// maxBounds is the size of the longest list of bounds.
const maxBounds = len(durationBounds)

// histogram counts values by upper bounds. It is safe for concurrent use.
type histogram struct {
	bounds []int // ascending
	counts [maxBounds + 1]atomic.Uint64
	sum    atomic.Uint64
}

// add counts a value n times.
func (h *histogram) add(value, n int) {
	place := 0
	for place < len(h.bounds) && value > h.bounds[place] {
		place++
	}
	h.counts[place].Add(uint64(n))
	h.sum.Add(uint64(value) * uint64(n))
}

// totals adds what was counted to sums: how many, their sum, and how many up to each bound, in
// the unit that is so many of the histogram's own.
func (h *histogram) totals(t *histogramTotals, unit float64) {
	if t.buckets == nil {
		t.buckets = make(map[float64]uint64, len(h.bounds))
	}
	cumulative := uint64(0)
	for i := range len(h.bounds) + 1 {
		cumulative += h.counts[i].Load()
		if i < len(h.bounds) {
			t.buckets[float64(h.bounds[i])/unit] += cumulative
		}
	}
	t.count += cumulative
	t.sum += float64(h.sum.Load()) / unit
}

// histogramTotals is several histograms in one, as Prometheus takes it.
type histogramTotals struct {
	count   uint64
	sum     float64
	buckets map[float64]uint64 // how many up to each bound
}
