package simulate

import (
	"slices"
	"time"

	"gslb/health"
	"gslb/zones"
)

// derived is a target that is calculated from others. It is computed as plainly as can be, to hold package
// health and the guard to it.
type derived struct {
	*health.Target
	spec  *health.Calculated
	state health.State
}

func (b *prober) addDerived(set *zones.Set, prior map[health.TargetID]health.Record) {
	var list []*derived
	for i := range set.Targets {
		t := &set.Targets[i]
		spec, is := t.Spec.(*health.Calculated)
		if !is {
			continue
		}
		d := &derived{Target: t, spec: spec}
		if at := slices.IndexFunc(b.derived, func(d *derived) bool { return d.ID == t.ID }); at >= 0 {
			d.state = b.derived[at].state
		} else if r, known := prior[t.ID]; known && r.Fingerprint == t.Fingerprint {
			d.state = health.State{Status: r.Status, Since: r.Since}
			b.changed[d.ID] = d.state
		}
		list = append(list, d)
	}
	for _, d := range b.derived { // until the next configuration is served
		if !slices.ContainsFunc(list, func(other *derived) bool { return other.ID == d.ID }) {
			list = append(list, d)
		}
	}
	b.derived = b.derived[:0]
	for len(list) > 0 { // those whose operands are there
		for i, d := range list {
			if !slices.ContainsFunc(list, func(other *derived) bool { return slices.Contains(d.spec.Of, other.ID) }) {
				b.derived, list = append(b.derived, d), slices.Delete(list, i, i+1)
				break
			}
		}
	}
}

func (b *prober) retainDerived(set *zones.Set) {
	b.derived = slices.DeleteFunc(b.derived, func(d *derived) bool {
		gone := !slices.ContainsFunc(set.Targets, func(t health.Target) bool { return t.ID == d.ID })
		if gone {
			b.changed[d.ID] = health.State{}
		}
		return gone
	})
}

// derive brings all that is calculated up to date.
func (b *prober) derive() {
	for _, d := range b.derived {
		operands := make([]health.State, len(d.spec.Of))
		for i, id := range d.spec.Of {
			if e := b.find(id); e != nil {
				operands[i] = e.state
			} else if at := slices.IndexFunc(b.derived, func(d *derived) bool { return d.ID == id }); at >= 0 {
				operands[i] = b.derived[at].state
			}
		}
		was := d.state
		d.state.Status = derivedStatus(d.spec, operands)
		d.state.Turning = couldBe(d.spec, operands, func(s *health.State) bool { return s.Turning })
		d.state.Awaited = couldBe(d.spec, operands, func(s *health.State) bool { return s.Awaited })
		if d.state.Status != was.Status {
			d.state.Since, d.state.Cause = b.now, health.Result{Reason: "calculated"}
		}
		if d.state != was {
			b.changed[d.ID] = d.state
		}
	}
}

// derivedStatus is what statuses come to.
func derivedStatus(c *health.Calculated, operands []health.State) health.Status {
	up, down := 0, 0
	for i := range operands {
		switch operands[i].Status {
		case health.Up:
			up++
		case health.Down:
			down++
		}
	}
	n := len(operands)
	switch {
	case c.Op == health.All && up == n, c.Op == health.Any && up > 0, c.Op == health.AtLeast && up >= c.Count, c.Op == health.Not && down == 1:
		return health.Up
	case c.Op == health.All && down > 0, c.Op == health.Any && down == n, c.Op == health.AtLeast && n-down < c.Count, c.Op == health.Not && up == 1:
		return health.Down
	}
	return health.Unknown
}

// couldBe reports whether some choice of statuses of some operands would come to something else.
func couldBe(c *health.Calculated, operands []health.State, some func(*health.State) bool) bool {
	if !slices.ContainsFunc(operands, func(s health.State) bool { return some(&s) }) {
		return false
	}
	is := derivedStatus(c, operands)
	supposed := slices.Clone(operands)
	for choice := range 1 << len(operands) {
		for i := range supposed {
			if some(&operands[i]) {
				supposed[i].Status = health.Status(1 + choice>>i&1)
			}
		}
		if derivedStatus(c, supposed) != is {
			return true
		}
	}
	return false
}

// checkCalculated: what is calculated is always what its operands come to, those that are held as they are held.
func (c *checker) checkCalculated(m *moment) {
	if m.set == c.last.set && m.judgement.Snapshot == c.last.judgement.Snapshot {
		return
	}
	for i := range m.set.Targets {
		t := &m.set.Targets[i]
		spec, is := t.Spec.(*health.Calculated)
		if !is {
			continue
		}
		operands := make([]health.State, len(spec.Of))
		held := false
		for j, id := range spec.Of {
			operands[j] = m.judgement.Snapshot.State(id)
			held = held || operands[j].Held.Rule != ""
		}
		got := m.judgement.Snapshot.State(t.ID)
		switch want := derivedStatus(spec, operands); {
		case got.Status != want:
			fail("%s: %s is %s, and what it is calculated from comes to %s: %+v", m.at, t.ID, got.Status, want, operands)
		case got.Turning != couldBe(spec, operands, func(s *health.State) bool { return s.Turning }):
			fail("%s: %s is turning: %t, and what it is calculated from is %+v", m.at, t.ID, got.Turning, operands)
		case got.Held.Rule != "" && !held:
			fail("%s: %s is held by rule %s, and nothing that it is calculated from is", m.at, t.ID, got.Held.Rule)
		case got.Since.After(m.now.Add(time.Millisecond)):
			fail("%s: %s is so since %s, which is to come", m.at, t.ID, got.Since)
		}
	}
}
