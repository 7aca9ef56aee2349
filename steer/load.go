package steer

import (
	"math"
	"slices"
	"strconv"

	"gslb/health"
	"gslb/zones"
)

// Told is a number that the targets of a pool tell: the mean of those of its members that are up, and its own.
type Told struct {
	Known   bool
	Value   float64
	Percent bool
}

// String is the number as people write it.
func (t Told) String() string { return written(t.Value, t.Percent) }

func written(value float64, percent bool) string {
	text := strconv.FormatFloat(math.Round(value*100)/100, 'f', -1, 64)
	if percent {
		return text + " %"
	}
	return text
}

// mean makes a Told of many numbers.
type mean struct {
	sum     float64
	n       int
	percent bool
}

func (m *mean) told() Told {
	if m.n == 0 {
		return Told{}
	}
	return Told{true, m.sum / float64(m.n), m.percent}
}

// listen finds what the targets of a pool tell of its weight and its load.
func (p *PoolState) listen(snap *health.Snapshot) {
	var weight, load mean
	add := func(targets []health.TargetID) {
		for _, id := range targets {
			state := snap.State(id)
			told := state.Load
			if told == nil || state.Stale {
				continue
			}
			of := &weight
			if told.Kind == health.LoadFeedback {
				of = &load
			}
			of.sum, of.n, of.percent = of.sum+told.Value, of.n+1, of.percent || told.Percent
		}
	}
	add(p.Pool.Targets)
	for i := range p.Members {
		if m := &p.Members[i]; m.Status == health.Up && m.Drain == nil {
			add(m.Targets)
		}
	}
	p.Weight, p.Load = weight.told(), load.told()
	if p.Pool.Shed == nil {
		p.Load = Told{}
	} else {
		p.Load.Percent = p.Pool.Shed.Percent
	}
	switch {
	case p.Weight.Known:
		p.Why += "; weight " + p.Weight.String()
		fallthrough
	default:
		if p.Load.Known {
			p.Why += "; load " + p.Load.String()
		}
	}
}

// weightOf is the weight of a pool in a tier: what its check says, in place of the configured one.
func (w *walk) weightOf(s *zones.Share) float64 {
	told := w.state(s.Pool).Weight
	switch {
	case !told.Known, s.Weight == 0, w.policy.Policy == zones.Failover:
		return float64(s.Weight)
	case told.Percent:
		return float64(s.Weight) * told.Value / 100
	}
	return math.Round(told.Value)
}

func (w *walk) weighty(s *zones.Share) bool    { return w.weightOf(s) > 0 }
func (w *walk) weightless(s *zones.Share) bool { return w.weightOf(s) == 0 }

// weigh gives what is taken weights in the proportion of those that are no whole numbers.
func (w *walk) weigh() {
	if !slices.ContainsFunc(w.Shares, func(s Share) bool { return s.Size != math.Trunc(s.Size) }) {
		return
	}
	sizes := make([]float64, len(w.Shares))
	for i := range w.Shares {
		sizes[i] = w.Shares[i].Size
	}
	w.setWeights(sizes)
}
