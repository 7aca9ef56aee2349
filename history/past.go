package history

import (
	"time"

	"gslb/health"
)

// Everything is kept on a line of time that only goes on: a place on it is how long it is since its origin,
// by the monotonic clock (package time). Slots and days are parts of that line. Only what is shown has times
// of the wall clock, counted back from now, so that no time is counted twice or left out:
//
//	the clock was set     │ what was is shown
//	──────────────────────┼───────────────────────────────────────────────────────────────
//	while a run lasts     │ as long ago as it is
//	back between two runs │ as if the second run had followed at once: how long nothing ran is not known
//	on between two runs   │ as after a long pause, of which the status is not known

// begin is where a line of time begins at the first midnight (UTC): late enough that all that is kept of the
// time before has a place greater than 0.
const begin = (KeptDays + 1) * dayTime

const dayTime = 24 * time.Hour

// part is a part of the line of time.
type part struct {
	down, unknown time.Duration
	turns         int
}

func (p *part) add(status health.Status, lasted time.Duration) {
	switch status {
	case health.Down:
		p.down += lasted
	case health.Unknown:
		p.unknown += lasted
	}
}

// past is what has become of one pool. Of what was before it began, the status is not known.
type past struct {
	status health.Status
	known  health.Status // the last status that was up or down; Unknown: there was none
	since  time.Duration // where it began
	at     time.Duration // up to where the status is counted
	gone   bool          // the configuration has no such pool, since at

	slots [Slots]part // by number, modulo; the last is that of at
	days  [KeptDays]part

	total [3]time.Duration // in each status, in this run
	turns int              // in this run

	strip []Slot // that was last shown; nil: slots have changed since
}

// newPast is a past that begins at a place.
func newPast(at time.Duration) *past {
	p := &past{since: at, at: at}
	fill(p.slots[:], SlotTime, at)
	fill(p.days[:], dayTime, at)
	return p
}

// fill makes the status unknown in all parts up to a place.
func fill(parts []part, length, at time.Duration) {
	for i := range parts {
		parts[i] = part{unknown: length}
	}
	parts[number(at, length)%len(parts)] = part{unknown: at % length}
}

func number(at, length time.Duration) int { return int(at / length) }

// goOn counts the time up to a place as of the present status. A place that was passed already changes nothing.
func (p *past) goOn(to time.Duration) {
	if to <= p.at {
		return
	}
	p.total[p.status] += to - p.at
	spend(p.slots[:], SlotTime, p.at, to, p.status)
	spend(p.days[:], dayTime, p.at, to, p.status)
	if p.status != health.Up || number(p.at, SlotTime) != number(to, SlotTime) {
		p.strip = nil
	}
	p.at = to
}

// spend adds time with a status to parts of a length, of which each begins anew when the one before ends.
func spend(parts []part, length, from, to time.Duration, status health.Status) {
	from = max(from, to-length*time.Duration(len(parts))) // what is before is not kept
	for from < to {
		n := number(from, length)
		end := min(to, time.Duration(n+1)*length)
		parts[n%len(parts)].add(status, end-from)
		if from = end; from%length == 0 {
			parts[(n+1)%len(parts)] = part{}
		}
	}
}

// become changes the status at a place:
//
//	it was    │ it is     │ the last known │ a turn
//	──────────┼───────────┼────────────────┼───────
//	anything  │ unknown   │                │ no
//	anything  │ up, down  │ none, the same │ no
//	anything  │ up, down  │ the other      │ yes
func (p *past) become(status health.Status, at time.Duration) {
	p.goOn(at)
	p.status = status
	if status == health.Unknown {
		return
	}
	if p.known != health.Unknown && p.known != status {
		p.turns++
		p.slots[number(p.at, SlotTime)%Slots].turns++
		p.days[number(p.at, dayTime)%KeptDays].turns++
		p.strip = nil
	}
	p.known = status
}

// downtime adds up parts of a length, of which the last goes on.
func downtime(parts []part, length, at time.Duration) Downtime {
	sum := Downtime{Known: length*time.Duration(len(parts)-1) + at%length}
	for i := range parts {
		sum.Down += parts[i].down
		sum.Known -= parts[i].unknown
		sum.Turns += parts[i].turns
	}
	return sum
}

// shown is the slots, the oldest first, with the times of a wall clock that shows now at the place of at. Most
// pools were up all the time, and share calm.
func (p *past) shown(now time.Time, calm *calm) []Slot {
	if p.strip != nil {
		return p.strip
	}
	last := number(p.at, SlotTime)
	start := now.Round(0).UTC().Add(-p.at % SlotTime).Round(time.Minute)
	if p.slots == [Slots]part{} {
		if calm.last != last || calm.strip == nil {
			calm.last, calm.strip = last, newStrip(start)
		}
		p.strip = calm.strip
		return p.strip
	}
	p.strip = newStrip(start)
	for i := range p.strip {
		kept := p.slots[(last+1+i)%Slots]
		p.strip[i].Down, p.strip[i].Unknown, p.strip[i].Turns = kept.down, kept.unknown, kept.turns
	}
	return p.strip
}

// calm is the slots of a day in which a pool was up, of which the last has a number.
type calm struct {
	last  int
	strip []Slot
}

// newStrip is slots of which the last has a start.
func newStrip(start time.Time) []Slot {
	strip := make([]Slot, Slots)
	for i := range strip {
		strip[i].Start = start.Add(time.Duration(i-Slots+1) * SlotTime)
	}
	return strip
}
