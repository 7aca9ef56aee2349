package history

import (
	"slices"
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

// millis is a time in milliseconds. All places on the line of time are of whole ones, and a day has few enough.
type millis uint32

func (m millis) duration() time.Duration { return time.Duration(m) * time.Millisecond }

// part is a part of the line of time in which something is to be told of a pool. It is small since there are many.
type part struct {
	number        int32
	down, unknown millis
	turns         uint32
}

// parts are those of one length, the oldest first. One that is left out was up, or is before the pool began: then
// the status is not known. So a pool that is well takes next to no memory.
type parts []part

// at is the part of a number, which is that of the last part or follows it.
func (l *parts) at(number int) *part {
	if n := len(*l); n == 0 || (*l)[n-1].number != int32(number) {
		*l = append(*l, part{number: int32(number)})
	}
	return &(*l)[len(*l)-1]
}

// forget drops the parts before a number.
func (l *parts) forget(number int) {
	old := 0
	for old < len(*l) && (*l)[old].number < int32(number) {
		old++
	}
	if *l = slices.Delete(*l, 0, old); len(*l) == 0 {
		*l = nil
	}
}

// past is what has become of one pool. Of what was before it began, the status is not known.
type past struct {
	status health.Status
	known  health.Status // the last status that was up or down; Unknown: there was none
	gone   bool          // the configuration has no such pool, since at
	since  time.Duration // where it began
	at     time.Duration // up to where the status is counted

	slots parts // the last is that of at, or before
	days  parts

	total [3]time.Duration // in each status, in this run
	turns int              // in this run
}

// newPast is a past that begins at a place.
func newPast(at time.Duration) *past {
	p := &past{since: at, at: at}
	p.slots.begin(SlotTime, at)
	p.days.begin(dayTime, at)
	return p
}

// begin makes the status unknown in the part of a place, up to that.
func (l *parts) begin(length, at time.Duration) {
	if before := at % length; before > 0 {
		l.at(number(at, length)).unknown = millis(before / time.Millisecond)
	}
}

func number(at, length time.Duration) int { return int(at / length) }

// goOn counts the time up to a place as of the present status. A place that was passed already changes nothing.
func (p *past) goOn(to time.Duration) {
	if to <= p.at {
		return
	}
	p.total[p.status] += to - p.at
	p.slots.spend(Slots, SlotTime, p.at, to, p.status)
	p.days.spend(KeptDays, dayTime, p.at, to, p.status)
	p.at = to
}

// spend adds time with a status to the parts of a length, of which so many are kept.
func (l *parts) spend(count int, length, from, to time.Duration, status health.Status) {
	first := number(to, length) - count + 1
	if last := number(from, length); last != number(to, length) {
		l.forget(first)
	}
	if status == health.Up {
		return
	}
	from = max(from, time.Duration(first)*length) // what is before is not kept
	for from < to {
		n := number(from, length)
		end := min(to, time.Duration(n+1)*length)
		lasted := millis((end - from) / time.Millisecond)
		if p := l.at(n); status == health.Down {
			p.down += lasted
		} else {
			p.unknown += lasted
		}
		from = end
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
		p.slots.at(number(p.at, SlotTime)).turns++
		p.days.at(number(p.at, dayTime)).turns++
	}
	p.known = status
}

// downtime adds up the last so many parts of a length, of which the last goes on.
func (p *past) downtime(l parts, count int, length time.Duration) Downtime {
	last := number(p.at, length)
	first := last - count + 1
	before := max(0, number(p.since, length)-first) // the pool began
	sum := Downtime{Known: length*time.Duration(count-1-before) + p.at%length}
	for i := range l {
		if l[i].number >= int32(first) {
			sum.Down += l[i].down.duration()
			sum.Known -= l[i].unknown.duration()
			sum.Turns += int(l[i].turns)
		}
	}
	return sum
}

// strip returns what makes the slots, with the times of a wall clock that shows now at the place of at.
func (p *past) strip(now time.Time) func() []Slot {
	last := number(p.at, SlotTime)
	start, since, slots := now.Round(0).UTC().Add(-p.at%SlotTime).Round(time.Minute), number(p.since, SlotTime), slices.Clone(p.slots)
	return func() []Slot {
		first := last - Slots + 1
		strip := make([]Slot, Slots)
		for i := range strip {
			strip[i].Start = start.Add(time.Duration(i-Slots+1) * SlotTime)
			if first+i < since {
				strip[i].Unknown = SlotTime
			}
		}
		for _, kept := range slots {
			if i := int(kept.number) - first; i >= 0 {
				strip[i].Down, strip[i].Unknown, strip[i].Turns = kept.down.duration(), kept.unknown.duration(), int(kept.turns)
			}
		}
		return strip
	}
}
