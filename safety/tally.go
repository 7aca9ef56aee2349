package safety

import (
	"time"

	"gslb/health"
)

// slack is what a probe may take beyond its timeout, and a target that is due beyond its time.
const slack = time.Second

// target is what the guard knows of a target that some pool has.
type target struct {
	place   *place
	timeout time.Duration
	grace   time.Duration // in which it proves itself when the network is back
}

// grace is how long a target that is up needs at most to show it, from the answer of another on: the
// probe under way may fail yet, and rise must pass after that.
func grace(t *health.Target) time.Duration {
	each := t.FastInterval
	if each <= 0 || each > t.Interval {
		each = t.Interval
	}
	return time.Duration(max(t.Rise, 1)+1)*max(each, t.Timeout) + slack
}

// place is the targets that fail together: those of a region.
type place struct {
	size    int // all
	unknown int // of them nothing is known yet
	silent  map[health.TargetID]time.Time
	missed  map[health.TargetID]time.Time // when they last did not answer; not those that are silent
	asked   map[health.TargetID]time.Time // until when they should have answered
	heard   time.Time                     // when one has last answered

	// Of the judgement at hand: those that are silent since about the same time, and since when the last
	// of them is.
	recent  int
	newest  time.Time
	shaken  int  // how many have answered, but did not at some time since the first of them began
	pending bool // some are asked, and have time to answer
}

func newPlace() *place {
	return &place{silent: make(map[health.TargetID]time.Time), missed: make(map[health.TargetID]time.Time), asked: make(map[health.TargetID]time.Time)}
}

// take brings the place up to date with a target's state.
func (p *place) take(id health.TargetID, timeout time.Duration, was, is health.State) {
	p.unknown += count(is.Status == health.Unknown) - count(was.Status == health.Unknown)
	heard := is.Heard()
	delete(p.silent, id)
	delete(p.missed, id)
	switch {
	case !heard.Silent.IsZero():
		p.silent[id] = heard.Silent
	case !heard.Missed.IsZero():
		p.missed[id] = heard.Missed
	}
	delete(p.asked, id)
	if !heard.Asked.IsZero() {
		p.asked[id] = heard.Asked.Add(timeout + slack)
	}
	if heard.Heard.After(p.heard) {
		p.heard = heard.Heard
	}
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

// look finds which targets are silent since a time between two, and which were silent at some time since
// began.
func (p *place) look(from, to, began, now time.Time) {
	p.recent, p.newest, p.shaken = 0, time.Time{}, 0
	p.pending = !p.pendingUntil(now).IsZero()
	for _, at := range p.missed {
		p.shaken += count(at.After(began))
	}
	for _, since := range p.silent {
		if since.Before(from) || since.After(to) {
			continue
		}
		p.recent++
		if since.After(p.newest) {
			p.newest = since
		}
	}
}

// evidence is what the targets that were up say of this host's network.
type evidence struct {
	silent, answering, asked, shaken                int
	silentPlaces, silentOrAskedPlaces, shakenPlaces int
}

// add adds a place. What its targets say that are not silent themselves:
//
//	a target of the place has answered since the time, │ they answer
//	and since the last went silent                      │
//	some are asked, and have time to answer             │ they will say
//	some are silent                                     │ they are about to be
//	otherwise                                           │ nothing
func (e *evidence) add(p *place, places int, since time.Time) {
	silent, asked, shaken := p.recent, 0, e.shaken
	switch rest := p.size - p.unknown - len(p.silent); {
	case rest <= 0:
	case !p.heard.Before(since) && !p.heard.Before(p.newest):
		e.answering += rest
		e.addShaken(p, rest, places)
	case p.pending:
		asked = rest
	case p.recent > 0:
		silent += rest
	}
	e.silent += silent
	e.asked += asked
	e.silentPlaces += count(silent > 0)
	e.silentOrAskedPlaces += count(silent+asked > 0)
	e.shakenPlaces += count(silent+asked > 0 || e.shaken > shaken)
}

// addShaken counts those of a place that have answered, but did not before. If that is so for half of as
// many as are asked in one place, it is so for all.
func (e *evidence) addShaken(p *place, rest, places int) {
	switch {
	case 2*p.shaken >= min(rest, max(1, health.MostAsked/places)):
		e.shaken += rest
	default:
		e.shaken += p.shaken
	}
}

// pendingUntil is when the first of those that are asked should have answered; zero: none is asked, or
// all should have.
func (p *place) pendingUntil(now time.Time) (until time.Time) {
	for _, at := range p.asked {
		if now.Before(at) && (until.IsZero() || at.Before(until)) {
			until = at
		}
	}
	return until
}

// verdict is what is made of a target that turned down while it is silent.
type verdict int

const (
	believed verdict = iota
	shaken           // the network is back, but was away while the target did not answer
	undecided
	suspected
)

// suspectTargets and suspectPlaces is how many must be silent at least.
const (
	suspectTargets = 3
	suspectPlaces  = 2
)

// judge is the table in the documentation of the package.
func (e *evidence) judge(share int) verdict {
	all := e.silent + e.answering + e.asked
	enough := func(silent, places int) bool {
		return places >= suspectPlaces && silent >= min(suspectTargets, all) && silent*100 >= share*all
	}
	switch {
	case enough(e.silent, e.silentPlaces):
		return suspected
	case enough(e.silent+e.asked, e.silentOrAskedPlaces):
		return undecided
	case enough(e.silent+e.asked+e.shaken, e.shakenPlaces): // as silent as others there
		return shaken
	}
	return believed
}
