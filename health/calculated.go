package health

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

// How a status is calculated from those of others.
const (
	All     = "all"
	Any     = "any"
	AtLeast = "at_least"
	Not     = "not"
)

// Calculated is the spec of a target that is not probed: its status follows from those of its operands,
// which may be calculated themselves.
type Calculated struct {
	Op    string
	Count int `json:",omitempty"` // for AtLeast
	Of    []TargetID
}

// Kind is the operation.
func (c *Calculated) Kind() string { return c.Op }

// Files returns none.
func (c *Calculated) Files() []string { return nil }

// Where returns nothing: the operands are elsewhere.
func (c *Calculated) Where() string { return "" }

// Wants says which operands must be up.
func (c *Calculated) Wants() []string {
	names := make([]string, len(c.Of))
	for i, id := range c.Of {
		names[i] = string(id)
	}
	list := strings.Join(names, ", ")
	if c.Op == Not {
		return []string{"wants this one to be down: " + list}
	}
	return []string{fmt.Sprintf("wants %d of these %d to be up: %s", c.needed(), len(c.Of), list)}
}

// IsCalculated reports whether the target's status follows from those of others.
func (t *Target) IsCalculated() bool {
	_, is := t.Spec.(*Calculated)
	return is
}

// needed is how many operands must be up.
func (c *Calculated) needed() int {
	switch c.Op {
	case All:
		return len(c.Of)
	case AtLeast:
		return c.Count
	default:
		return 1
	}
}

// status combines the statuses of the operands.
//
//	         │ as many as needed │ not as many, even if   │ it depends on
//	         │ are up            │ the unknown were up    │ the unknown
//	─────────┼───────────────────┼────────────────────────┼──────────────
//	all      │ up: it needs all  │ down                   │ unknown
//	any      │ up: it needs one  │ down                   │ unknown
//	at_least │ up: it needs count│ down                   │ unknown
//	not      │ down: of one      │ up                     │ unknown
func (c *Calculated) status(of func(i int) Status) Status {
	up, maybe := 0, 0
	for i := range c.Of {
		switch of(i) {
		case Up:
			up++
			maybe++
		case Unknown:
			maybe++
		}
	}
	says, otherwise := Up, Down
	if c.Op == Not {
		says, otherwise = Down, Up
	}
	switch {
	case up >= c.needed():
		return says
	case maybe < c.needed():
		return otherwise
	}
	return Unknown
}

// dependsOn reports whether the status would be another if some of the operands had another one.
func (c *Calculated) dependsOn(operands []State, some func(*State) bool) bool {
	is := c.status(func(i int) Status { return operands[i].Status })
	for _, supposed := range []Status{Up, Down} {
		if is != c.status(func(i int) Status {
			if some(&operands[i]) {
				return supposed
			}
			return operands[i].Status
		}) {
			return true
		}
	}
	return false
}

// State is what the states of the operands, in their order, make of a target whose state was before.
//
//	it is    │ if
//	─────────┼──────────────────────────────────────────────────────────
//	turning  │ another status of operands that are turning would turn it
//	awaited  │ the same, of those that are awaited
//	stale    │ the same, of those that are stale
//
// As long as its status stays, so do Since and Cause. Its Load is that of the first operand that tells one. It
// has no Hearing: it proves nothing of the network that its operands do not. Whether it is held is for who
// holds them to say.
func (c *Calculated) State(before State, operands []State, now time.Time) State {
	next := State{
		Status:  c.status(func(i int) Status { return operands[i].Status }),
		Turning: c.dependsOn(operands, func(s *State) bool { return s.Turning }),
		Awaited: c.dependsOn(operands, func(s *State) bool { return s.Awaited }),
		Stale:   c.dependsOn(operands, func(s *State) bool { return s.Stale }),
		Since:   before.Since,
		Cause:   before.Cause,
	}
	if i := slices.IndexFunc(operands, func(s State) bool { return s.Load != nil }); i >= 0 {
		next.Load = operands[i].Load
	}
	if next.Status != before.Status {
		next.Since, next.Cause = now, c.result(next.Status, operands)
	}
	return next
}

// mostDetail bounds what is said of a calculated target, which may have many operands.
const mostDetail = 300

// result is why a status was calculated: how many operands are up, and the first that speaks for it.
func (c *Calculated) result(status Status, operands []State) Result {
	up := 0
	for i := range operands {
		up += int(one(operands[i].Status == Up))
	}
	detail := fmt.Sprintf("%d of %d up, %d needed", up, len(operands), c.needed())
	speaks := status
	if c.Op == Not {
		detail = ""
		speaks = map[Status]Status{Up: Down, Down: Up}[status]
	}
	if c.Op == Not || status != Up {
		if i := slices.IndexFunc(operands, func(s State) bool { return s.Status == speaks }); i >= 0 {
			said := fmt.Sprintf("%s is %s", c.Of[i], speaks)
			if why := cmp.Or(operands[i].Cause.Detail, operands[i].Cause.Reason); why != "" && speaks != Up {
				said += ": " + why
			}
			detail = strings.TrimPrefix(detail+": "+said, ": ")
		}
	}
	if len(detail) > mostDetail {
		detail = strings.ToValidUTF8(detail[:mostDetail], "") + " …"
	}
	reason := "operands"
	if status == Up {
		reason = "ok"
	}
	return Result{Verdict: verdictFor(status), Reason: reason, Detail: detail}
}

// judged is the age of the verdict that the status rests on, if the verdicts on its operands came at these
// times: without that one and all that are older, the status would not be known to be what it is.
func (c *Calculated) judged(operands []State, at []time.Time) time.Time {
	order := make([]int, len(at))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return at[a].Compare(at[b]) })
	forgotten := make([]bool, len(at))
	for _, oldest := range order {
		forgotten[oldest] = true
		if Unknown == c.status(func(i int) Status {
			if forgotten[i] {
				return Unknown
			}
			return operands[i].Status
		}) {
			return at[oldest]
		}
	}
	return time.Time{}
}

// Calculation is the calculated ones among some targets. It is not changed once it is made. The nil
// Calculation has none.
type Calculation struct {
	specs      map[TargetID]*Calculated
	order      []TargetID // all of them, each after its operands
	rank       map[TargetID]int
	dependents map[TargetID][]TargetID // on each target, in that order
}

// NewCalculation finds the calculated ones among targets; nil if there are none. An ID may come several
// times.
func NewCalculation(targets []Target) *Calculation {
	c := &Calculation{specs: make(map[TargetID]*Calculated), rank: make(map[TargetID]int), dependents: make(map[TargetID][]TargetID)}
	for i := range targets {
		if spec, is := targets[i].Spec.(*Calculated); is {
			c.specs[targets[i].ID] = spec
		}
	}
	if len(c.specs) == 0 {
		return nil
	}
	below := make(map[TargetID]map[TargetID]bool, len(c.specs)) // all that each depends on
	for _, id := range slices.Sorted(maps.Keys(c.specs)) {
		c.enter(id, below)
	}
	return c
}

// enter notes on what a target depends, after doing so for its operands. It ends also if a target depends on
// itself, which no configuration allows.
func (c *Calculation) enter(id TargetID, below map[TargetID]map[TargetID]bool) {
	if below[id] != nil {
		return
	}
	below[id] = make(map[TargetID]bool)
	for _, operand := range c.specs[id].Of {
		below[id][operand] = true
		if c.specs[operand] != nil {
			c.enter(operand, below)
			maps.Copy(below[id], below[operand])
		}
	}
	c.rank[id] = len(c.order)
	c.order = append(c.order, id)
	for operand := range below[id] {
		c.dependents[operand] = append(c.dependents[operand], id)
	}
}

// Targets is all calculated targets, each after its operands. The caller must not change it.
func (c *Calculation) Targets() []TargetID {
	if c == nil {
		return nil
	}
	return c.order
}

// Has reports whether a target is one of them.
func (c *Calculation) Has(id TargetID) bool { return c != nil && c.specs[id] != nil }

// Affected is those among some targets that are calculated, and those that depend on any of them, each once
// and after its operands.
func (c *Calculation) Affected(ids iter.Seq[TargetID]) []TargetID {
	if c == nil {
		return nil
	}
	var list []TargetID
	for id := range ids {
		if c.Has(id) {
			list = append(list, id)
		}
		list = append(list, c.dependents[id]...)
	}
	slices.SortFunc(list, func(a, b TargetID) int { return cmp.Compare(c.rank[a], c.rank[b]) })
	return slices.Compact(list)
}

// State is [Calculated.State] of one of the targets. It is told the states of others.
func (c *Calculation) State(id TargetID, before State, of func(TargetID) State, now time.Time) State {
	spec := c.specs[id]
	operands := make([]State, len(spec.Of))
	for i, operand := range spec.Of {
		operands[i] = of(operand)
	}
	return spec.State(before, operands, now)
}

// The monitor's part: a calculated target has an entry like others, which is never due. Its state is
// calculated whenever that of another changes that it depends on.

// calculate brings up to date what depends on a target whose state has changed.
func (m *Monitor) calculate(id TargetID) {
	if m.derived == nil {
		return
	}
	now := time.Now()
	for _, dependent := range m.derived.dependents[id] {
		m.recalculate(dependent, now)
	}
}

// recalculateAll is for when there are other targets.
func (m *Monitor) recalculateAll(now time.Time) {
	targets := make([]Target, 0, len(m.entries))
	for _, e := range m.entries {
		if e.target.IsCalculated() {
			targets = append(targets, *e.target)
		}
	}
	m.derived = NewCalculation(targets)
	for _, id := range m.derived.Targets() {
		if m.recalculate(id, now) {
			m.announce()
		}
	}
}

// recalculate calculates the state of one target, and reports whether it is another one.
func (m *Monitor) recalculate(id TargetID, now time.Time) (changed bool) {
	e := m.entries[id]
	before := e.state
	e.state = m.derived.State(id, before, m.stateOf, now)
	if changed = e.state != before; changed {
		m.mark(e)
	}
	return changed
}

// stateOf is the state of a target; the zero value of one that there is not.
func (m *Monitor) stateOf(id TargetID) State {
	if e := m.entries[id]; e != nil {
		return e.state
	}
	return State{}
}

// report is what an operator is shown of an entry. What is calculated has the ages of what it rests on.
func (m *Monitor) report(e *entry) Report {
	r := e.report()
	c, is := e.target.Spec.(*Calculated)
	if !is {
		return r
	}
	operands, judged, restored := make([]State, len(c.Of)), make([]time.Time, len(c.Of)), make(map[*State]bool)
	for i, id := range c.Of {
		if operand := m.entries[id]; operand != nil {
			of := m.report(operand)
			operands[i], judged[i], restored[&operands[i]] = of.State, of.Judged, of.Restored
			r.Probed = later(r.Probed, of.Probed)
		}
	}
	r.Last, r.Judged = c.result(e.state.Status, operands), c.judged(operands, judged)
	r.Restored = c.dependsOn(operands, func(s *State) bool { return restored[s] })
	return r
}

// judgedAt is when the verdict came that an entry's status rests on.
func (m *Monitor) judgedAt(e *entry) time.Time {
	if e.target.IsCalculated() {
		return m.report(e).Judged
	}
	return e.judged
}
