package health

import (
	"math/rand/v2"
	"time"
)

// A target that fails may be dead, or the network of this host may be. Others tell: those that are up
// are asked, and what they say stands in the snapshot for whoever judges ([Hearing]).
//
//	when                                              │ then
//	──────────────────────────────────────────────────┼─────────────────────────────────────────────
//	a probe begins whose fail would turn its target   │ others are asked, so that they have answered
//	down, after one that was blank                    │ before it fails
//	a blank fail has turned a target down             │ those are asked that have not answered since
//	                                                  │ its probe began
//	a silent target answers, or one that is a vantage │ all other silent ones are probed at once
//	passes after a fail                               │
//
// To be asked is to be probed at once, if no probe is under way. So a target that fails alone costs
// one or two more probes of each of the others that are asked, and its status turns when it would
// have turned.

const (
	// MostAsked is how many targets are asked at once.
	MostAsked = 64

	// askEvery is how often a target is asked at most, within the timeout of those that fail.
	askEvery = 4

	// sweepEvery is how often all silent targets are made due at most.
	sweepEvery = 100 * time.Millisecond
)

// around is the targets that can be asked.
type around struct {
	vantage []*entry // if there are any, only they are asked
	places  [][]*entry
}

func (m *Monitor) newAround() *around {
	a := new(around)
	places := make(map[string]int)
	for _, e := range m.entries {
		if e.target.IsPassive() || e.target.Aside {
			continue
		}
		if e.target.Vantage {
			a.vantage = append(a.vantage, e)
			continue
		}
		at, known := places[e.target.Place]
		if !known {
			at = len(a.places)
			places[e.target.Place] = at
			a.places = append(a.places, nil)
		}
		a.places[at] = append(a.places[at], e)
	}
	return a
}

// some is at most MostAsked of the targets, at random, and as many of each place if there are enough.
func (a *around) some() []*entry {
	if len(a.vantage) > 0 {
		return a.vantage[:min(MostAsked, len(a.vantage))]
	}
	if len(a.places) == 0 {
		return nil
	}
	var some []*entry
	each, first := max(1, MostAsked/len(a.places)), rand.IntN(len(a.places))
	for i := range min(MostAsked, len(a.places)) {
		place := a.places[(first+i)%len(a.places)]
		from := rand.IntN(len(place))
		for n := range min(each, len(place)) {
			some = append(some, place[(from+n)%len(place)])
		}
	}
	return some
}

// lookRound asks others than a target, which is failing, whether they have answered since a time.
func (m *Monitor) lookRound(failing *entry, since time.Time) {
	if m.around == nil {
		m.around = m.newAround()
	}
	now := time.Now()
	for _, e := range m.around.some() {
		switch {
		case e == failing, e.state.Status == Unknown, !e.hearing.Silent.IsZero():
			// It says nothing, or that it is silent.
		case !e.hearing.Heard.Before(since):
			if !e.state.Heard().Heard.Equal(e.hearing.Heard) {
				e.tell()
				m.touch(e)
			}
		default:
			m.ask(e, now, failing.target.Timeout/askEvery)
		}
	}
}

// ask has a target say whether it answers: by the probe under way, or by one that begins at once, but
// not sooner than gap after the last: thousands may fail one after the other.
func (m *Monitor) ask(e *entry, now time.Time, gap time.Duration) {
	if e.hearing.Asked.IsZero() {
		e.hearing.Asked = now
		e.tell()
		m.touch(e)
	}
	if e.flight == nil && e.index >= 0 {
		if due := later(now, e.probed.Add(gap-e.took)); due.Before(e.due) {
			m.schedule(e, due)
		}
	}
}

// sweep makes all silent targets due: one of them has answered, so that this network may be back.
func (m *Monitor) sweep(now time.Time) {
	if now.Sub(m.swept) < sweepEvery {
		return
	}
	m.swept = now
	for _, e := range m.entries {
		switch {
		case e.hearing.Silent.IsZero():
		case e.flight != nil:
			e.again = true // its probe may have begun before the network was back
		case e.index >= 0:
			m.schedule(e, now)
		}
	}
}
