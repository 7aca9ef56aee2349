package replication

import "slices"

// matrix is what is known of the regions of a group, by their places in Group.Regions.
type matrix struct {
	arrivals [][]Arrival // [from][to]
	unread   []bool      // the last reading through the region's endpoint failed
	// unwritten says that the region's last heartbeat was not acknowledged.
	unwritten []bool
}

// isOut reports whether a region answers nothing, so that neither what it has, nor whether what it had has
// left it, can be the fault of another.
func (m *matrix) isOut(x int) bool { return m.unread[x] && m.unwritten[x] }

// tally is how many ways of a region are what: those into it, or those out of it.
type tally struct{ late, inTime, awaited, unknown int }

// allLate reports whether every way that counts is late.
func (t tally) allLate() bool { return t.late > 0 && t.inTime+t.awaited+t.unknown == 0 }

// count counts the ways into a region and those out of it, without what is late from or to some others.
func (m *matrix) count(x int, without []bool) (in, out tally) {
	for other := range m.unread {
		switch {
		case other == x:
			continue
		case m.isOut(other):
			if m.arrivals[other][x] == Late {
				in.awaited++
			}
			continue
		}
		if !m.unread[x] {
			in.add(m.arrivals[other][x], m.unwritten[other], without[other])
		}
		if !m.unread[other] {
			out.add(m.arrivals[x][other], m.unwritten[x], without[other])
		} else {
			out.unknown++
		}
	}
	return in, out
}

func (t *tally) add(arrival Arrival, unwritten, withoutLate bool) {
	switch {
	case arrival == Late && withoutLate:
	case arrival == Late:
		t.late++
	case arrival == InTime:
		t.inTime++
	case unwritten:
		t.unknown++
	default:
		t.awaited++
	}
}

// judge says in which condition each region is, by what arrives in it and where its own writes arrive. was is
// the conditions so far. Ways from and to a region that is out do not count, nor those into a region that
// cannot be read. A way that is not measured is awaited, unless the region that it leads from cannot be written;
// and so is one that was late when the region that it leads from went out.
//
//	what others write, in it  │ what it writes, in others │ then it is
//	──────────────────────────┼───────────────────────────┼───────────────────────────────────────────
//	(it is out, or all others are)                        │ as it was
//	all late                  │ all late                  │ cut off
//	all late                  │ any other                 │ behind
//	none late or awaited      │ all late                  │ silent
//	some late, none awaited   │ any                       │ ambiguous ┐ but what is late does not count
//	none late or awaited      │ some late                 │ ambiguous ┘ if the other end is at fault
//	some in time, none late   │ none late or awaited      │ current
//	or awaited                │                           │
//	anything else             │                           │ as it was
//
// One way that is late may be the fault of either end. It is held against neither, unless all that another
// region should receive, or have sent, is late: then it is held against that one alone.
//
// Of two regions, each has one way in and one out. If only the way from a to b is late, b is behind, since it
// lacks what a has, and a is silent, whichever of the two is at fault: to lead clients from a to b would lose
// writes, and to lead them from b to a would not.
func judge(m *matrix, was []Condition) []Condition {
	now, atFault := slices.Clone(was), make([]bool, len(was))
	for x := range was {
		in, out := m.count(x, make([]bool, len(was)))
		switch {
		case m.isOut(x):
			continue
		case in.allLate() && out.allLate():
			now[x] = CutOff
		case in.allLate():
			now[x] = Behind
		case in.late == 0 && in.awaited == 0 && out.allLate():
			now[x] = Silent
		default:
			continue
		}
		atFault[x] = true
	}
	for x := range was {
		in, out := m.count(x, atFault)
		switch {
		case m.isOut(x), atFault[x], in.awaited > 0:
		case in.late+out.late > 0:
			now[x] = Ambiguous
		case in.inTime > 0 && out.awaited == 0:
			now[x] = Current
		}
	}
	return now
}
