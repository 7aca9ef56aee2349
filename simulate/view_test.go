package simulate

import (
	"net/netip"
	"slices"

	"gslb/health"
	"gslb/override"
	"gslb/replication"
	"gslb/steer"
	"gslb/zones"
)

// view is one name at one moment.
type view struct {
	name  *zones.Name
	d     *steer.Decision // that it shares with others
	words *override.Words
	pools []poolView // of its route, in order
	spare *poolView  // the fallback
	empty bool       // everything is drained
}

// poolView is what is plainly so of a pool.
type poolView struct {
	pool     *zones.Pool
	status   health.Status // that it is taken for
	drained  bool
	good     bool // it is up, and has a member that is up and not drained
	awaited  bool
	word     bool // a person has said something of it
	bare     []netip.Addr
	copy     replication.State
	unclean  bool // its data is degraded, or was until lately
	caughtUp bool // its data has been current since it was degraded
}

func (c *checker) view(m *moment, n *zones.Name, d *steer.Decision) *view {
	v := &view{name: n, d: d, words: m.out.Words(), empty: true, pools: make([]poolView, 0, len(m.set.Pools))}
	for t := range d.Route.Tiers {
		for _, s := range d.Route.Tiers[t].Shares {
			p := c.look(m, s.Pool, v.words)
			v.pools = append(v.pools, p)
			v.empty = v.empty && p.drained
		}
	}
	if f := n.Steering.Fallback; f != nil {
		p := c.look(m, f, v.words)
		v.spare = &p
		v.empty = v.empty && p.drained
	}
	return v
}

// look is a pool at a moment. It is the same for all names.
func (c *checker) look(m *moment, pool *zones.Pool, words *override.Words) poolView {
	if at := slices.IndexFunc(c.looked, func(p poolView) bool { return p.pool == pool }); at >= 0 {
		return c.looked[at]
	}
	p := look(m.judgement.Snapshot, pool, words, m.out.Input().Copies)
	c.lookAtCopy(m, &p)
	c.looked = append(c.looked, p)
	return p
}

// look is a pool as statuses and words have it.
func look(snap *health.Snapshot, pool *zones.Pool, all *override.Words, copies *replication.View) poolView {
	p := poolView{pool: pool, status: health.Up}
	words := all.Pool(pool.Name)
	own := health.Up
	for _, id := range pool.Targets {
		s := snap.State(id)
		p.awaited = p.awaited || s.Awaited
		own = worse(own, s.Status)
	}
	up, maybe, left, alive := 0, 0, 0, false
	for i := range pool.Members {
		member := &pool.Members[i]
		status := health.Up
		for _, id := range member.Targets {
			s := snap.State(id)
			p.awaited = p.awaited || s.Awaited
			status = worse(status, s.Status)
		}
		drained := false
		if words != nil {
			if f := words.Forced[member.Address]; f != nil {
				status, p.word = f.Status, true
			}
			drained = words.Drained[member.Address] != nil
		}
		if status == health.Up {
			up++
		}
		if status != health.Down {
			maybe++
		}
		if !drained {
			left++
			alive = alive || status == health.Up
		} else {
			p.word = true
			p.bare = append(p.bare, member.Address)
		}
	}
	needed := pool.MinUp.Of(len(pool.Members))
	switch {
	case own == health.Down, maybe < needed:
		p.status = health.Down
	case own != health.Up, up < needed:
		p.status = health.Unknown
	}
	if x, is := copyOf(pool); is && pool.DownDegraded && stateOf(copies, x).Proven {
		p.status = health.Down
	}
	forced := words != nil && words.Force != nil
	if forced {
		p.status, p.word, p.awaited = words.Force.Status, true, false
	}
	p.drained = left == 0
	if words != nil && words.Drain != nil {
		p.drained, p.word = true, true
	}
	p.good = p.status == health.Up && !p.drained && (alive || forced)
	return p
}

func worse(a, b health.Status) health.Status {
	if a == health.Down || b == health.Down {
		return health.Down
	}
	if a == health.Unknown || b == health.Unknown {
		return health.Unknown
	}
	return health.Up
}

func (v *view) poolOf(p *zones.Pool) *poolView {
	for i := range v.pools {
		if v.pools[i].pool == p {
			return &v.pools[i]
		}
	}
	if v.spare != nil && v.spare.pool == p {
		return v.spare
	}
	fail("%s is answered with %s, which it does not have", v.name.Name, p.Name)
	return nil
}
