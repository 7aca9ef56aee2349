package simulate

import (
	"slices"
	"strings"
	"time"

	"gslb/replication"
	"gslb/steer"
	"gslb/zones"
)

// copiesPast is what is known of the copies so far.
type copiesPast struct {
	table    string
	since    time.Duration // the table is measured
	view     *replication.View
	restored bool        // view is what the last process has left
	degraded []bool      // they have been
	caughtUp []time.Time // when they were current again after that
	turns    []int       // how often they became degraded, or ceased to be
}

// measured notes that a configuration is about to be used, which may have another table.
func (c *checker) measured(at time.Duration, set *zones.Set) {
	if c.copies == nil {
		return
	}
	if name := set.Replications[0].Table; name != c.data.table {
		c.data.table, c.data.since = name, at
	}
}

// maxLag is that which may be in use: reloads change it a little.
func (c *checker) maxLag() (least, most time.Duration) {
	least = c.plan.family.table.maxLag
	return least, least + 500*time.Millisecond
}

// checkTruth: what is late for too long, or cannot be read, is known to be, and so is that it is late no more.
func (c *checker) checkTruth(at time.Duration, view *replication.View) {
	p, t := c.plan, c.plan.family.table
	quiet, onlyLate, lone := c.data.since, true, (*copyFault)(nil)
	for i := range p.copyFaults {
		f := &p.copyFaults[i]
		if f.begin <= at {
			quiet = max(quiet, f.over())
		}
		onlyLate = onlyLate && (f.how == halted || f.how == late)
		lone = f
	}
	for i := range p.cuts {
		if p.cuts[i].from <= at {
			quiet, onlyLate = max(quiet, p.cuts[i].to), false
		}
	}
	settling := t.settling()
	if c.began > 0 { // the clock may have been set back, and the counters with it
		settling += t.interval + t.timeout
	}
	_, maxLag := c.maxLag()
	for x := range t.regions {
		s := stateOf(view, x)
		if at-quiet > settling && s.Condition != replication.Current {
			fail("%s: nothing is wrong with the data since %s, and the copy in %s is %+v", at, quiet, regionOf(x), s)
		}
		if at-quiet > settling && at-c.copies.acknowledged(x) > settling {
			fail("%s: nothing is wrong with the data since %s, and the last heartbeat in %s was acknowledged at %s", at, quiet, regionOf(x), c.copies.acknowledged(x))
		}
		if p.story == behind && (lone.how == unreadable || lone.how == dead) && lone.to == x && lone.isOn(at) && !s.Degraded &&
			at-max(lone.begin, c.data.since) > maxLag+3*(t.interval+t.timeout) {
			fail("%s: %s cannot be read since %s, and its copy is %+v", at, regionOf(x), lone.begin, s)
		}
		if !onlyLate || s.Degraded {
			continue
		}
		before, all := at-t.interval-t.timeout-c.slack, true
		for from := range t.regions {
			all = all && (from == x || c.copies.lag(from, x, c.data.since, before) > maxLag && c.copies.lag(from, x, c.data.since, at) > maxLag)
		}
		if all {
			fail("%s: nothing that the others have written arrives in %s within %s, and its copy is %+v", at, regionOf(x), maxLag, s)
		}
	}
}

// checkCopies: a copy is taken for degraded only when it is.
func (c *checker) checkCopies(m *moment) {
	if c.copies == nil {
		return
	}
	view, t := m.out.Input().Copies, c.plan.family.table
	for x := range t.regions {
		was, is := stateOf(c.data.view, x), stateOf(view, x)
		if was.Degraded != is.Degraded {
			if c.data.turns[x]++; c.plan.story == behind && c.data.turns[x] > 2 {
				fail("%s: the copy in %s turns for the third time: %+v", m.at, regionOf(x), is)
			}
		}
		switch {
		case c.data.restored: // in a crash something older was left
		case is.Degraded && !was.Degraded && !is.Proven:
			c.checkUnread(m, x)
		case was.Degraded && !is.Degraded && is.Condition != replication.Current:
			fail("%s: the copy in %s is degraded no more, and not current: %+v, was %+v", m.at, regionOf(x), is, was)
		case is.Proven && !was.Proven:
			c.checkProven(m, x)
		}
		if was.Degraded && !is.Degraded {
			c.data.caughtUp[x] = is.Good
		}
		c.data.degraded[x] = c.data.degraded[x] || is.Degraded
		if (is.Condition == replication.Current) != !is.Good.IsZero() || is.Condition == replication.Current && is.Degraded || is.Proven && !is.Degraded {
			fail("%s: the copy in %s contradicts itself: %+v", m.at, regionOf(x), is)
		}
		if (is.Condition == replication.Behind || is.Condition == replication.CutOff) && !strings.Contains(is.Why, "does not arrive here") {
			fail("%s: the copy in %s is %s: %s", m.at, regionOf(x), is.Condition, is.Why)
		}
	}
	c.data.view, c.data.restored = view, false
}

// checkUnread: a copy that could not be read for long, while others could be.
func (c *checker) checkUnread(m *moment, x int) {
	failed := time.Duration(0)
	for i := range c.plan.copyFaults {
		if f := &c.plan.copyFaults[i]; f.to == x && (f.how == dead || f.how == unreadable) {
			failed += max(0, min(f.end, m.at)-f.begin)
		}
	}
	t := c.plan.family.table
	if len(c.plan.cuts) > 0 { // it may have begun a moment before the fault
		failed += 2 * (t.interval + t.timeout)
	}
	if least, _ := c.maxLag(); failed < least-t.timeout {
		fail("%s: the copy in %s is %+v, and it could not be read for %s only", m.at, regionOf(x), stateOf(m.out.Input().Copies, x), failed)
	}
}

// checkProven: a copy that a reading has shown to lack what was written long before.
func (c *checker) checkProven(m *moment, x int) {
	least, _ := c.maxLag()
	if c.plan.story != behind || c.plan.family.table.regions > 2 || c.plan.copyFaults[0].how == dead {
		// What is dead is seen to be a heartbeat later. And a way that was late stays so for a while, until it is
		// held against a region since another is out.
		least -= 2 * (c.plan.family.table.interval + c.plan.family.table.timeout)
	}
	for from := range c.plan.family.table.regions {
		for _, at := range c.copies.read[x] {
			if from == x {
				continue
			}
			lag := c.copies.lag(from, x, 0, at)
			if c.copies.faultAt(x, at, older) != nil {
				before := c.plan.family.table.interval
				lag = max(lag, before+c.copies.lag(from, x, 0, at-before))
			}
			if lag > least || c.copies.faultAt(x, at, emptied) != nil {
				return
			}
		}
	}
	fail("%s: the copy in %s is %+v, and has everything", m.at, regionOf(x), stateOf(m.out.Input().Copies, x))
}

// patience is longer than any failback_after.
const patience = 5 * time.Second

// lookAtCopy adds to a pool what is plainly so of its data.
func (c *checker) lookAtCopy(m *moment, p *poolView) {
	x, is := copyOf(p.pool)
	if !is {
		return
	}
	p.copy = stateOf(m.out.Input().Copies, x)
	p.caughtUp = !p.copy.Good.IsZero() && p.copy.Good.Equal(c.data.caughtUp[x])
	p.unclean = p.copy.Degraded || c.data.degraded[x] && (p.copy.Good.IsZero() || m.now.Sub(p.copy.Good) < patience)
}

// isBound reports whether clients are not led away from a pool, since only its copy may have what they have
// written.
func (p *poolView) isBound() bool {
	return p.copy.Degraded || p.copy.Condition == replication.Silent
}

func isSameCopy(a, b *zones.Pool) bool {
	x, isA := copyOf(a)
	y, isB := copyOf(b)
	return isA && isB && x == y
}

// checkData: clients are not led to data that is behind, nor away from it.
func (c *checker) checkData(m *moment, v *view, past *routePast) {
	if c.copies == nil {
		return
	}
	for i := range v.pools {
		p := &v.pools[i]
		state := m.out.Pools[p.pool.Index]
		switch {
		case p.copy.Degraded && state.Degraded.IsZero(), !p.copy.Good.IsZero() && !state.Degraded.IsZero():
			fail("%s: %s is degraded since %s, and its copy is %+v", m.at, p.pool.Name, state.Degraded, p.copy)
		case strings.Contains(state.Why, "degraded since") != !state.Degraded.IsZero():
			fail("%s: %s is degraded since %s, and said to be: %s", m.at, p.pool.Name, state.Degraded, state.Why)
		}
	}
	d := v.d
	if len(past.settled) == 0 || d.Mode != steer.Normal && d.Mode != steer.Held && d.Mode != steer.Ramped && d.Mode != steer.Panic {
		return
	}
	isChosen := func(p *zones.Pool) bool {
		return slices.ContainsFunc(d.Shares, func(s steer.Share) bool { return s.Pool == p })
	}
	wasSettled := func(p *zones.Pool) bool {
		return slices.ContainsFunc(v.pools, func(o poolView) bool {
			return slices.Contains(past.settled, o.pool.Name) && (o.pool == p || isSameCopy(o.pool, p))
		})
	}
	ordered := v.name.Steering.Policy.IsOrdered()
	for i := range v.pools {
		p := &v.pools[i]
		switch {
		case isChosen(p.pool) && p.copy.Degraded && !wasSettled(p.pool):
			for j := range v.pools {
				if q := &v.pools[j]; q.good && !q.unclean {
					fail("%s: %s is led to %s, whose data is %s, while %s is up: %s", m.at, v.name.Name, p.pool.Name, p.copy.Condition, q.pool.Name, v)
				}
			}
		case isChosen(p.pool) && ordered && !wasSettled(p.pool) && p.caughtUp && !m.back:
			for j := i + 1; j < len(v.pools); j++ {
				if q := &v.pools[j]; q.good && slices.Contains(past.settled, q.pool.Name) && m.now.Sub(p.copy.Good) < v.name.Steering.FailbackAfter {
					fail("%s: %s returned to %s, whose data is current since %s: %s", m.at, v.name.Name, p.pool.Name, p.copy.Good, v)
				}
			}
		case !slices.Contains(past.settled, p.pool.Name) || !p.good || !p.isBound():
		case !slices.ContainsFunc(d.Shares, func(s steer.Share) bool { return s.Pool == p.pool || isSameCopy(s.Pool, p.pool) }):
			fail("%s: %s is led away from %s, whose data is %s: %s", m.at, v.name.Name, p.pool.Name, p.copy.Condition, v)
		case ordered && slices.ContainsFunc(d.Shares, func(s steer.Share) bool { return s.Returning && !isSameCopy(s.Pool, p.pool) }):
			fail("%s: %s is led away from %s, whose data is %s, by and by: %s", m.at, v.name.Name, p.pool.Name, p.copy.Condition, v)
		}
	}
}
