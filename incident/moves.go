package incident

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"gslb/steer"
	"gslb/zones"
)

// The bounds of what an incident lists.
const (
	mostMoves     = 10
	mostNames     = 10
	mostAddresses = 10
)

// tally counts names, each once, although the routes of a steering come one after the other.
type tally struct {
	n    int
	last *zones.Steering // whose names were counted last
	solo *zones.Name     // the same of a name that has decisions of its own
}

// add counts the names of a decision, and reports whether they were not counted yet.
func (t *tally) add(d *steer.Decision, names []*zones.Name) bool {
	solo := (*zones.Name)(nil)
	if len(names) == 1 {
		solo = names[0]
	}
	if t.last == d.Route.Steering && t.solo == solo {
		return false
	}
	t.last, t.solo = d.Route.Steering, solo
	t.n += len(names)
	return true
}

// moves is what names are answered instead of what they would be.
type moves struct {
	all  tally
	list []*move
}

// move is the names that were moved from the same to the same.
type move struct {
	all       tally
	from, to  string
	addresses []netip.Addr
	at, gone  time.Time // the last of them; zero: not known
	names     []string  // the first ten, fully qualified
}

// n is how many names there are.
func (m *moves) n() int { return m.all.n }

// add notes what the clients of a route are answered.
func (m *moves) add(d *steer.Decision, s shift, names []*zones.Name) {
	m.all.add(d, names)
	to := d.PoolName()
	at := slices.IndexFunc(m.list, func(one *move) bool { return one.to == to && one.from == s.from })
	if at < 0 {
		addresses := d.Addresses()
		m.list = append(m.list, &move{from: s.from, to: to, addresses: slices.Clone(addresses[:min(len(addresses), mostAddresses)])})
		at = len(m.list) - 1
	}
	one := m.list[at]
	one.at, one.gone = latest(one.at, s.at), latest(one.gone, s.gone)
	if !one.all.add(d, names) {
		return
	}
	for _, n := range names {
		if len(one.names) == mostNames {
			break
		}
		one.names = append(one.names, n.Name)
	}
}

// sort puts the moves of most names first.
func (m *moves) sort() {
	slices.SortStableFunc(m.list, func(a, b *move) int {
		if a.all.n != b.all.n {
			return b.all.n - a.all.n
		}
		return strings.Compare(a.to, b.to)
	})
}

// signature is the same for moves that are no news to a person.
func (m *moves) signature() string {
	var b strings.Builder
	for _, one := range m.list {
		b.WriteString("|" + one.to + " " + strings.Join(one.names, ","))
	}
	return b.String()
}

// shown is the moves as an Incident has them. What is not known of one is taken from that of before to the
// same, and otherwise it was moved from the subject when the incident began.
func (m *moves) shown(before []Move, subject string, since time.Time) []Move {
	var list []Move
	for _, one := range m.list[:min(len(m.list), mostMoves)] {
		shown := Move{At: one.at, From: one.from, To: one.to, Names: one.names, NamesTotal: one.all.n, Addresses: one.addresses}
		if one.at.IsZero() {
			shown.At, shown.From = since, subject
			if at := slices.IndexFunc(before, func(b Move) bool { return b.To == one.to }); at >= 0 {
				shown.At, shown.From = before[at].At, before[at].From
			}
		}
		list = append(list, shown)
	}
	return list
}

// moved is by when the caches of all clients have moved; zero: not known.
func (m *moves) moved() time.Time {
	var by time.Time
	for _, one := range m.list {
		by = latest(by, one.gone)
	}
	return by
}
