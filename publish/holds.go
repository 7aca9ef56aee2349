package publish

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"gslb/answer"
	"gslb/steer"
)

// holds knows by which rules decisions hold pools that wait for a person: [steer.Velocity] and
// [steer.FailbackManual]. The other rules end by themselves, and those of package safety are told of by
// whoever applies them.
type holds struct {
	table *answer.Table // that was looked at last
	held  map[held]int  // in how many decisions
}

type held struct{ rule, pool string }

// changes tells which rules begin to hold a pool in a table, and which have ended. changed is what
// differs from the table that was looked at last.
func (h *holds) changes(table *answer.Table, changed steer.Changed) []Event {
	was := h.held
	if h.table != nil && h.table.Set() == table.Set() {
		h.held = maps.Clone(was)
		for _, i := range changed.Decisions {
			h.count(h.table.Decisions()[i], -1)
			h.count(table.Decisions()[i], 1)
		}
	} else {
		h.held = make(map[held]int)
		for _, d := range table.Decisions() {
			h.count(d, 1)
		}
	}
	h.table = table
	var list []Event
	for hold := range h.held {
		if was[hold] == 0 {
			list = append(list, Event{At: table.Published(), Hold: hold.change(table)})
		}
	}
	for hold := range was {
		if h.held[hold] == 0 {
			list = append(list, Event{At: table.Published(), Hold: &HoldChange{Rule: hold.rule, Over: true, Pools: []string{hold.pool}}})
		}
	}
	slices.SortFunc(list, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.Hold.Rule, b.Hold.Rule), cmp.Compare(a.Hold.Pools[0], b.Hold.Pools[0]))
	})
	return list
}

// count adds the holds of a decision, n times.
func (h *holds) count(d *steer.Decision, n int) {
	for i := range d.Held {
		if rule := d.Held[i].Rule; rule == steer.Velocity || rule == steer.FailbackManual {
			hold := held{rule, d.Held[i].Pool}
			if h.held[hold] += n; h.held[hold] == 0 {
				delete(h.held, hold)
			}
		}
	}
}

// change is what is said of a hold that begins: since the first of the decisions has it, and until the
// last.
func (h held) change(table *answer.Table) *HoldChange {
	c := &HoldChange{Rule: h.rule, Pools: []string{h.pool}, Why: "too many pools of a name went down by their probes alone; to leave it anyway: gslb force down " + h.pool}
	if h.rule == steer.FailbackManual {
		c.Why = "it is up again; to return to it: gslb failback NAME"
	}
	for _, d := range table.Decisions() {
		for i := range d.Held {
			if d.Held[i].Rule == h.rule && d.Held[i].Pool == h.pool {
				c.Since, c.Until = earliest(c.Since, d.Held[i].Since), latest(c.Until, d.Held[i].Until)
			}
		}
	}
	return c
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
