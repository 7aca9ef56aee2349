package incident

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// judge lists what is wrong at one moment, each cause once, the critical first, and of these the youngest.
// shifts has by Route.Key when clients were last moved.
func judge(l *Look, shifts map[string]shift) []finding {
	if l.Table == nil {
		return nil
	}
	j := judgement{Look: l, shifts: shifts, pools: make(map[string]*poolCase), lost: make(map[string]*lostCase)}
	for _, s := range l.Table.Set().Steerings {
		names := l.Table.Names(s.Index)
		if len(l.Table.Apart()) > 0 {
			names = slices.DeleteFunc(slices.Clone(names), l.Table.IsApart)
		}
		for _, r := range s.Routes {
			j.decision(l.Table.Decisions()[r.Index], names)
		}
	}
	for _, a := range l.Table.Apart() {
		for _, d := range a.Decisions {
			j.decision(d, []*zones.Name{a.Name})
		}
	}
	var list []finding
	lost := slices.Sorted(maps.Keys(j.lost))
	for _, key := range lost {
		list = append(list, j.lost[key].finding(&j))
	}
	for _, state := range l.Table.Pools() {
		if f, is := j.pool(state); is {
			for _, key := range lost {
				if len(f.moves.list) == 0 && !f.critical && j.lost[key].pools[f.subject] {
					f.within = append(f.within, key)
				}
			}
			list = append(list, f)
		}
	}
	list = append(list, j.doubt()...)
	list = append(list, j.targets()...)
	list = append(list, j.configuration()...)
	list = append(list, j.words()...)
	for _, fault := range l.Faults {
		list = append(list, fault.finding())
	}
	slices.SortStableFunc(list, func(a, b finding) int {
		if a.critical != b.critical {
			if a.critical {
				return -1
			}
			return 1
		}
		return cmp.Or(b.since, l.Now).Compare(cmp.Or(a.since, l.Now))
	})
	return list
}

// judgement is a look on the way to its findings.
type judgement struct {
	*Look
	shifts map[string]shift
	pools  map[string]*poolCase // by name
	lost   map[string]*lostCase // by key: names of which no pool is left
}

// poolCase is what names make of a pool that is not answered as it would be if all were well.
type poolCase struct {
	left    moves     // names that are answered otherwise
	waiting tally     // of these: it has recovered, and waits for gslb failback
	coming  tally     // of these: it has recovered, and they return by themselves
	until   time.Time // when the last of them has returned; zero: not known
	held    tally     // names that are answered with it although it is down, by failover_after
	leaving time.Time // when the last of them leaves it
	slowed  tally     // the same by max_down
}

func (j *judgement) of(pool string) *poolCase {
	c := j.pools[pool]
	if c == nil {
		c = new(poolCase)
		j.pools[pool] = c
	}
	return c
}

// decision finds out which pools the clients of a route would have if all were well.
//
//	the pool                                   │ and                      │ then it is
//	───────────────────────────────────────────┼──────────────────────────┼───────────────────────────
//	any                                        │ no pool of the names is  │ lost to them, together with
//	                                           │ left, or too little      │ the others
//	is answered, and down                      │ by failover_after        │ held
//	is answered, and down                      │ by max_down              │ slowed
//	is answered with a part that grows         │                          │ left, and coming
//	stands before what is answered, or beside  │ it is down, drained or   │ left
//	it, with a weight if others have one       │ degraded                 │
//	the same                                   │ it waits for a person    │ left, and waiting
//	the same                                   │ it waits for its time    │ left, and coming
//	anything else                              │                          │ no case
//
// A name that a person has pinned is answered as it should be.
func (j *judgement) decision(d *steer.Decision, names []*zones.Name) {
	switch {
	case len(d.Route.Tiers) == 0, len(names) == 0, d.Mode == steer.Pinned, d.Mode == steer.Pending, d.Mode == steer.Untested:
		return
	case d.Mode == steer.Panic, d.Mode.IsEmergency():
		j.lose(d, names)
		return
	}
	for _, h := range d.Held {
		switch h.Rule {
		case steer.FailoverAfter:
			c := j.of(h.Pool)
			c.held.add(d, names)
			c.leaving = latest(c.leaving, h.Until)
		case steer.Velocity:
			j.of(h.Pool).slowed.add(d, names)
		}
	}
	at := 0
	for t := range d.Route.Tiers[:d.Tier()+1] {
		shares := d.Route.Tiers[t].Shares
		weighty := slices.ContainsFunc(shares, func(s zones.Share) bool { return s.Weight > 0 })
		for i := range shares {
			r := &d.Reasons[at+i]
			switch {
			case shares[i].Weight == 0 && weighty:
			case r.Chosen && r.Rule == steer.FailbackRamp:
				j.leave(d, r, names)
			case r.Chosen && d.Route.Steering.Policy.IsOrdered():
				return
			case !r.Chosen && isOut(r):
				j.leave(d, r, names)
			}
		}
		at += len(shares)
	}
}

// isOut reports whether a pool is passed over for a reason that a person should know.
func isOut(r *steer.Considered) bool {
	switch r.Rule {
	case steer.Drain, steer.Degraded, steer.FailbackAfter, steer.FailbackManual:
		return true
	}
	return r.Status == health.Down
}

// leave notes that names are not answered with a pool.
func (j *judgement) leave(d *steer.Decision, r *steer.Considered, names []*zones.Name) {
	c := j.of(r.Pool)
	c.left.add(d, j.shifts[d.Route.Key], names)
	switch r.Rule {
	case steer.FailbackManual:
		c.waiting.add(d, names)
	case steer.FailbackAfter, steer.FailbackRamp, steer.Degraded:
		if r.Status != health.Up {
			return
		}
		c.coming.add(d, names)
		for _, h := range d.Held {
			if h.Pool == r.Pool && h.Rule == r.Rule {
				c.until = latest(c.until, h.Until)
			}
		}
	}
}

// pool judges a pool.
//
//	the pool is         │ and                                          │ kind        │ critical
//	────────────────────┼──────────────────────────────────────────────┼─────────────┼──────────
//	down                │ names are answered with it by max_down       │ held        │ yes
//	any                 │ all names that have left it wait for a       │ waiting     │ no
//	                    │ person, and it is up                         │             │
//	any                 │ names have left it                           │ failover    │ no
//	drained             │ names that have no pool left would have it   │ failover    │ no
//	down                │ names are answered with it by failover_after │ held        │ no
//	down                │ anything else                                │ pool down   │ no
//	degraded            │ anything else                                │ degraded    │ no
//	any                 │ a member is down                             │ member down │ no
//	anything else       │                                              │ no finding  │
func (j *judgement) pool(state *steer.PoolState) (f finding, is bool) {
	c := j.pools[state.Pool.Name]
	if c == nil {
		c = new(poolCase)
	}
	isDown := state.Status == health.Down
	f = finding{key: "pool/" + state.Pool.Name, subject: state.Pool.Name, down: isDown, moves: c.left}
	switch {
	case isDown && c.slowed.n > 0:
		f.kind, f.critical = Held, true
	case c.left.n() > 0 && c.waiting.n == c.left.n() && state.Status == health.Up:
		f.kind = Waiting
	case c.left.n() > 0, state.Drain != nil && !isDown && j.isLost(state.Pool.Name):
		f.kind = Failover
	case isDown && c.held.n > 0:
		f.kind = Held
	case isDown:
		f.kind = PoolDown
	case !state.Degraded.IsZero():
		f.kind = Degraded
	case slices.ContainsFunc(state.Members, isDownMember):
		f.kind = MemberDown
	default:
		return finding{}, false
	}
	f.describePool(j.Look, state, c)
	return f, true
}

// isLost reports whether names of which no pool is left have the pool.
func (j *judgement) isLost(pool string) bool {
	for _, c := range j.lost {
		if c.pools[pool] {
			return true
		}
	}
	return false
}

func isDownMember(m steer.MemberState) bool { return m.Status == health.Down && m.Drain == nil }

// lostCase is names of which no pool is left that is known to be up, or too little. They have the same pools.
type lostCase struct {
	key   string
	pools map[string]bool
	moves moves
	worst *steer.Decision // of the worst mode
	since time.Time       // when the last pool went
}

// lose notes that no pool of names is left.
func (j *judgement) lose(d *steer.Decision, names []*zones.Name) {
	var pools []string
	for p := range d.Route.Steering.Candidates() {
		pools = append(pools, p.Name)
	}
	slices.Sort(pools)
	key := "names/" + strings.Join(pools, "+")
	c := j.lost[key]
	if c == nil {
		c = &lostCase{key: key, pools: make(map[string]bool), worst: d}
		for _, pool := range pools {
			c.pools[pool] = true
		}
		j.lost[key] = c
	}
	if severity(d.Mode) > severity(c.worst.Mode) {
		c.worst = d
	}
	var since time.Time
	for p := range d.Route.Steering.Candidates() {
		if state := j.Table.Pools()[p.Index]; state.Status == health.Down {
			since = latest(since, state.Since)
		}
	}
	c.since = latest(c.since, since)
	last := j.shifts[d.Route.Key]
	if last.at.Before(since) { // clients were moved when another pool went, and may still be on the way; this one moves nobody
		last.from, last.at = d.PoolName(), since
	}
	c.moves.add(d, last, names)
}

func severity(m steer.Mode) int { return slices.Index(steer.Modes[:], m) }

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
