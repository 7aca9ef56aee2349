package meter

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"gslb/answer"
)

// Tally counts the answers of one responder by name and pool. That responder's goroutine alone adds. It waits
// for nobody: when the configuration is another, it leaves behind what it has counted, for those who read.
type Tally struct{ cells atomic.Pointer[cells] }

// cells are the counts of one configuration.
type cells struct {
	counters *answer.Counters
	counts   []atomic.Uint64 // by counter
	before   atomic.Pointer[cells]
}

// Add counts an answer; at 0 nothing.
func (t *Tally) Add(counters *answer.Counters, at int) {
	if at == 0 {
		return
	}
	c := t.cells.Load()
	if c == nil || c.counters != counters {
		c = t.change(c, counters)
	}
	c.counts[at].Add(1)
}

func (t *Tally) change(old *cells, counters *answer.Counters) *cells {
	c := &cells{counters: counters, counts: make([]atomic.Uint64, counters.Len())}
	c.before.Store(old)
	t.cells.Store(c)
	return c
}

// tallies reads those of all responders. It is safe for concurrent use.
type tallies struct {
	mu   sync.Mutex
	all  []*Tally
	now  func() *answer.Counters   // of what is served; it returns nil while nothing is
	past map[answer.Counter]uint64 // of configurations before

	samples [samples]sample // the latest; next is the place of the oldest
	next    int
}

// sample is how often each counter had counted at a time.
type sample struct {
	at       time.Time // zero: there is none yet
	counters *answer.Counters
	counts   []uint64
}

// The rate of a name is that of the last minute.
const (
	sampleEvery = 5 * time.Second
	samples     = int(time.Minute/sampleEvery) + 1
)

// Tally makes the tally of a responder.
func (m *Metrics) Tally() *Tally {
	t := new(Tally)
	m.tallies.mu.Lock()
	defer m.tallies.mu.Unlock()
	m.tallies.all = append(m.tallies.all, t)
	return t
}

// CountersFrom says where to find what the answers of the present are counted as. Before, none are told of.
func (m *Metrics) CountersFrom(now func() *answer.Counters) {
	m.tallies.mu.Lock()
	defer m.tallies.mu.Unlock()
	m.tallies.now = now
}

// Measure measures rates until ctx ends.
func (m *Metrics) Measure(ctx context.Context) {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		m.tallies.sample()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Rate is how many answers a second a name has got over the last minute, or since the beginning; negative: it
// is not known, since it has no counters of its own.
func (m *Metrics) Rate(name string) float64 {
	t := &m.tallies
	t.mu.Lock()
	defer t.mu.Unlock()
	first, last := &t.samples[t.next], &t.samples[(t.next+samples-1)%samples]
	for i := 0; first.at.IsZero() && i < samples; i++ {
		first = &t.samples[i]
	}
	if last.at.IsZero() || !last.has(name) {
		return -1
	}
	took := last.at.Sub(first.at)
	if took <= 0 {
		return 0
	}
	// A name that was counted anew meanwhile has fewer than before.
	return max(0, float64(last.of(name))-float64(first.of(name))) / took.Seconds()
}

func (s *sample) has(name string) bool {
	first, _ := s.counters.Of(name)
	return first > 0
}

// of is how often a name had been answered.
func (s *sample) of(name string) (sum uint64) {
	first, end := s.counters.Of(name)
	for _, n := range s.counts[first:end] {
		sum += n
	}
	return sum
}

// sample takes one.
func (t *tallies) sample() {
	t.mu.Lock()
	defer t.mu.Unlock()
	counters, counts := t.totals()
	if counters == nil {
		return
	}
	t.samples[t.next] = sample{time.Now(), counters, counts}
	t.next = (t.next + 1) % samples
}

// totals is how often each counter of the present has counted; nil: nothing is served. Of configurations
// before it has what names and pools have in common with the present one.
func (t *tallies) totals() (counters *answer.Counters, counts []uint64) {
	if t.now == nil {
		return nil, nil
	}
	if counters = t.now(); counters == nil {
		return nil, nil
	}
	counts = make([]uint64, counters.Len())
	others := make(map[answer.Counter]uint64) // that count by another configuration still
	for _, tally := range t.all {
		c := tally.cells.Load()
		if c == nil {
			continue
		}
		for old := c.before.Swap(nil); old != nil; old = old.before.Load() {
			old.addTo(t.past)
		}
		if c.counters != counters {
			c.addTo(others)
			continue
		}
		for i := range c.counts {
			counts[i] += c.counts[i].Load()
		}
	}
	if len(t.past) == 0 && len(others) == 0 {
		return counters, counts
	}
	known := make(map[answer.Counter]uint64)
	for at, c := range counters.All {
		if n := t.past[c]; n > 0 {
			known[c] = n
		}
		counts[at] += t.past[c] + others[c]
		delete(t.past, c) // a name that two zones have is counted twice
		delete(others, c)
	}
	t.past = known
	return counters, counts
}

func (c *cells) addTo(sums map[answer.Counter]uint64) {
	for at, counter := range c.counters.All {
		if n := c.counts[at].Load(); n > 0 {
			sums[counter] += n
		}
	}
}

// collect calls send with what was counted by name and pool.
func (t *tallies) collect(send func(name, pool string, n uint64)) {
	t.mu.Lock()
	counters, counts := t.totals()
	t.mu.Unlock()
	if counters == nil {
		return
	}
	sums := make(map[answer.Counter]uint64)
	for at, c := range counters.All {
		if counts[at] > 0 {
			sums[c] += counts[at]
		}
	}
	for c, n := range sums {
		send(c.Name, c.Pool, n)
	}
}
