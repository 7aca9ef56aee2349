package queries

import (
	"fmt"

	"gslb/integration/figures"
)

// goal is something that this server is to reach, and what was found.
type goal struct {
	what, bound, found string
	met                bool
}

// bound is what a figure may be.
type bound struct {
	limit float64
	least bool // the figure has to be at least the limit, and not at most
}

func atMost(limit float64) bound  { return bound{limit: limit} }
func atLeast(limit float64) bound { return bound{limit: limit, least: true} }

func (b bound) met(found float64) bool {
	if b.least {
		return found >= b.limit
	}
	return found <= b.limit
}

// sign begins the bound as a text.
func (b bound) sign() string {
	if b.least {
		return "≥ "
	}
	return "≤ "
}

// goalRatio notes a goal whose figure is a ratio.
func (b *bench) goalRatio(what string, to bound, found float64) {
	b.note(what, to, found, func(ratio float64) string { return fmt.Sprintf("%.2f", ratio) })
}

// goalTime notes a goal whose figure is a time in seconds.
func (b *bench) goalTime(what string, to bound, found float64) {
	b.note(what, to, found, shortSeconds)
}

// goalMemory notes a goal whose figure is a size in bytes.
func (b *bench) goalMemory(what string, to bound, found float64) {
	b.note(what, to, found, figures.Mebibytes)
}

// goalCount notes a goal whose figure is a number of something.
func (b *bench) goalCount(what string, to bound, found float64) {
	b.note(what, to, found, func(count float64) string { return fmt.Sprintf("%.0f", count) })
}

func (b *bench) note(what string, to bound, found float64, text func(float64) string) {
	b.goals = append(b.goals, goal{what, to.sign() + text(to.limit), text(found), to.met(found)})
}

// reportGoals prints what the scenarios that were run say of the goals.
func (b *bench) reportGoals() {
	if len(b.goals) == 0 {
		return
	}
	t := &figures.Table{}
	t.Row("goal", "bound", "found", "verdict")
	for _, g := range b.goals {
		verdict := "met"
		if !g.met {
			verdict = "MISSED"
		}
		t.Row(g.what, g.bound, g.found, verdict)
	}
	b.Table(t, "**Goals.**")
}
