package admin

import (
	"net/netip"
	"time"

	"gslb/answer"
	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// status makes the Status of this moment, with the rows that sel asks for.
func (s *Server) status(sel selection) Status {
	o := s.observe()
	missing := s.missing()
	st := Status{
		Version: s.options.Version,
		Started: s.options.Started.UTC(),
		Now:     o.now.UTC(),
		Ready:   len(missing) == 0,
		Waiting: missing,
		Config:  newConfig(o.table, s.options.ConfigStatus()),
		Summary: o.summary(),
	}
	if o.table != nil {
		st.Published = utc(o.table.Published())
	}
	sc := scopeOf(sel.name, o.table)
	o.fill(&st, sel, sc)
	fillEvents(&st, sel, sc, s.events.latest())
	return st
}

func newConfig(table *answer.Table, reload ConfigStatus) Config {
	c := Config{LastReload: utc(reload.At), ReloadFailures: reload.Failures}
	if reload.Err != nil {
		c.LastReloadError = reload.Err.Error()
	}
	if table != nil {
		set := table.Set()
		c.Path, c.Hash, c.Loaded = set.Path, set.Hash, utc(set.Loaded)
	}
	return c
}

// fill adds the rows of names, pools and targets.
func (o observation) fill(st *Status, sel selection, sc *scope) {
	var troubledName func(*zones.Name) bool
	var troubledPool func(*steer.PoolState) bool
	var troubledTarget func(health.Report) bool
	if sel.troubleFirst {
		troubledName = func(n *zones.Name) bool { return !preferred(o.decision(n)) }
		troubledPool = func(p *steer.PoolState) bool { return p.Status != health.Up || p.Turning }
		troubledTarget = func(r health.Report) bool {
			return r.State.Status != health.Up || r.State.Turning || o.stale(r) || indeterminate(r)
		}
	}

	names, matched := pick(o.names(), sel.limit, func(n *zones.Name) bool {
		return (sel.name == "" || n.Name == sel.name) && sel.contains(n.Name, o.decision(n).PoolName(), string(o.decision(n).Mode))
	}, troubledName)
	st.Matched.Names, st.Names = matched, transform(names, o.newName)

	pools, matched := pick(o.pools(), sel.limit, func(p *steer.PoolState) bool {
		return sc.hasPool(p) && (sel.contains(p.Pool.Name, p.Pool.Region, p.Status.String()) || sel.containsMember(p.Pool))
	}, troubledPool)
	st.Matched.Pools, st.Pools = matched, transform(pools, newPool)

	targets, matched := pick(o.reports, sel.limit, func(r health.Report) bool {
		return sc.hasTarget(r) && sel.contains(string(r.Target.ID), r.Target.Check, r.Target.Subject, r.State.Status.String())
	}, troubledTarget)
	st.Matched.Targets, st.Targets = matched, transform(targets, o.newTarget)
}

func fillEvents(st *Status, sel selection, sc *scope, latest []entry) {
	events, matched := pick(latest, sel.limit, func(e entry) bool {
		return sc.hasEvent(e) && (sel.contains(e.Subject, e.Kind, e.From, e.To) || sel.contains(e.Names...))
	}, nil)
	st.Matched.Events = matched
	st.Events = transform(events, func(e entry) Event { return e.Event })
}

func (sel selection) containsMember(p *zones.Pool) bool {
	for _, m := range p.Members {
		if sel.contains(m.Address.String()) {
			return true
		}
	}
	return false
}

func (o observation) newName(n *zones.Name) Name {
	d := o.decision(n)
	row := Name{
		Zone:          n.Zone.Name,
		Name:          n.Name,
		Policy:        n.Steering.Policy,
		Mode:          d.Mode,
		Pool:          d.PoolName(),
		PreferredPool: n.Steering.Pools[0].Name,
		Addresses:     list(d.Addresses),
		TTL:           d.TTL.Seconds(),
		Revisit:       utc(d.Revisit),
		Reasons:       transform(d.Reasons, func(c steer.Considered) Reason { return Reason(c) }),
	}
	if d.Pool != nil {
		row.Region = d.Pool.Region
	}
	return row
}

func newPool(p *steer.PoolState) Pool {
	targets := make(map[netip.Addr][]health.TargetID, len(p.Pool.Members))
	for _, m := range p.Pool.Members {
		targets[m.Address] = m.Targets
	}
	return Pool{
		Name:    p.Pool.Name,
		Region:  p.Pool.Region,
		Status:  p.Status,
		Since:   utc(p.Since),
		Why:     p.Why,
		Turning: p.Turning,
		MinUp:   p.Pool.MinUp,
		Members: transform(p.Members, func(m steer.MemberState) Member {
			return Member{Address: m.Address, Status: m.Status, Targets: list(targets[m.Address])}
		}),
		Targets: list(p.Pool.Targets),
	}
}

func (o observation) newTarget(r health.Report) Target {
	t := Target{
		ID:         r.Target.ID,
		Check:      r.Target.Check,
		Subject:    r.Target.Subject,
		Status:     r.State.Status,
		Since:      utc(r.State.Since),
		Turning:    r.State.Turning,
		StaleAfter: staleAfter(r.Target).Seconds(),
		Stale:      o.stale(r),
		Restored:   r.Restored,
		Took:       r.Took.Seconds(),
		Probes: ProbeCounts{
			Pass:          r.Probes[health.Pass],
			Fail:          r.Probes[health.Fail],
			Indeterminate: r.Probes[health.Indeterminate],
		},
	}
	if r.Target.Spec != nil {
		t.Kind = r.Target.Spec.Kind()
	}
	if !r.Judged.IsZero() {
		age := o.now.Sub(r.Judged).Seconds()
		t.Age = &age
	}
	if !r.Probed.IsZero() {
		t.Last = &Probe{At: utc(r.Probed), Verdict: r.Last.Verdict.String(), Reason: r.Last.Reason, Detail: r.Last.Detail}
	}
	return t
}

// transform applies f to each item. It never returns nil, which JSON would write as null.
func transform[T, R any](items []T, f func(T) R) []R {
	rows := make([]R, 0, len(items))
	for _, item := range items {
		rows = append(rows, f(item))
	}
	return rows
}

// list is items, and [] rather than null in JSON when there are none.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

// utc keeps the zero time zero and drops the monotonic reading.
func utc(t time.Time) time.Time { return t.UTC().Round(0) }
