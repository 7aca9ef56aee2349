package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gslb/health"
	"gslb/override"
	"gslb/steer"
	"gslb/zones"
)

// checkWords: what a person has said is in force until its end, and nothing else is.
func (c *checker) checkWords(m *moment) {
	in := m.out.Words().All()
	for _, o := range in {
		if _, said := c.said[o.ID()]; !said {
			fail("%s: %s is in force, and nobody has said it", m.at, o.ID())
		}
	}
	for id, o := range c.said {
		if o.lapsed || hasEnded(&o.Override, m.wall) {
			continue
		}
		if !slices.ContainsFunc(in, func(is override.Override) bool { return is.ID() == id }) {
			fail("%s: %s is not in force", m.at, id)
		}
	}
}

// checkAnswer: a name has an answer, from a pool that is up if there is one; what else is answered,
// when_all_down explains.
func (c *checker) checkAnswer(m *moment, v *view) {
	s, d := v.name.Steering, v.d
	is := func(format string, args ...any) {
		fail("%s: %s (%s %s): %s", m.at, v.name.Name, d.Mode, d.PoolName(), fmt.Sprintf(format, args...))
	}
	isGood := func(p poolView) bool { return p.good }
	switch d.Mode {
	case steer.Pending:
		isAwaited := func(t health.Target) bool { return m.judgement.Snapshot.State(t.ID).Awaited }
		if !m.awaits && !slices.ContainsFunc(m.set.Targets, isAwaited) { // after that only while a first verdict is undecided
			is("nothing is awaited")
		}
		return
	case steer.NoData:
		if s.WhenAllDown != zones.NoData {
			is("when_all_down = %s", s.WhenAllDown)
		}
	case steer.ServFail:
		if s.WhenAllDown != zones.ServFail {
			is("when_all_down = %s", s.WhenAllDown)
		}
	default:
		for i := range d.Shares {
			if len(d.Shares[i].Addresses) == 0 {
				is("%s has no address", d.Shares[i].Pool.Name)
			}
		}
		if len(d.Shares) == 0 {
			is("it has no answer")
		}
	}
	switch d.Mode {
	case steer.AssumeUp, steer.LastGood, steer.All, steer.NoData, steer.ServFail, steer.Fallback, steer.Untested:
		if slices.ContainsFunc(v.pools, isGood) {
			is("a pool is up: %s", v)
		}
		if d.Mode == steer.Fallback && s.WhenAllDown != zones.UseFallback || d.Mode == steer.All && s.WhenAllDown != zones.AnswerAll {
			is("when_all_down = %s", s.WhenAllDown)
		}
	case steer.Normal, steer.Ramped, steer.Panic:
		if d.Mode == steer.Panic && s.PanicBelow == 0 {
			is("there is no panic_below")
		}
		good := 0
		for i := range d.Shares {
			if p := v.poolOf(d.Shares[i].Pool); p.good {
				good++
			}
		}
		if good < len(d.Shares) && d.Mode != steer.Panic || good == 0 && s.MaxDown == 0 {
			is("a pool is not up: %s", v)
		}
		if d.Mode == steer.Normal && s.Policy == zones.Failover && s.Failback == zones.FailbackAuto && s.FailbackAfter == 0 && s.MaxDown == 0 {
			chosen := v.poolOf(d.Shares[0].Pool)
			isPreferred := func(p poolView) bool { return p.pool == chosen.pool || p.good && !p.unclean }
			if first := slices.IndexFunc(v.pools, isPreferred); v.pools[first].pool != chosen.pool && !chosen.unclean && !chosen.isBound() {
				is("%s is preferred, and up: %s", v.pools[first].pool.Name, v)
			}
		}
	case steer.Held:
		if s.FailoverAfter == 0 && s.MaxDown == 0 {
			is("nothing holds a pool")
		}
		for i := range d.Shares {
			if p := v.poolOf(d.Shares[i].Pool); p.status == health.Down && m.out.Pools[p.pool.Index].Force != nil {
				is("%s is forced down", p.pool.Name)
			}
		}
	}
}

// String is for messages.
func (v *view) String() string {
	var b strings.Builder
	for _, p := range v.pools {
		fmt.Fprintf(&b, " %s:%s", p.pool.Name, p.status)
		if p.drained {
			b.WriteString(" drained")
		}
		if p.good {
			b.WriteString(" good")
		}
	}
	return b.String()
}

// checkDrains: what is drained is not answered while anything else is left.
func (c *checker) checkDrains(v *view) {
	if v.empty {
		return
	}
	for i := range v.d.Shares {
		s := &v.d.Shares[i]
		p := v.poolOf(s.Pool)
		if p.drained {
			fail("%s is answered with %s, which is drained: %s", v.name.Name, s.Pool.Name, v)
		}
		for _, a := range p.bare {
			if slices.Contains(s.Addresses, a) {
				fail("%s is answered with %s, which is drained: %s", v.name.Name, a, v)
			}
		}
	}
}

// checkPin: a pin is followed while its pool is usable, or anyway.
func (c *checker) checkPin(m *moment, v *view) {
	pin := v.words.Pin(v.name.Name)
	d := m.out.DecisionsOf(v.name)[0]
	if pin == nil {
		if d != v.d {
			fail("%s stands apart, and is not pinned", v.name.Name)
		}
		return
	}
	for i := range v.pools {
		p := &v.pools[i]
		switch {
		case p.pool.Name != pin.Pool:
		case p.awaited:
		case p.status == health.Down && !pin.Anyway:
			if d.Mode == steer.Pinned {
				fail("%s is pinned to %s, which is down", v.name.Name, pin.Pool)
			}
		case d.Mode != steer.Pinned || d.PoolName() != pin.Pool || len(d.Shares[0].Addresses) == 0:
			fail("%s is pinned to %s, which is %s, and answers %s %s", v.name.Name, pin.Pool, p.status, d.Mode, d.PoolName())
		}
	}
}

// checkFailback: with failback = "manual" nothing is returned to by itself.
func (c *checker) checkFailback(m *moment, v *view, past *routePast) {
	s, d := v.name.Steering, v.d
	if s.Failback != zones.FailbackManual || s.Policy != zones.Failover || d.Mode != steer.Normal && d.Mode != steer.Held {
		if m.back {
			clear(past.waits)
		}
		return
	}
	chosen := slices.IndexFunc(v.pools, func(p poolView) bool { return p.pool == d.Shares[0].Pool })
	if past.waits[d.PoolName()] && !m.back {
		for i := chosen + 1; i < len(v.pools); i++ {
			if p := &v.pools[i]; p.good && slices.Contains(past.settled, p.pool.Name) {
				fail("%s: %s returned to %s by itself, while %s is up: %s", m.at, v.name.Name, d.PoolName(), p.pool.Name, v)
			}
		}
	}
	if m.back {
		clear(past.waits)
	}
	delete(past.waits, d.PoolName())
	for i := range v.pools[:chosen] {
		if v.pools[i].status != health.Up || v.pools[i].copy.Degraded {
			past.waits[v.pools[i].pool.Name] = true
		}
	}
	for i := chosen + 1; i < len(v.pools); i++ {
		delete(past.waits, v.pools[i].pool.Name)
	}
}

// checkRamp: the part of a returning pool grows as it should, and never shrinks.
func (c *checker) checkRamp(m *moment, v *view, past *routePast) {
	s, d := v.name.Steering, v.d
	if d.Mode != steer.Ramped {
		return
	}
	if s.Failback != zones.FailbackRamped {
		fail("%s: %s is ramped", m.at, v.name.Name)
	}
	returning, sum, part := 0, 0, 0
	for i := range d.Shares {
		sum += d.Shares[i].Weight
	}
	for i := range d.Shares {
		if d.Shares[i].Returning {
			returning++
			part = d.Shares[i].Weight
			state := m.out.Pools[d.Shares[i].Pool.Index]
			from := state.Recovered
			if state.CaughtUp.After(from) {
				from = state.CaughtUp
			}
			up := m.now.Sub(from.Add(s.FailbackAfter))
			if up < 0 || up > s.FailbackRamp {
				fail("%s: %s is returned to %s since %s", m.at, v.name.Name, state.Pool.Name, up)
			}
			if s.Policy == zones.Failover && len(d.Shares) == 2 {
				is, most := float64(part)/float64(sum), 0.05+0.95*float64(up)/float64(s.FailbackRamp)
				if is > most+0.001 || is < most-0.95*float64(rampStep(s.FailbackRamp))/float64(s.FailbackRamp)-0.001 {
					fail("%s: %s gets %.3f of the clients of %s after %s of %s: %+v", m.at, state.Pool.Name, is, v.name.Name, up, s.FailbackRamp, d.Shares)
				}
			}
		}
	}
	if returning == 0 {
		fail("%s: %s is ramped, and nothing returns", m.at, v.name.Name)
	}
	if returning != 1 || past.mode != steer.Ramped || len(past.shares) != len(d.Shares) {
		return
	}
	was, wasPart := 0, 0
	for i := range d.Shares {
		if past.shares[i].Pool != d.Shares[i].Pool || past.shares[i].Returning != d.Shares[i].Returning {
			return
		}
		was += past.shares[i].Weight
		if past.shares[i].Returning {
			wasPart = past.shares[i].Weight
		}
	}
	if float64(part)/float64(sum) < float64(wasPart)/float64(was)-1e-5 && !c.recoveredAgain(m, d) {
		fail("%s: the part of a pool that returns for %s shrinks from %d of %d to %d of %d", m.at, v.name.Name, wasPart, was, part, sum)
	}
}

// rampStep is the longest step of a ramp.
func rampStep(length time.Duration) time.Duration {
	return min(max(length/120, 100*time.Millisecond), 5*time.Second)
}

// recoveredAgain reports whether a returning pool has begun anew since the last moment.
func (c *checker) recoveredAgain(m *moment, d *steer.Decision) bool {
	for i := range d.Shares {
		at := d.Shares[i].Pool.Index
		if c.last.set == m.set && d.Shares[i].Returning && (!c.last.out.Pools[at].Recovered.Equal(m.out.Pools[at].Recovered) || !c.last.out.Pools[at].CaughtUp.Equal(m.out.Pools[at].CaughtUp)) {
			return true
		}
	}
	return false
}

// checkVelocity: of one name, no more than max_down pools are left within the time.
func (c *checker) checkVelocity(m *moment, v *view, past *routePast) {
	s, d := v.name.Steering, v.d
	if s.MaxDown == 0 {
		return
	}
	for i := range v.pools {
		switch p := &v.pools[i]; {
		case p.word:
			delete(past.left, p.pool.Name)
			past.up[p.pool.Name] = false
		case p.status != health.Down:
			past.up[p.pool.Name] = p.status == health.Up
		}
	}
	if d.Mode == steer.Pending || past.mode != steer.Normal && past.mode != steer.Held && past.mode != steer.Ramped {
		return
	}
	for _, name := range past.settled {
		at := slices.IndexFunc(v.pools, func(p poolView) bool { return p.pool.Name == name })
		if at < 0 || !past.up[name] || v.pools[at].status != health.Down ||
			slices.ContainsFunc(d.Shares, func(s steer.Share) bool { return s.Pool.Name == name }) ||
			slices.ContainsFunc(v.pools[:at], func(p poolView) bool { return p.good && !slices.Contains(past.settled, p.pool.Name) }) {
			continue // the last one: a pool that is preferred is returned to
		}
		past.left[name] = m.now
	}
	recent := 0
	for _, at := range past.left {
		if age := m.now.Sub(at); age >= 0 && age < s.Within-c.slack {
			recent++
		}
	}
	if recent > s.MaxDown {
		fail("%s: of %s %d pools were left within %s: %v", m.at, v.name.Name, recent, s.Within, past.left)
	}
}
