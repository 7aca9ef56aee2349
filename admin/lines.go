package admin

import (
	"cmp"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"time"

	"gslb/admin/api"
	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// nameRow is a name on the page: a line for each way in which its clients are answered.
type nameRow struct {
	Name         string
	Policy       zones.Policy // empty: the usual one
	Stale        bool
	Lines        []line
	Total        int          // of lines
	Reasons      []api.Reason // of one line its own, of several each pool once
	ReasonsTotal int
	Single       bool      // the page is of this name
	Open         bool      // what is inside is to be seen
	Rate         string    // queries a second; empty: not counted
	Moved        time.Time // until when caches of resolvers may have an earlier answer; zero: not known

	Pin   *api.Override // nil: nobody pinned it
	Holds []string      // what is held in its answers, by which rule

	Choices int // pools that it can be answered with
}

// CanMove reports whether there is a pool to move it to, and no move that has yet to arrive. One that has arrived is
// moved back by another.
func (r nameRow) CanMove() bool {
	return r.Choices > 1 && (r.Pin == nil || r.Pin.Switch == nil || r.Pin.Switch.Phase == api.SwitchWatches || r.Pin.Switch.Phase == api.SwitchDone)
}

// Answered is the pools that the first line is answered with.
func (r nameRow) Answered() []stepPool {
	var pools []stepPool
	for _, s := range r.Lines[0].Steps {
		for _, p := range s.Pools {
			if p.Answered {
				pools = append(pools, p)
			}
		}
	}
	return pools
}

// line is what some clients are answered.
type line struct {
	Clients      []string // as in View
	ClientsTotal int
	NoView       bool   // no view has these clients
	Alone        bool   // all clients are answered so: the name's row tells how they are off
	Steps        []step // the tiers up to the one that is answered, and those of its view behind it
	Mode         steer.Mode
	Off          string // what is missing in normal mode
	Stale        bool
	Addresses    []string // and CNAMEs; the first
	Total        int      // of them
	TTL          time.Duration
	Revisit      time.Time
}

// step is a tier on a line.
type step struct {
	View  string // that the tier comes from, where the one before comes from another
	Later bool   // it stands behind what is answered
	// Pools are in the order in which they are taken if Ordered, otherwise they share clients.
	Pools   []stepPool
	Ordered bool
	Total   int // of pools
}

// Answered reports whether a pool of it is.
func (s step) Answered() bool {
	return slices.ContainsFunc(s.Pools, func(p stepPool) bool { return p.Answered })
}

// stepPool is a pool of a tier.
type stepPool struct {
	Name, Region string
	Part         string // of the clients; empty: all, or none
	Up, Members  int
	Status       health.Status
	Answered     bool
	Out          bool // passed over, though it stands no later than what is answered
}

// Bounds of the page, besides cellItems.
const (
	linesPage   = 600 // of all names together, as long as each has linesLeast
	linesLeast  = 4   // of a name that has so many
	stepPools   = 12  // of a tier
	lineSteps   = 8   // of a line
	lineClients = 3   // of a line, unless the page is of one name
	openNames   = 5   // that need a person; of the others their line says that they do
	rowReasons  = 8   // of a name with several lines, unless the page is of one name
)

// nameRows makes the rows of the page. Names with many views have all lines only on a page of their
// own.
func (m *moment) nameRows(names selected[*zones.Name], single bool) iter.Seq[nameRow] {
	most := min(cellItems, max(linesLeast, linesPage/max(1, names.Shown)))
	if single {
		most = cellItems
	}
	open := 0
	return as(names.Rows, func(n *zones.Name) nameRow {
		row := m.newNameRow(n, most, single)
		if row.Open {
			open++
			row.Open = open <= openNames
		}
		return row
	})
}

func (m *moment) newNameRow(n *zones.Name, most int, single bool) nameRow {
	g := m.groupOf(n)
	s := n.Steering
	row := nameRow{Name: n.Name, Policy: shownPolicy(s), Stale: g.standing.stale, Single: single}
	row.Pin, row.Holds = newOverride(g.decisions[0].Pin), transform(heldIn(m.outcomes(g)), m.sayHold)
	row.Open = single || !g.standing.preferred || g.standing.stale || row.Pin != nil || len(row.Holds) > 0
	row.Moved = utc(m.moving[s.Key])
	for range s.Candidates() {
		row.Choices++
	}
	if rate, known := m.rateOf(n); known {
		row.Rate = perSecond(rate)
	}
	clients, reasons := lineClients, rowReasons
	if single {
		clients, reasons = cellItems, cellItems
	}
	if len(g.decisions) == 1 {
		o := outcomeOf(g.decisions[0])
		row.Lines, row.Total = []line{m.newLine(o)}, 1
		row.Lines[0].Alone = true
		row.Reasons = newReasons(o.decision)
		row.ReasonsTotal = len(row.Reasons)
		row.Reasons = visible(row.Reasons, reasons)
		return row
	}
	made := m.folded.of(g, m)
	row.Lines, row.Total = slices.Clone(atMost(most, made.lines)), len(made.lines)
	row.Reasons, row.ReasonsTotal = made.reasons, len(made.reasons)
	row.Reasons = atMost(reasons, row.Reasons)
	for i := range row.Lines {
		l := &row.Lines[i]
		l.ClientsTotal = len(l.Clients)
		l.Clients = atMost(clients, l.Clients)
	}
	return row
}

// visible is the first reasons, at most so many, and as many more of pools that are answered.
func visible(reasons []api.Reason, most int) []api.Reason {
	kept := make([]api.Reason, 0, min(len(reasons), most))
	for i, r := range reasons {
		if i < most || r.Chosen && len(kept) < 2*most {
			kept = append(kept, r)
		}
	}
	return kept
}

func (m *moment) newLine(o outcome) line {
	d := o.decision
	l := line{
		Clients: o.clients, NoView: len(d.Route.Tiers) == 0,
		Mode: d.Mode, Off: offPreference(d), Stale: m.isStaleAnswer(d),
		TTL: d.TTL, Revisit: utc(d.Revisit), Steps: shownSteps(m.steps(d)),
	}
	addresses := d.Addresses()
	l.Addresses = transform(atMost(cellItems, addresses), netip.Addr.String)
	l.Total = len(addresses)
	for i := range d.Shares {
		if name := d.Shares[i].Pool.CNAME; name != "" {
			l.Total++
			if len(l.Addresses) < cellItems {
				l.Addresses = append(l.Addresses, name)
			}
		}
	}
	return l
}

// lines makes one line of outcomes that look the same. With policy nearest, those that differ only in
// which pool is the nearest are one too.
func (m *moment) lines(s *zones.Steering, outcomes []outcome) []line {
	lines := make([]line, 0, len(outcomes))
	places := make(map[string]int, len(outcomes))
	for _, o := range outcomes {
		l := m.newLine(o)
		isNearest := s.Policy == zones.Nearest && preferred(o.decision)
		key := fmt.Sprint(l.Steps, l.NoView, l.Mode, l.Off, l.Stale, l.TTL, l.Revisit)
		if isNearest {
			key = fmt.Sprint("nearest ", l.Clients, l.Stale)
		}
		at, known := places[key]
		switch {
		case !known:
			places[key] = len(lines)
			lines = append(lines, l)
		case isNearest:
			lines[at].addNearest(&l)
		default:
			lines[at].Clients = append(slices.Clip(lines[at].Clients), l.Clients...)
		}
	}
	return lines
}

// addNearest adds the pool of another line, unless it is there.
func (l *line) addNearest(other *line) {
	to, pools := &l.Steps[0], other.Steps[0].Pools
	pool := pools[len(pools)-1] // the one that is answered
	if slices.ContainsFunc(to.Pools, func(p stepPool) bool { return p.Name == pool.Name }) {
		return
	}
	to.Pools, to.Total, to.Ordered = atMost(stepPools, append(to.Pools, pool)), to.Total+1, false
	l.Addresses, l.Total = atMost(cellItems, append(l.Addresses, other.Addresses...)), l.Total+other.Total
}

// steps is the tiers of a decision that a person wants to see: what was passed over, what is answered,
// and what would be next in the same view. If no pool is left that is known to be up, it is only what
// is answered.
func (m *moment) steps(d *steer.Decision) []step {
	parts := make(map[string]string)
	for i, part := range d.Parts() {
		if part < 1 {
			parts[d.Shares[i].Pool.Name] = steer.Percent(part)
		}
	}
	if d.Mode.IsEmergency() || d.Mode == steer.Pinned {
		s := step{Total: len(d.Shares)}
		for _, share := range atMost(stepPools, d.Shares) {
			s.Pools = append(s.Pools, stepPool{
				Name: share.Pool.Name, Region: share.Pool.Region, Part: parts[share.Pool.Name],
				Status: m.pools()[share.Pool.Index].Status, Answered: true,
			}.count(m.pools()[share.Pool.Index]))
		}
		return []step{s}
	}
	var steps []step
	view := viewOf(d.Route)
	for t, last := range tiersTo(d) {
		s := step{Later: t > d.Tier(), Ordered: d.Route.Steering.Policy.IsOrdered()}
		if at := tierView(d.Route, t); at != view {
			s.View, view = at, at
		}
		for i := range d.Route.Tiers[t].Shares {
			pool := d.Route.Tiers[t].Shares[i].Pool
			r := &d.Reasons[last-len(d.Route.Tiers[t].Shares)+i]
			s.Pools = append(s.Pools, stepPool{
				Name: pool.Name, Region: pool.Region, Status: r.Status,
				Answered: r.Chosen, Out: !r.Chosen && !s.Later, Part: parts[pool.Name],
			}.count(m.pools()[pool.Index]))
		}
		s.Pools, s.Total = shownPools(s.Pools, d.Route.Steering.Policy)
		steps = append(steps, s)
	}
	return steps
}

// count adds how many members there are.
func (p stepPool) count(state *steer.PoolState) stepPool {
	p.Members = len(state.Members)
	for i := range state.Members {
		p.Up += int(boolean(state.Members[i].Status == health.Up))
	}
	return p
}

// shownSteps is those that there is room for: up to the one after what is answered, the last of them.
func shownSteps(steps []step) []step {
	after := 2 + slices.IndexFunc(steps, func(s step) bool {
		return slices.ContainsFunc(s.Pools, func(p stepPool) bool { return p.Answered })
	})
	return atMost(lineSteps, steps[max(0, min(after, len(steps))-lineSteps):])
}

// tiersTo yields the tiers of a decision that are shown, and where its reasons of each end.
func tiersTo(d *steer.Decision) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		tier, end := d.Tier(), 0
		for t := range d.Route.Tiers {
			end += len(d.Route.Tiers[t].Shares)
			if t > tier && tierView(d.Route, t) != tierView(d.Route, max(tier, 0)) || !yield(t, end) {
				return
			}
		}
	}
}

// shownPools is those of a tier that there is room for, and how many there are: with an ordered policy
// up to the one that is answered, otherwise those first that are.
func shownPools(pools []stepPool, policy zones.Policy) ([]stepPool, int) {
	if at := slices.IndexFunc(pools, func(p stepPool) bool { return p.Answered }); at >= 0 && policy.IsOrdered() {
		return pools[max(0, at+1-stepPools) : at+1], at + 1
	}
	slices.SortStableFunc(pools, func(a, b stepPool) int { return cmp.Compare(boolean(b.Answered), boolean(a.Answered)) })
	return atMost(stepPools, pools), len(pools)
}

// reasonsOf is the pools of a steering, each once, those that are not up first: what was made of it
// where it was consulted.
func (m *moment) reasonsOf(s *zones.Steering, outcomes []outcome) []api.Reason {
	reasons := transform(s.Pools, func(p *zones.Pool) api.Reason {
		state := m.pools()[p.Index]
		return api.Reason{Pool: p.Name, Status: state.Status, Why: cut(state.Why, longestText)}
	})
	places := make(map[string]int, len(reasons))
	for i := range reasons {
		places[reasons[i].Pool] = i
	}
	const unseen, passedOver, chosen = 0, 1, 2
	seen := make([]int, len(reasons), len(reasons)+1)
	for _, o := range outcomes {
		how, tier := passedOver, o.decision.Tier()
		for i := range o.decision.Reasons {
			r := &o.decision.Reasons[i]
			at, known := places[r.Pool]
			if !known { // the fallback
				at = len(reasons)
				places[r.Pool] = at
				reasons, seen = append(reasons, api.Reason{Pool: r.Pool, Status: r.Status}), append(seen, unseen)
			}
			if tier >= 0 && r.Tier > tier {
				how = unseen
			}
			if how := max(how, chosen*int(boolean(r.Chosen))); how > seen[at] {
				seen[at], reasons[at].Why = how, cut(r.Why, longestText)
			}
			if r.Chosen && s.Policy.IsOrdered() {
				how = unseen // those behind it were not looked at
			}
			reasons[at].Chosen = reasons[at].Chosen || r.Chosen
		}
	}
	slices.SortStableFunc(reasons, func(a, b api.Reason) int {
		return cmp.Compare(boolean(a.Status == health.Up), boolean(b.Status == health.Up))
	})
	return reasons
}
