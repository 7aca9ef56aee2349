package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"gslb/health"
	"gslb/zones"
	"gslb/zones/problem"
)

// deepest is how many calculated checks may stand above each other.
const deepest = 8

// operands is what a calculated check is made of.
type operands struct {
	op     string
	count  int      // for health.AtLeast
	names  []string // of checks
	single bool     // it is not written as a list
	checks []*check // by names, once they are found; none if one is wrong
	found  bool     // or looked for
	depth  int
}

// calculatedCheck makes what reads a check that is calculated from others. They are looked for when all
// checks have been read.
func calculatedCheck(op string) func(*loader, *check, rawTable) *rawCheck {
	return func(l *loader, c *check, table rawTable) *rawCheck {
		scope := fmt.Sprintf(" for a check of type %q", op)
		c.of = &operands{op: op}
		switch op {
		case health.Not:
			raw := new(rawNot)
			l.decoder.table(c.at, table, raw, scope)
			l.oneOperand(c, raw.Of)
		case health.AtLeast:
			raw := new(rawAtLeast)
			l.decoder.table(c.at, table, raw, scope)
			l.operands(c, raw.Of)
			if raw.Count != nil && len(raw.Of) > 0 {
				c.of.count = l.within(c.at.Key("count"), *raw.Count, 1, int64(len(raw.Of)))
			}
		default:
			raw := new(rawCalculated)
			l.decoder.table(c.at, table, raw, scope)
			l.operands(c, raw.Of)
		}
		return nil
	}
}

// operands reads what a check is calculated from.
func (l *loader) operands(c *check, names []string) {
	if names != nil && len(names) == 0 {
		l.Add(c.at.Key("of"), "found an empty list; expected at least one check")
	}
	c.of.names = names
}

// oneOperand reads what is negated: the name of a check, or a list of one.
func (l *loader) oneOperand(c *check, raw any) {
	name, is := raw.(string)
	c.of.single = is
	if list, _ := raw.([]any); len(list) == 1 {
		name, is = list[0].(string)
	}
	switch {
	case raw == nil:
		l.Add(c.at.Key("of"), "missing; expected the name of a check")
		return
	case !is:
		l.Add(c.at.Key("of"), `found %s; expected the name of one check, such as "web"`, describe(raw))
		return
	}
	c.of.names = []string{name}
}

// findOperands finds what calculated checks are made of, and reports those that are made of themselves.
func (l *loader) findOperands() {
	for _, name := range sortedKeys(l.checks) {
		if c := l.checks[name]; c.of != nil {
			l.findOperandsOf(c, nil)
		}
	}
}

// findOperandsOf finds those of one check, after those of its operands; above are the checks that it is an
// operand of.
func (l *loader) findOperandsOf(c *check, above []*check) {
	if c.of.found {
		return
	}
	c.of.found = true
	above = append(above, c)
	complete, seen := len(c.of.names) > 0, make(map[string]bool)
	for i, name := range c.of.names {
		at := c.at.Key("of")
		if !c.of.single {
			at = at.Index(i)
		}
		operand := l.checks[name]
		switch {
		case operand == nil:
			l.Add(at, "there is no check %q; %s", name, meantKey(name, l.checks))
			complete = false
			continue
		case seen[name]:
			l.Add(at, "%q is given twice", name)
			complete = false
			continue
		case slices.Contains(above, operand):
			l.Add(at, "%q is calculated from itself: %s", name, circle(above, operand))
			operand.used = true
			complete = false
			continue
		}
		seen[name] = true
		operand.used = true
		if operand.of != nil {
			l.findOperandsOf(operand, above)
			c.of.depth = max(c.of.depth, operand.of.depth+1)
		}
		complete = complete && operand.spec != nil
		if operand.feedback != health.NoFeedback {
			if c.feedback != health.NoFeedback {
				l.Add(at, "check %q says a weight or load, as one before it does; expected one such operand", name)
				complete = false
			}
			c.feedback, c.shed = operand.feedback, operand.shed
		}
		c.of.checks = append(c.of.checks, operand)
	}
	if c.of.depth == deepest {
		l.Add(c.at.Key("of"), "found more than %d checks that are each calculated from the next; expected fewer", deepest)
		complete = false
	}
	if !complete || c.of.op == health.AtLeast && c.of.count == 0 {
		return
	}
	c.schedule = health.Target{Check: c.name, Rise: 1, Fall: 1}
	for _, operand := range c.of.checks {
		c.texts = append(c.texts, operand.texts...)
		c.schedule.Interval = max(c.schedule.Interval, operand.schedule.Interval)
		c.schedule.FastInterval = max(c.schedule.FastInterval, operand.schedule.FastInterval)
		c.schedule.Timeout = max(c.schedule.Timeout, operand.schedule.Timeout)
	}
	c.spec = func(*filling) health.Spec { return &health.Calculated{Op: c.of.op, Count: c.of.count} }
}

// circle is the way from a check back to itself.
func circle(above []*check, to *check) string {
	var names []string
	for _, c := range above[slices.Index(above, to):] {
		names = append(names, c.name)
	}
	return strings.Join(append(names, to.name), " -> ")
}

// content is what belongs to a target beside its spec: the digests of files, and what is calculated from.
func (l *loader) content(c *check, spec health.Spec, f *filling) string {
	if c.of == nil {
		return l.contentOf(spec)
	}
	parts := make([]string, len(c.of.checks))
	for i, operand := range c.of.checks {
		parts[i] = operand.name + " " + l.target(operand, f).Fingerprint
	}
	return strings.Join(parts, " ")
}

// apply notes the target of a check for a pool, or for a member of it with an address, and those that it is
// calculated from.
func (l *loader) apply(p *pool, c *check, f *filling, list *[]health.TargetID) {
	t := l.target(c, f)
	if c.perMember() {
		t.Subject = subjectOf(t.Spec, f.values[placeholderAddress])
	}
	isNew := l.targets.add(p.place(t), p.Name, list)
	if c.of == nil {
		return
	}
	var of *[]health.TargetID // of one that was there before, they are known
	if isNew {
		of = &t.Spec.(*health.Calculated).Of
	}
	for _, operand := range c.of.checks {
		l.apply(p, operand, f, of)
	}
}

// aliased is an operand of a calculated check that is made for each address of an alias.
type aliased struct {
	name        string
	place       int                // in zones.Pool.Checks; negative: it is made once for the pool
	id          *[]health.TargetID // of the pool's target
	fingerprint string             // the same
}

// calculateForAlias makes what makes the targets of a calculated check for the addresses of a pool's alias.
func (l *loader) calculateForAlias(p *pool, at *problem.Place, c *check) zones.MemberCheck {
	operands := make([]aliased, len(c.of.checks))
	for i, operand := range c.of.checks {
		operands[i] = aliased{name: operand.name, place: -1}
		if operand.perMember() {
			operands[i].place = l.applyToAlias(p, at, operand, true)
			continue
		}
		f := &filling{values: p.values}
		operands[i].id, operands[i].fingerprint = new([]health.TargetID), l.target(operand, f).Fingerprint
		l.apply(p, operand, f, operands[i].id)
	}
	schedule, op, count, pool := p.place(c.schedule), c.of.op, c.of.count, p.Pool
	return zones.MemberCheck{Name: c.name, Target: func(addr netip.Addr) (health.Target, error) {
		spec := &health.Calculated{Op: op, Count: count}
		parts := make([]string, len(operands))
		var of []health.TargetID
		for i := range operands {
			print := operands[i].fingerprint
			if operands[i].place < 0 {
				of = append(of, *operands[i].id...)
			} else {
				made := &pool.Checks[operands[i].place]
				t, err := made.Target(addr)
				if err != nil {
					return health.Target{}, err
				}
				print = t.Fingerprint
				of = append(of, made.ID(addr))
			}
			parts[i] = operands[i].name + " " + print
		}
		t := schedule
		t.Spec, t.Subject = spec, addr.String()
		t.Fingerprint = fingerprint(spec, strings.Join(parts, " "), t.Slow)
		spec.Of = of
		return t, nil
	}}
}
