package admin

import (
	"iter"
	"slices"
	"time"

	"gslb/admin/api"
	"gslb/alias"
	"gslb/answer"
	"gslb/health"
	"gslb/history"
	"gslb/incident"
	"gslb/journal"
	"gslb/replication"
	"gslb/safety"
	"gslb/steer"
	"gslb/zones"
)

// moment is the state of everything at one moment. Each source is asked once, so that all
// that is derived from it agrees. Requests share a moment; it is not changed.
type moment struct {
	now     time.Time
	started time.Time
	table   *answer.Table // nil before the first publication
	reports []health.Report
	aliases map[string]alias.Report // by host
	events  []Event                 // the latest first
	stale   map[health.TargetID]bool
	// stalePools are those that rest on a stale verdict. They are found once for all the names
	// that are answered with them.
	stalePools map[*zones.Pool]bool
	groups     []*group               // by Steering.Index
	apart      map[*zones.Name]*group // of names that stand apart
	folded     folded
	doubt      safety.Doubt
	copies     []replication.Report      // by name
	incidents  []incident.Incident       // that last, or ended in the last day
	history    map[string]history.Report // by pool
	moving     map[string]time.Time      // until when caches may have an earlier answer, by Steering.Key
	rates      func(name string) float64 // nil: not counted
	held       map[health.TargetID]bool  // by the rule of doubt
	overrides  *api.OverrideList         // nil: nobody can say anything
	summary    api.Summary
}

// momentKey distinguishes moments before and after a change: a request after a change must show it.
type momentKey struct {
	table  *answer.Table
	events uint64
}

func (s *Server) momentKey() momentKey {
	return momentKey{s.options.Table(), s.events.count()}
}

func (s *Server) observe() *moment {
	m := &moment{
		now: s.now(), started: s.options.Started,
		table: s.options.Table(), reports: s.options.Reports(), events: s.events.latest(),
		stale: make(map[health.TargetID]bool), stalePools: make(map[*zones.Pool]bool),
		moving: make(map[string]time.Time), rates: s.options.Rates,
		aliases: make(map[string]alias.Report), history: make(map[string]history.Report),
	}
	if s.options.Aliases != nil {
		for _, r := range s.options.Aliases() {
			m.aliases[r.Name] = r
		}
	}
	if s.options.Copies != nil {
		m.copies = s.options.Copies()
	}
	if s.options.Operator != nil {
		m.overrides = s.options.Operator.Overrides()
	}
	if s.options.Incidents != nil {
		m.incidents = s.options.Incidents()
	}
	if s.options.History != nil {
		for _, r := range s.options.History() {
			m.history[r.Pool] = r
		}
	}
	if s.options.Doubt != nil {
		m.doubt = s.options.Doubt()
		m.held = make(map[health.TargetID]bool, len(m.doubt.Targets))
		for _, id := range m.doubt.Targets {
			m.held[id] = true
		}
	}
	for i := range m.events {
		if e := &m.events[i]; e.Kind == journal.Answer && e.MovedBy.After(m.moving[e.Steering]) {
			m.moving[e.Steering] = e.MovedBy
		}
	}
	for i := range m.reports {
		if r := &m.reports[i]; m.isStale(r) {
			m.stale[r.Target.ID] = true
		}
	}
	for _, p := range m.pools() {
		if p.Stale || m.restsOnStale(p) {
			m.stalePools[p.Pool] = true
		}
	}
	if m.table != nil {
		m.group()
	}
	m.summary = m.count()
	return m
}

// names lists every steered name, by zone and name.
func (m *moment) names() iter.Seq[*zones.Name] {
	return func(yield func(*zones.Name) bool) {
		if m.table == nil {
			return
		}
		for _, zone := range m.table.Set().Zones {
			for _, n := range zone.Names {
				if !yield(n) {
					return
				}
			}
		}
	}
}

// standingOf is how the clients of a name are off.
func (m *moment) standingOf(n *zones.Name) standing { return m.groupOf(n).standing }

// allGroups yields every group that has names.
func (m *moment) allGroups() iter.Seq[*group] {
	return func(yield func(*group) bool) {
		for _, g := range m.groups {
			if g.names > 0 && !yield(g) {
				return
			}
		}
		for _, g := range m.apart {
			if !yield(g) {
				return
			}
		}
	}
}

func nameCount(set *zones.Set) int {
	count := 0
	for _, zone := range set.Zones {
		count += len(zone.Names)
	}
	return count
}

func (m *moment) pools() []*steer.PoolState {
	if m.table == nil {
		return nil
	}
	return m.table.Pools()
}

// targets lists the reports, by id.
func (m *moment) targets() iter.Seq[*health.Report] {
	return func(yield func(*health.Report) bool) {
		for i := range m.reports {
			if !yield(&m.reports[i]) {
				return
			}
		}
	}
}

// isStale reports whether a target's status is too old to be relied on. The monitor reports this
// too, but a monitor that has stopped must also be noticed.
func (m *moment) isStale(r *health.Report) bool {
	if r.State.Stale {
		return true
	}
	reference := r.Judged
	if reference.IsZero() {
		reference = m.started
		if m.table != nil && m.table.Set().Loaded.After(reference) {
			reference = m.table.Set().Loaded
		}
	}
	return m.now.Sub(reference) > r.Target.StaleAfter()
}

// anyStale reports whether one of the targets has a stale verdict.
func (m *moment) anyStale(targets []health.TargetID) bool {
	for _, id := range targets {
		if m.stale[id] {
			return true
		}
	}
	return false
}

// restsOnStale reports whether one of all the targets of a pool has a stale verdict.
func (m *moment) restsOnStale(p *steer.PoolState) bool {
	if len(m.stale) == 0 {
		return false
	}
	return m.anyStale(p.Pool.Targets) ||
		slices.ContainsFunc(p.Members, func(member steer.MemberState) bool { return m.anyStale(member.Targets) })
}

// indeterminate reports whether a target's last probe could not judge.
func indeterminate(r *health.Report) bool {
	return !r.Probed.IsZero() && r.Last.Verdict == health.Indeterminate
}

// failing reports whether a target's last probe failed although the target is not down.
func failing(r *health.Report) bool {
	return !r.Probed.IsZero() && r.Last.Verdict == health.Fail && r.State.Status != health.Down
}

// count counts everything.
func (m *moment) count() api.Summary {
	sum := api.Summary{Names: api.NameCounts{Modes: make(map[steer.Mode]int)}}
	for g := range m.allGroups() {
		sum.Names.Total += g.names
		sum.Names.Modes[g.standing.mode] += g.names
		if g.standing.preferred {
			sum.Names.Preferred += g.names
		}
		if g.standing.stale {
			sum.Names.Stale += g.names
		}
		if g.standing.waiting {
			sum.Names.Waiting += g.names
		}
		if g.standing.slowed {
			sum.Names.Slowed += g.names
		}
	}
	for _, p := range m.pools() {
		add(&sum.Pools.StatusCounts, p.Status)
		if m.stalePools[p.Pool] {
			sum.Pools.Stale++
		}
		if isDrained(p) {
			sum.Pools.Drained++
		}
		if isForced(p) {
			sum.Pools.Forced++
		}
		if p.Held.Rule != "" {
			sum.Pools.Held++
		}
	}
	for r := range m.targets() {
		add(&sum.Targets.StatusCounts, r.State.Status)
		if indeterminate(r) {
			sum.Targets.Indeterminate++
		}
		if failing(r) {
			sum.Targets.Failing++
		}
	}
	sum.Targets.Stale = len(m.stale)
	return sum
}

// add counts one more pool or target.
func add(c *api.StatusCounts, s health.Status) {
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
