package answer

import "gslb/zones"

// Counters says what answers of steered names are counted as. A counter is a number that [Lookup.Counter]
// gives; those who count have one cell for each. They depend on the configuration alone.
//
//	0                         what is not steered
//	of a name, one after      answered with no pool
//	another in this order     with several pools together
//	                          with the first of its pools, and so on
//	of all other names        the same, with all pools of the configuration
//
// The names that come first in the configuration have counters of their own, so that there are not more than
// a program that reads them can take.
type Counters struct {
	set   *zones.Set
	names []counted // that have their own
	last  int       // the last counter of a name
	full  bool      // other names have none
	index map[string]int
}

// counted is a name with counters of its own.
type counted struct {
	name  *zones.Name
	first int
}

// Counter is what a counter counts.
type Counter struct {
	Name string // fully qualified and in lower case; "other" of all names that have no counters of their own
	Pool string // "" for none, "+" for several together
}

// OtherNames is the name of counters that count for all names that have none of their own.
const OtherNames = "other"

// mostCounters bounds the counters of names.
const mostCounters = 20_000

// Pools that have no place in the configuration, by which places of counters are told.
const (
	nothing = -2
	several = -1
)

func newCounters(set *zones.Set) *Counters { return &Counters{set: set, index: make(map[string]int)} }

// add gives a name its counters, if there are enough, and returns the first; 0: it has none of its own.
func (c *Counters) add(name *zones.Name) (first uint16) {
	if c.full {
		return 0
	}
	size := len(placesOf(name.Steering)) - nothing
	if c.full = c.last+size > mostCounters; c.full {
		return 0
	}
	c.index[name.Name] = len(c.names)
	c.names = append(c.names, counted{name, c.last + 1})
	c.last += size
	return uint16(c.last + 1 - size) // mostCounters is less than it can hold
}

// placesOf is the Pool.Index of all pools that a steering may answer.
func placesOf(s *zones.Steering) []int32 {
	var list []int32
	for pool := range s.Candidates() {
		list = append(list, int32(pool.Index))
	}
	return list
}

// Len is how many counters there are.
func (c *Counters) Len() int {
	if c.full {
		return 1 + c.last + len(c.set.Pools) - nothing
	}
	return 1 + c.last
}

// All yields every counter but 0.
func (c *Counters) All(yield func(int, Counter) bool) {
	at := 0
	each := func(name, pool string) bool {
		at++
		return yield(at, Counter{name, pool})
	}
	for i := range c.names {
		n := c.names[i].name
		if !each(n.Name, "") || !each(n.Name, "+") {
			return
		}
		for pool := range n.Steering.Candidates() {
			if !each(n.Name, pool.Name) {
				return
			}
		}
	}
	if !c.full || !each(OtherNames, "") || !each(OtherNames, "+") {
		return
	}
	for _, pool := range c.set.Pools {
		if !each(OtherNames, pool.Name) {
			return
		}
	}
}

// Of is the counters of a name, one after another; 0, 0: it has none of its own.
func (c *Counters) Of(name string) (first, end int) {
	i, known := c.index[name]
	switch {
	case !known:
		return 0, 0
	case i+1 < len(c.names):
		return c.names[i].first, c.names[i+1].first
	}
	return c.names[i].first, c.last + 1
}

// Counters is what the answers of the table are counted as.
func (t *Table) Counters() *Counters { return t.index.counters }

// count notes what the answer is counted as: that of the first steered name that the question leads to.
func (l *Lookup) count(n *node, pool int32) {
	if l.counter != 0 {
		return
	}
	ix := l.table.index
	switch {
	case n.counters == 0:
		l.counter = ix.counters.last + 1 + int(pool) - nothing
	case pool < 0:
		l.counter = int(n.counters) + int(pool) - nothing
	default:
		for i, place := range ix.steerings[n.steering].pools {
			if place == pool {
				l.counter = int(n.counters) + i - nothing
				return
			}
		}
	}
}

// Counter is what the answer is counted as: one of the table's Counters; 0: as nothing.
func (l *Lookup) Counter() (of *Counters, at int) { return l.table.index.counters, l.counter }
