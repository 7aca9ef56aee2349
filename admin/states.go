package admin

import (
	"maps"
	"slices"

	"gslb/admin/api"
	"gslb/answer"
	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// states is the values of the parameter state of a list, and which items are in each.
type states[T any] map[string]func(*moment, T) bool

// of is those that are in a state; nil for an empty one, which is that of all.
func (s states[T]) of(state string) (func(*moment, T) bool, error) {
	if state == "" {
		return nil, nil
	}
	is, known := s[state]
	if !known {
		return nil, api.NewProblem(api.BadRequest, "parameter state: %q is not known: want %s", cut(state, 100), listed(slices.Sorted(maps.Keys(s))))
	}
	return is, nil
}

// nameStates is of names: each mode, of the clients that are worst off, and some more.
func nameStates() states[*zones.Name] {
	s := states[*zones.Name]{
		"preferred":     func(m *moment, n *zones.Name) bool { return m.standingOf(n).preferred },
		"not_preferred": func(m *moment, n *zones.Name) bool { return !m.standingOf(n).preferred },
		"nothing":       func(m *moment, n *zones.Name) bool { return m.standingOf(n).mode.IsEmergency() },
		"stale":         func(m *moment, n *zones.Name) bool { return m.standingOf(n).stale },
		"waiting":       func(m *moment, n *zones.Name) bool { return m.standingOf(n).waiting },
	}
	for _, mode := range steer.Modes {
		s[string(mode)] = func(m *moment, n *zones.Name) bool { return m.standingOf(n).mode == mode }
	}
	return s
}

// poolStates is of pools.
func poolStates() states[*steer.PoolState] {
	s := states[*steer.PoolState]{
		"stale":    func(m *moment, p *steer.PoolState) bool { return m.stalePools[p.Pool] },
		"turning":  func(_ *moment, p *steer.PoolState) bool { return p.Turning },
		"drained":  func(_ *moment, p *steer.PoolState) bool { return isDrained(p) },
		"forced":   func(_ *moment, p *steer.PoolState) bool { return isForced(p) },
		"held":     func(_ *moment, p *steer.PoolState) bool { return p.Held.Rule != "" },
		"degraded": func(_ *moment, p *steer.PoolState) bool { return !p.Degraded.IsZero() },
	}
	for _, status := range []health.Status{health.Up, health.Down, health.Unknown} {
		s[status.String()] = func(_ *moment, p *steer.PoolState) bool { return p.Status == status }
	}
	return s
}

// isDrained reports whether a pool, or a member of it, is drained.
func isDrained(p *steer.PoolState) bool {
	return p.Drain != nil || slices.ContainsFunc(p.Members, func(member steer.MemberState) bool { return member.Drain != nil })
}

// isForced reports whether a pool, or a member of it, is forced.
func isForced(p *steer.PoolState) bool {
	return p.Force != nil || slices.ContainsFunc(p.Members, func(member steer.MemberState) bool { return member.Force != nil })
}

// targetStates is of targets.
func targetStates() states[*health.Report] {
	s := states[*health.Report]{
		"stale":         func(m *moment, r *health.Report) bool { return m.stale[r.Target.ID] },
		"turning":       func(_ *moment, r *health.Report) bool { return r.State.Turning },
		"failing":       func(_ *moment, r *health.Report) bool { return failing(r) },
		"indeterminate": func(_ *moment, r *health.Report) bool { return indeterminate(r) },
		"held":          func(m *moment, r *health.Report) bool { return m.held[r.Target.ID] },
		"slow":          func(_ *moment, r *health.Report) bool { return slow(r) },
		"expiring":      func(_ *moment, r *health.Report) bool { return !r.State.Expiring.IsZero() },
	}
	for _, status := range []health.Status{health.Up, health.Down, health.Unknown} {
		s[status.String()] = func(_ *moment, r *health.Report) bool { return r.State.Status == status }
	}
	return s
}

// usesPool is the names that have a pool among theirs; nil for an empty one.
func usesPool(pool string) func(*moment, *zones.Name) bool {
	if pool == "" {
		return nil
	}
	return func(_ *moment, n *zones.Name) bool { return steersTo(n.Steering, pool) }
}

// steersTo reports whether a steering has a pool, by its name.
func steersTo(s *zones.Steering, pool string) bool {
	is := func(p *zones.Pool) bool { return p != nil && p.Name == pool }
	return is(s.Fallback) || slices.ContainsFunc(s.Pools, is)
}

// both is what two accept, either of which may be nil.
func both[T any](a, b func(*moment, T) bool) func(*moment, T) bool {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(m *moment, item T) bool { return a(m, item) && b(m, item) }
}

// scopeOfPool is a pool, its targets, and the steerings that have it; nil for an empty one.
func scopeOfPool(pool string, table *answer.Table) *scope {
	if pool == "" {
		return nil
	}
	sc := &scope{steerings: map[string]bool{}, pools: map[string]bool{}, targets: map[health.TargetID]bool{}}
	if table == nil {
		return sc
	}
	for _, state := range table.Pools() {
		if state.Pool.Name == pool {
			sc.addPool(state)
		}
	}
	for _, steering := range table.Set().Steerings {
		if steersTo(steering, pool) {
			sc.steerings[steering.Key] = true
		}
	}
	return sc
}
