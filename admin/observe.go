package admin

import (
	"slices"
	"strings"
	"time"

	"gslb/answer"
	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// staleIntervals is how many intervals a verdict may be old, a timeout on top, before it is
// called stale. One late probe is jitter; three are a prober that does not run.
const staleIntervals = 3

// observation is everything at one moment. Each source is asked once, so that what is
// derived from it agrees with itself.
type observation struct {
	now     time.Time
	started time.Time
	table   *answer.Table // nil before the first publication
	reports []health.Report
}

func (s *Server) observe() observation {
	reports := slices.SortedFunc(slices.Values(s.options.Reports()), func(a, b health.Report) int {
		return strings.Compare(string(a.Target.ID), string(b.Target.ID))
	})
	return observation{now: time.Now(), started: s.options.Started, table: s.options.Table(), reports: reports}
}

// names lists every steered name, by zone and name.
func (o observation) names() []*zones.Name {
	if o.table == nil {
		return nil
	}
	all := make([]*zones.Name, 0, nameCount(o.table.Set()))
	for _, zone := range o.table.Set().Zones {
		all = append(all, zone.Names...)
	}
	return all
}

func nameCount(set *zones.Set) int {
	count := 0
	for _, zone := range set.Zones {
		count += len(zone.Names)
	}
	return count
}

func (o observation) pools() []*steer.PoolState {
	if o.table == nil {
		return nil
	}
	return o.table.Pools()
}

// decision is what a name of the observed table is answered with.
func (o observation) decision(n *zones.Name) steer.Decision {
	return *o.table.Decisions()[n.Steering.Index]
}

// preferred reports whether a decision is what one hopes for: the first of the pools, up.
func preferred(d steer.Decision) bool {
	return d.Mode == steer.Normal && d.Pool == d.Steering.Pools[0]
}

// staleAfter is the age above which a target's verdict is stale.
func staleAfter(t health.Target) time.Duration {
	return staleIntervals*t.Interval + t.Timeout
}

// stale reports whether a target's status is too old to be believed.
func (o observation) stale(r health.Report) bool {
	reference := r.Judged
	if reference.IsZero() {
		reference = o.started
		if o.table != nil && o.table.Set().Loaded.After(reference) {
			reference = o.table.Set().Loaded
		}
	}
	return o.now.Sub(reference) > staleAfter(r.Target)
}

// indeterminate reports whether a target's last probe could not judge.
func indeterminate(r health.Report) bool {
	return !r.Probed.IsZero() && r.Last.Verdict == health.Indeterminate
}

// summary counts everything.
func (o observation) summary() Summary {
	sum := Summary{Names: NameCounts{Modes: make(map[steer.Mode]int)}}
	for _, n := range o.names() {
		d := o.decision(n)
		sum.Names.Total++
		sum.Names.Modes[d.Mode]++
		if preferred(d) {
			sum.Names.Preferred++
		}
	}
	for _, p := range o.pools() {
		sum.Pools.add(p.Status)
	}
	for _, r := range o.reports {
		sum.Targets.add(r.State.Status)
		if o.stale(r) {
			sum.Targets.Stale++
		}
		if indeterminate(r) {
			sum.Targets.Indeterminate++
		}
	}
	return sum
}

func (c *StatusCounts) add(s health.Status) {
	c.Total++
	switch s {
	case health.Up:
		c.Up++
	case health.Down:
		c.Down++
	default:
		c.Unknown++
	}
}
