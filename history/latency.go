package history

import (
	"math"
	"math/bits"
	"slices"
	"sync"
	"time"

	"gslb/health"
)

// latency is how the probes of one pool went of late. It takes little memory however many there are: nothing is
// allocated when a probe is counted, but for a time that none of its minute took. It is safe for concurrent use.
type latency struct {
	mu     sync.Mutex
	minute int // that goes on, counted from the origin of the line of time
	recent [recentMinutes]tally
	spark  [Sparks - 1]micros // of the minutes before, by minute, modulo
}

// micros is a time in microseconds; unmeasured: none was measured.
type micros uint32

const unmeasured = micros(math.MaxUint32)

func (m micros) duration() time.Duration {
	if m == unmeasured {
		return none
	}
	return time.Duration(m) * time.Microsecond
}

// recentMinutes is of how many minutes, with the one that goes on, all is kept that is told of the last five.
const recentMinutes = 5

// tally is the probes of a minute.
type tally struct {
	fails, verdicts uint32
	took            []cell // of those that passed, by bucket
}

// cell is how many took a time of one bucket, in the lower 24 bits, and above them which. A pool has few different
// times: all buckets of each minute would take four times the memory.
type cell uint32

const cellMost = 1<<24 - 1

func (c cell) bucket() int  { return int(c >> 24) }
func (c cell) many() uint32 { return uint32(c & cellMost) }

// pass counts a time.
func (t *tally) pass(took time.Duration) {
	bucket := bucketOf(took)
	at, known := slices.BinarySearchFunc(t.took, bucket, func(c cell, bucket int) int { return c.bucket() - bucket })
	switch {
	case !known:
		t.took = slices.Insert(t.took, at, cell(bucket)<<24|1)
	case t.took[at].many() < cellMost:
		t.took[at]++
	}
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
		l.spark[i] = unmeasured
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
			t.pass(took)
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
		next := &l.recent[l.minute%recentMinutes]
		*next = tally{took: next.took[:0]}
	}
}

func (t *tally) median() micros {
	var all sum
	if all.add(t); all.passes == 0 {
		return unmeasured
	}
	return micros(all.quantile(0.5) / time.Microsecond)
}

// report fills in what is known at a place.
func (l *latency) report(r *Report, at time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(number(at, SparkTime))
	var all sum
	for i := range l.recent {
		all.add(&l.recent[i])
	}
	r.P50, r.P99, r.Failed = 0, 0, -1
	if all.passes > 0 {
		r.P50, r.P99 = all.quantile(0.5), all.quantile(0.99)
	}
	if all.verdicts > 0 {
		r.Failed = float64(all.fails) / float64(all.verdicts)
	}
	r.Spark = make([]time.Duration, Sparks)
	for i := range len(l.spark) {
		r.Spark[i] = l.spark[(l.minute+i)%len(l.spark)].duration() // the minute that goes on has no place there yet
	}
	r.Spark[Sparks-1] = l.recent[l.minute%recentMinutes].median().duration()
}

// sum is the probes of some minutes.
type sum struct {
	fails, verdicts, passes uint64
	took                    [buckets]uint64
}

func (s *sum) add(t *tally) {
	s.fails += uint64(t.fails)
	s.verdicts += uint64(t.verdicts)
	for _, c := range t.took {
		s.took[c.bucket()] += uint64(c.many())
		s.passes += uint64(c.many())
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
func (s *sum) quantile(q float64) time.Duration {
	rank, seen := q*float64(s.passes), 0.0
	for i, n := range s.took {
		if seen += float64(n); n > 0 && seen >= rank {
			low, high := lowest(i), lowest(i+1)
			return high - time.Duration((seen-rank)/float64(n)*float64(high-low))
		}
	}
	return lowest(buckets)
}
