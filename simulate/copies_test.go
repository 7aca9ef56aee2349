package simulate

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"gslb/replication"
	"gslb/zones"
)

// table is how the pools of a family replicate their data: each region has the pool of its letter.
type table struct {
	regions  int
	interval time.Duration
	timeout  time.Duration
	maxLag   time.Duration
	way      time.Duration // how long a write takes to arrive, or a little more
	down     bool          // on_degraded
	without  string        // the pool that has no data; empty: all have
}

func drawTable(r *rand.Rand, f *family) *table {
	t := &table{regions: len(f.pools), interval: time.Duration(500+r.IntN(700)) * time.Millisecond, down: r.IntN(4) == 0}
	t.timeout = min(400*time.Millisecond, t.interval/2)
	t.way = between(r, 20*time.Millisecond, t.interval/3)
	t.maxLag = 2*t.interval + time.Duration(r.IntN(2000))*time.Millisecond
	if t.regions > 2 && r.IntN(4) == 0 {
		t.without = string(rune('a' + r.IntN(t.regions)))
	}
	return t
}

// text is the table in a variant of a configuration.
func (t *table) text(variant int) string {
	name, maxLag, onDegraded, regions := "Orders", t.maxLag, "serve", ""
	switch variant {
	case retimed:
		maxLag += 500 * time.Millisecond
	case changed: // so that it is measured anew
		name = "Others"
	}
	if t.down {
		onDegraded = "down"
	}
	for i := range t.regions {
		regions += fmt.Sprintf("%q,", regionOf(i))
	}
	return fmt.Sprintf("[replication.data]\ntable = %q\nkey = { id = \"beat\" }\nregions = [%s]\nwriter = \"ns1\"\ninterval = %q\ntimeout = %q\nmax_lag = %q\non_degraded = %q\n",
		name, regions, t.interval, t.timeout, maxLag, onDegraded)
}

func regionOf(i int) string { return "r" + string(rune('a'+i)) }

// settling is how long it takes at most, once nothing is wrong, until each copy is seen to be current: each
// region writes, and is read.
func (t *table) settling() time.Duration {
	return 2*(t.interval+t.timeout) + t.way + 200*time.Millisecond
}

// part is how long a write or a reading lasts that is not answered: half of the heartbeat's time.
func (t *table) part() time.Duration { return t.timeout/2 - time.Millisecond }

// copyFailure is the way in which the replication of a table fails.
type copyFailure int

const (
	halted     copyFailure = iota // nothing arrives until it ends
	late                          // all arrives later
	dead                          // the region answers nothing, and nothing leaves it or arrives there
	unreadable                    // nothing can be read there
	unwritable                    // nothing is written there
	unanswered                    // what is written there is not acknowledged
	older                         // every second reading there shows what was so an interval before
	gone                          // the region has no such table
	emptied                       // the table has no items there
	copyFailures
)

// copyFault is a time in which the replication fails: on the way between two regions, or in the region `to`.
type copyFault struct {
	how      copyFailure
	from, to int // -1: all
	begin    time.Duration
	end      time.Duration
	by       time.Duration // how late; of dead: how long after the end nothing arrives
}

func (f *copyFault) isOn(at time.Duration) bool { return at >= f.begin && at < f.end }

func (t *table) drawFault(r *rand.Rand, begin, length time.Duration) copyFault {
	f := copyFault{how: copyFailure(r.IntN(int(copyFailures))), from: r.IntN(t.regions+1) - 1, to: r.IntN(t.regions), begin: begin, end: begin + length}
	switch f.how {
	case halted:
		if f.from >= 0 && r.IntN(3) == 0 {
			f.to = -1
		}
	case dead:
		f.by = t.maxLag / 4
	case late:
		f.by = between(r, t.maxLag/2, 2*t.maxLag)
	}
	return f
}

// over is when a fault does not show any more.
func (f *copyFault) over() time.Duration { return f.end + f.by }

// copies is the replicated table of a plan: what was written in which region, and what is read in which.
type copies struct {
	plan *plan
	mu   sync.Mutex // the regions of a real run
	made [][]made   // by region, in order
	read [][2]time.Duration
}

// made is a write.
type made struct {
	counter uint64
	at      time.Duration
	acked   time.Duration // negative: never
}

func newCopies(p *plan) *copies {
	n := p.family.table.regions
	return &copies{plan: p, made: make([][]made, n), read: make([][2]time.Duration, n)}
}

// callError is how a call failed.
type callError struct {
	text string
	fail bool // against the region
}

func (e *callError) Error() string { return e.text }

// IsFail is what a Book asks.
func (e *callError) IsFail() bool { return e.fail }

// call is how a call goes that begins in a region at a time: how long it takes, its error, and whether it
// reaches the table.
func (c *copies) call(x int, at time.Duration) (took time.Duration, err error, reached bool) {
	t := c.plan.family.table
	took = time.Duration(4+7*x) * time.Millisecond
	end := at + took
	for i := range c.plan.cuts {
		if cut := &c.plan.cuts[i]; cut.from < end && cut.to > at {
			if cut.how == unreachable && cut.from <= at {
				return time.Millisecond, &callError{"network is unreachable", true}, false
			}
			return t.part(), &callError{"timeout", true}, cut.from > at+took/2
		}
	}
	for i := range c.plan.copyFaults {
		switch f := &c.plan.copyFaults[i]; {
		case f.to != x:
		case f.how == dead && f.begin < end && f.end > at:
			return t.part(), &callError{"timeout", true}, f.begin > at+took/2
		case f.how == gone && f.isOn(at):
			return took, &callError{"no such table", false}, false
		}
	}
	return took, nil, true
}

// faultAt is the fault of some kinds that a region has at a time; nil: none.
func (c *copies) faultAt(x int, at time.Duration, how copyFailure) *copyFault {
	for i := range c.plan.copyFaults {
		if f := &c.plan.copyFaults[i]; f.how == how && f.to == x && f.isOn(at) {
			return f
		}
	}
	return nil
}

// write writes a counter into a region.
func (c *copies) write(x int, counter uint64, at time.Duration) (took time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	took, err, reached := c.call(x, at)
	switch n := len(c.made[x]); {
	case !reached:
		return took, err
	case n > 0 && c.made[x][n-1].counter >= counter:
		return took, &callError{"there is a later heartbeat", false}
	case c.faultAt(x, at, unwritable) != nil:
		return took, &callError{"throttled", true}
	}
	w := made{counter: counter, at: at + took/2, acked: at + took}
	if err == nil && c.faultAt(x, at, unanswered) != nil {
		took, err = c.plan.family.table.part(), &callError{"timeout", true}
	}
	if err != nil {
		w.acked, w.at = -1, at+time.Millisecond
	}
	c.made[x] = append(c.made[x], w)
	return took, err
}

// reading is how a reading goes that begins in a region at a time. What it finds is told by found, when it has
// ended.
func (c *copies) reading(x int, at time.Duration) (took time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	took, err, _ = c.call(x, at)
	if err == nil && c.faultAt(x, at, unreadable) != nil {
		took, err = c.plan.family.table.part(), &callError{"timeout", true}
	}
	return took, err
}

// found is the counter of each region that is read in one by a reading that began at a time, and took so long.
func (c *copies) found(x int, at, took time.Duration) []uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	at += took / 2
	c.read[x] = [2]time.Duration{at, c.read[x][0]}
	counters := make([]uint64, len(c.made))
	if c.faultAt(x, at, emptied) != nil {
		return counters
	}
	if c.faultAt(x, at, older) != nil && uint64(at/time.Millisecond)*2654435761>>16&1 == 0 {
		at -= c.plan.family.table.interval
	}
	for from := range c.made {
		if from != x {
			counters[from] = c.newest(from, x, at)
		}
	}
	return counters
}

// newest is the largest counter of a region that has arrived in another by a time.
func (c *copies) newest(from, to int, at time.Duration) uint64 {
	for i := len(c.made[from]) - 1; i >= 0; i-- {
		if w := &c.made[from][i]; w.at <= at && c.arrives(from, to, w.at) <= at {
			return w.counter
		}
	}
	return 0
}

// arrives is when what is written in a region at a time is in another. What a region has not sent before it
// was dead follows a while after it is back.
func (c *copies) arrives(from, to int, at time.Duration) time.Duration {
	way := c.plan.family.table.way + time.Duration(20*from+15*to)*time.Millisecond
	is := at + way
	for i := range c.plan.copyFaults {
		f := &c.plan.copyFaults[i]
		onWay := (f.from < 0 || f.from == from) && (f.to < 0 || f.to == to)
		switch {
		case f.how == late && onWay && f.isOn(at):
			is = max(is, at+f.by)
		case f.how == dead && (f.to == from || f.to == to):
			if back := f.end + f.by; is >= f.begin && at < back {
				is = max(is, back+way)
			}
		case f.how == halted && onWay:
			if is >= f.begin && at < f.end {
				is = max(is, f.end+way)
			}
		}
	}
	return is
}

// lag is how late one region is with the writes of another at a time: the age of the oldest that was
// acknowledged since another time, and has not arrived. While the other is dead, it does not grow.
func (c *copies) lag(from, to int, since, at time.Duration) (lag time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	newest := c.newest(from, to, at)
	for i := range c.made[from] {
		if w := &c.made[from][i]; w.acked >= since && w.acked <= at && w.counter > newest {
			lag = at - w.acked
			for j := range c.plan.copyFaults {
				if f := &c.plan.copyFaults[j]; f.how == dead && f.to == from {
					lag -= max(0, min(f.end, at)-max(f.begin, w.acked))
				}
			}
			return max(0, lag)
		}
	}
	return 0
}

// acknowledged is when a write in a region last was.
func (c *copies) acknowledged(x int) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.made[x]) - 1; i >= 0; i-- {
		if at := c.made[x][i].acked; at >= 0 {
			return at
		}
	}
	return 0
}

// beat is the heartbeats of one region, one after the other.
type beat struct {
	x       int
	stage   int // 0: waits, 1: writes, 2: reads
	at      time.Duration
	counter uint64
	started time.Duration // the heartbeat
	began   time.Duration // the call
	err     error
	phased  bool
}

// beats is what makes heartbeats, with time as a value.
type beats struct {
	copies *copies
	book   *replication.Book
	random *rand.Rand
	zero   time.Time
	list   []*beat
}

func newBeats(c *copies, book *replication.Book, r *rand.Rand, zero time.Time, at time.Duration) *beats {
	b := &beats{copies: c, book: book, random: r, zero: zero}
	for x := range c.made {
		b.list = append(b.list, &beat{x: x, at: at + time.Duration(x)*time.Millisecond})
	}
	return b
}

// next is when something is due of a heartbeat.
func (b *beats) next() (next *beat) {
	for _, one := range b.list {
		if next == nil || one.at < next.at {
			next = one
		}
	}
	return next
}

func (b *beats) time(at time.Duration) time.Time { return b.zero.Add(at) }

// step does what is due of a heartbeat. It reports whether the book was told something.
func (b *beats) step(h *beat, now time.Duration) bool {
	region := regionOf(h.x)
	switch h.stage {
	case 0:
		h.stage, h.started, h.began, h.counter = 1, now, now, b.book.Next("data", region)
		took, err := b.copies.write(h.x, h.counter, now)
		h.at, h.err = now+took, err
		return false
	case 1:
		b.book.Wrote("data", region, h.counter, b.time(h.began), b.time(now), h.err)
		h.stage, h.began = 2, now
		took, err := b.copies.reading(h.x, now)
		h.at, h.err = now+took, err
		return true
	}
	tell(b.book, b.copies, h.x, h.began, now-h.began, b.time(h.began), b.time(now), h.err)
	t := b.copies.plan.family.table
	wait := t.interval - time.Duration(b.random.Int64N(int64(t.interval/10)))
	if !h.phased {
		h.phased, wait = true, time.Duration(b.random.Int64N(int64(t.interval)))
	}
	h.stage, h.at = 0, max(now, h.started+wait)
	return true
}

// tell tells a book of a reading.
func tell(book *replication.Book, c *copies, x int, at, took time.Duration, began, ended time.Time, err error) {
	if err != nil {
		book.Unread("data", regionOf(x), began, ended, err)
		return
	}
	for from, counter := range c.found(x, at, took) {
		if from != x {
			book.Saw("data", regionOf(from), regionOf(x), counter, began, ended)
		}
	}
}

// stateOf is what is known of the copy of a region.
func stateOf(v *replication.View, x int) replication.State {
	return v.State(replication.Region{Group: "data", Region: regionOf(x)})
}

// copyOf is the copy that a pool works with.
func copyOf(p *zones.Pool) (x int, is bool) {
	if p.Replication == nil {
		return 0, false
	}
	return int(p.Region[1] - 'a'), true
}
