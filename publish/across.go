package publish

import (
	"gslb/steer"
	"gslb/zones"
)

// Crossing is what becomes of names when one configuration takes the place of another.
type Crossing struct {
	Added, Removed []*zones.Name   // of the new configuration, and of the old one
	Changes        []*AnswerChange // of names that both have, each with the names that it concerns
	Names          int             // that both have
	Moved          int             // of these, those that are answered otherwise
	Resteered      []*zones.Name   // of these, those that are answered as before, and steered otherwise
}

// Across compares what two configurations answer. Clients are followed by the views that they are in, as
// when a configuration is taken into use.
func Across(old, next *steer.Outcome) *Crossing {
	c := new(Crossing)
	had := make(map[string]*zones.Name)
	for _, zone := range old.Set().Zones {
		for _, n := range zone.Names {
			had[n.Name] = n
		}
	}
	groups := newPairs(old, next)
	for _, zone := range next.Set().Zones {
		for _, n := range zone.Names {
			if before := had[n.Name]; before != nil {
				groups.add(before, n)
				delete(had, n.Name)
			} else {
				c.Added = append(c.Added, n)
			}
		}
	}
	for _, zone := range old.Set().Zones {
		for _, n := range zone.Names {
			if had[n.Name] != nil {
				c.Removed = append(c.Removed, n)
			}
		}
	}
	for _, pair := range groups.list {
		changes := pair.changes()
		c.Changes = append(c.Changes, changes...)
		c.Names += len(pair.names)
		switch {
		case len(changes) > 0:
			c.Moved += len(pair.names)
		case pair.before.Key != pair.after.Key:
			c.Resteered = append(c.Resteered, pair.names...)
		}
	}
	return c
}

// pairs is the names of two outcomes, those that are answered alike before and after together.
type pairs struct {
	old, next *steer.Outcome
	apart     map[string]bool // names that stand apart in one of them
	places    map[[2]*zones.Steering]int
	list      []*pair
}

// pair is names that had the same steering, and have the same again.
type pair struct {
	names         []*zones.Name // of the new configuration
	before, after *zones.Steering
	from, to      []*steer.Decision // by the routes of these
}

func newPairs(old, next *steer.Outcome) *pairs {
	p := &pairs{old: old, next: next, apart: make(map[string]bool), places: make(map[[2]*zones.Steering]int)}
	for _, o := range []*steer.Outcome{old, next} {
		for _, a := range o.Apart {
			p.apart[a.Name.Name] = true
		}
	}
	return p
}

func (p *pairs) add(before, after *zones.Name) {
	if !p.apart[after.Name] {
		key := [2]*zones.Steering{before.Steering, after.Steering}
		if at, known := p.places[key]; known {
			p.list[at].names = append(p.list[at].names, after)
			return
		}
		p.places[key] = len(p.list)
	}
	p.list = append(p.list, &pair{
		names: []*zones.Name{after}, before: before.Steering, after: after.Steering,
		from: p.old.DecisionsOf(before), to: p.next.DecisionsOf(after),
	})
}

// changes lists what is answered otherwise.
func (p *pair) changes() []*AnswerChange {
	before := func(*zones.Route) *steer.Decision { return p.from[0] }
	if len(p.before.Routes) > 1 {
		known := newRoutesBefore(p.before, p.after)
		before = func(r *zones.Route) *steer.Decision {
			if was := known.of(r); was != nil {
				return p.from[was.Index-p.before.Routes[0].Index]
			}
			return new(steer.Decision)
		}
	}
	var told collector
	for _, to := range p.to {
		told.tell(before(to.Route), to, func() []*zones.Name { return p.names })
	}
	return told.list
}
