package history

import (
	"math/bits"
	"sync"
	"time"

	"gslb/health"
)

// latency is how the probes of one pool went of late. It takes the same memory however many there are, and
// nothing is allocated when a probe is counted. It is safe for concurrent use.
type latency struct {
	mu     sync.Mutex
	minute int // that goes on, counted from the origin of the line of time
	recent [recentMinutes]tally
	spark  [Sparks - 1]time.Duration // of the minutes before, by minute, modulo; negative: none was measured
}

// recentMinutes is of how many minutes, with the one that goes on, all is kept that is told of the last five.
const recentMinutes = 5

// tally is the probes of a minute.
type tally struct {
	fails, verdicts uint32
	passes          uint32
	took            [buckets]uint32
}

const none = time.Duration(-1)

func newLatency() *latency {
	l := new(latency)
	l.clear(0)
	return l
}

// clear makes it as if nothing had been before a minute.
func (l *latency) clear(minute int) {
	l.minute, l.recent = minute, [recentMinutes]tally{}
	for i := range l.spark {
		l.spark[i] = none
	}
}

// count takes a verdict that came at a place. One that took no time to speak of, as one that was pushed,
// has measured false.
func (l *latency) count(v health.Verdict, took time.Duration, measured bool, at time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(number(at, SparkTime))
	t := &l.recent[l.minute%recentMinutes]
	switch v {
	case health.Fail:
		t.fails++
	case health.Pass:
		if measured {
			t.passes++
			t.took[bucketOf(took)]++
		}
	default:
		return
	}
	t.verdicts++
}

// turn begins a minute, unless it has begun.
func (l *latency) turn(minute int) {
	if minute-l.minute > Sparks {
		l.clear(minute)
	}
	for l.minute < minute {
		l.spark[l.minute%len(l.spark)] = l.recent[l.minute%recentMinutes].median()
		l.minute++
		l.recent[l.minute%recentMinutes] = tally{}
	}
}

func (t *tally) median() time.Duration {
	if t.passes == 0 {
		return none
	}
	return t.quantile(0.5)
}

// report fills in what is known at a place.
func (l *latency) report(r *Report, at time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(number(at, SparkTime))
	sum := l.recent[0]
	for i := 1; i < recentMinutes; i++ {
		sum.add(&l.recent[i])
	}
	r.P50, r.P99, r.Failed = 0, 0, -1
	if sum.passes > 0 {
		r.P50, r.P99 = sum.quantile(0.5), sum.quantile(0.99)
	}
	if sum.verdicts > 0 {
		r.Failed = float64(sum.fails) / float64(sum.verdicts)
	}
	r.Spark = make([]time.Duration, Sparks)
	for i := range len(l.spark) {
		r.Spark[i] = l.spark[(l.minute+i)%len(l.spark)] // the minute that goes on has no place there yet
	}
	r.Spark[Sparks-1] = l.recent[l.minute%recentMinutes].median()
}

func (t *tally) add(other *tally) {
	t.fails += other.fails
	t.verdicts += other.verdicts
	t.passes += other.passes
	for i := range t.took {
		t.took[i] += other.took[i]
	}
}

// Times are counted by size: four buckets for each doubling, from 2^16 ns (66 µs) to 2^36 ns (69 s). So a
// quantile is wrong by an eighth at most.
const (
	leastBits   = 16
	mostBits    = 36
	perDoubling = 4
	buckets     = (mostBits - leastBits) * perDoubling
)

// bucketOf is the bucket of a time; one that is smaller or larger than all counts in the first or the last.
func bucketOf(took time.Duration) int {
	ns := uint64(max(took, 0))
	if ns < 1<<leastBits {
		return 0
	}
	log := bits.Len64(ns) - 1
	if log >= mostBits {
		return buckets - 1
	}
	return (log-leastBits)*perDoubling + int(ns>>(log-2))&(perDoubling-1)
}

// lowest is the smallest time of a bucket.
func lowest(bucket int) time.Duration {
	return time.Duration(perDoubling+bucket%perDoubling) << (leastBits + bucket/perDoubling - 2)
}

// quantile is the time that a part of the passes did not exceed, of which there must be some. Within a bucket
// they are taken to be spread evenly.
func (t *tally) quantile(q float64) time.Duration {
	rank, seen := q*float64(t.passes), 0.0
	for i, n := range t.took {
		if seen += float64(n); n > 0 && seen >= rank {
			low, high := lowest(i), lowest(i+1)
			return high - time.Duration((seen-rank)/float64(n)*float64(high-low))
		}
	}
	return lowest(buckets)
}
