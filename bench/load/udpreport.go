package load

import (
	"slices"
	"time"
)

// UDPReport is what became of every query of a run.
type UDPReport struct {
	Begun  time.Time
	Rcodes [16]int // replies by response code

	interval  time.Duration
	latencies []time.Duration // 0: lost
}

// due is when a query is to be sent, from the beginning of the run.
func (r *UDPReport) due(number int) time.Duration { return time.Duration(number) * r.interval }

// Sent is how many queries were sent.
func (r *UDPReport) Sent() int { return len(r.latencies) }

// Between is the part of the report on the queries that were due from one moment to another.
// Its Rcodes are empty.
func (r *UDPReport) Between(from, to time.Time) *UDPReport {
	number := func(at time.Time) int {
		n := int((at.Sub(r.Begun) + r.interval - 1) / r.interval)
		return min(max(n, 0), len(r.latencies))
	}
	first := number(from)
	return &UDPReport{
		Begun:     r.Begun.Add(r.due(first)),
		interval:  r.interval,
		latencies: r.latencies[first:max(first, number(to))],
	}
}

// Lost is how many queries had no reply.
func (r *UDPReport) Lost() int {
	lost := 0
	for _, latency := range r.latencies {
		if latency == 0 {
			lost++
		}
	}
	return lost
}

// Latency is the one below which the fraction q of those answered lies: 0.999, or 1 for the
// greatest. It is 0 where none was answered.
func (r *UDPReport) Latency(q float64) time.Duration {
	answered := slices.DeleteFunc(slices.Clone(r.latencies), func(d time.Duration) bool { return d == 0 })
	if len(answered) == 0 {
		return 0
	}
	slices.Sort(answered)
	return answered[min(int(q*float64(len(answered))), len(answered)-1)]
}
