package publish

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/answer"
	"gslb/safety"
	"gslb/steer"
)

// ruled is every rule by which decisions are held.
var ruled = append(steer.Rules[:len(steer.Rules):len(steer.Rules)], safety.Blind, safety.Suspect)

// ruling counts the decisions that a rule makes other than the statuses of their pools alone would have them: those
// of routes, which names that are steered alike share, and those of names that stand apart.
//
//	the decision was     │ it is now        │ by that rule
//	─────────────────────┼──────────────────┼─────────────────────────────────────
//	not held by the rule │ held by it       │ one more is held, and one has begun
//	held by it           │ held by it       │ nothing: it goes on, whatever pool it is for
//	held by it           │ not, or no more  │ one less is held
//
// After a reload there are other decisions, so that only what more of them are held counts as begun. After a start,
// nothing does: what is held then was mostly so before.
type ruling struct {
	began *prometheus.CounterVec
	held  *prometheus.GaugeVec
	in    []int // decisions, by place in ruled
}

func newRuling(r prometheus.Registerer) *ruling {
	k := &ruling{
		began: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gslb_held_decisions_total",
			Help: "How often a decision began to be held by the rule, against what the statuses of its pools alone say. Names that are steered alike share one.",
		}, []string{"rule"}),
		held: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gslb_held_decisions",
			Help: "Decisions that are held by the rule.",
		}, []string{"rule"}),
		in: make([]int, len(ruled)),
	}
	r.MustRegister(k.began, k.held)
	for _, rule := range ruled { // they exist from the start, so that the first is an increase
		k.began.WithLabelValues(rule)
		k.held.WithLabelValues(rule)
	}
	return k
}

// rules is a set of places in ruled.
type rules uint32

// rulesOf is the rules that hold a decision; those of no decision are none.
func rulesOf(d *steer.Decision) (set rules) {
	add := func(rule string) {
		if at := slices.Index(ruled, rule); at >= 0 {
			set |= 1 << at
		}
	}
	if d != nil {
		for i := range d.Held {
			add(d.Held[i].Rule)
		}
		for i := range d.Reasons {
			add(d.Reasons[i].Rule)
		}
	}
	return set
}

// observe takes what is published after a table, nil if there is none. changed is what differs.
func (k *ruling) observe(was, is *answer.Table, changed steer.Changed) {
	begun := make([]int, len(ruled))
	if was != nil && was.Set() == is.Set() {
		for _, i := range changed.Decisions {
			k.turn(rulesOf(was.Decisions()[i]), rulesOf(is.Decisions()[i]), begun)
		}
		for _, name := range changed.Apart {
			before, after := was.ApartOf(name), is.ApartOf(name)
			for i := range max(len(before), len(after)) {
				k.turn(rulesOf(at(before, i)), rulesOf(at(after, i)), begun)
			}
		}
	} else {
		before := k.in
		k.in = make([]int, len(ruled))
		for _, d := range is.Decisions() {
			k.turn(0, rulesOf(d), begun)
		}
		for _, a := range is.Apart() {
			for _, d := range a.Decisions {
				k.turn(0, rulesOf(d), begun)
			}
		}
		for i := range begun {
			begun[i] = max(0, k.in[i]-before[i])
		}
		if was == nil {
			clear(begun)
		}
	}
	for i, rule := range ruled {
		k.began.WithLabelValues(rule).Add(float64(begun[i]))
		k.held.WithLabelValues(rule).Set(float64(k.in[i]))
	}
}

// turn counts a decision that was held by some rules, and is by others.
func (k *ruling) turn(was, is rules, begun []int) {
	for i := range ruled {
		switch bit := rules(1) << i; {
		case is&bit != 0 && was&bit == 0:
			k.in[i]++
			begun[i]++
		case is&bit == 0 && was&bit != 0:
			k.in[i]--
		}
	}
}

// at is a decision of a list; nil: it is shorter.
func at(list []*steer.Decision, i int) *steer.Decision {
	if i < len(list) {
		return list[i]
	}
	return nil
}
