package load

import (
	"slices"
	"sort"
	"time"
)

// UDPReport is what became of every query of a run.
type UDPReport struct {
	Begun      time.Time
	Took       time.Duration // for which queries were sent
	Rcodes     [16]int       // replies by response code
	ReplyBytes int64         // of all replies together

	interval  time.Duration
	moments   []time.Duration // when each was sent; nil: at even intervals
	latencies []time.Duration // 0: lost
}

// due is when a query is to be sent, or was sent, from the beginning of the run.
func (r *UDPReport) due(number int) time.Duration {
	if r.moments != nil {
		return r.moments[number]
	}
	return time.Duration(number) * r.interval
}

// Sent is how many queries were sent.
func (r *UDPReport) Sent() int { return len(r.latencies) }

// Between is the part of the report on the queries that were due from one moment to another.
// Its counts of replies are empty.
func (r *UDPReport) Between(from, to time.Time) *UDPReport {
	number := func(at time.Time) int {
		return sort.Search(len(r.latencies), func(i int) bool { return r.due(i) >= at.Sub(r.Begun) })
	}
	first := number(from)
	last := max(first, number(to))
	part := &UDPReport{Begun: r.Begun, Took: to.Sub(from), interval: r.interval, latencies: r.latencies[first:last]}
	if r.moments != nil {
		part.moments = r.moments[first:last]
	} else {
		part.Begun = r.Begun.Add(r.due(first))
	}
	return part
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

// Mean is the average latency of those answered; 0 where none was.
func (r *UDPReport) Mean() time.Duration {
	var sum time.Duration
	for _, latency := range r.latencies {
		sum += latency
	}
	return sum / time.Duration(max(1, r.Sent()-r.Lost()))
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
