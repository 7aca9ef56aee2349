package admin

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"gslb/admin/api"
	"gslb/health"
	"gslb/history"
	"gslb/internal/plural"
	"gslb/steer"
)

// poolRow is a pool on the page, with the targets that it depends on.
type poolRow struct {
	api.Pool
	Open         bool // what is inside is to be seen
	Up           int  // of its members
	MembersTotal int
	Targets      []api.Target
	TargetsTotal int
	Past         *past // nil: none is kept
}

// Bounds of the targets that are inside of pools. All of them are on the page of one pool.
const (
	insidePage  = 150 // of all pools together, as long as each has insideLeast
	insideLeast = 2
	insideMost  = 20

	membersLeast = 6 // of a pool that has so many, unless the page is of one pool

	openPools = 10 // that need a person; of the others their line says that they do
)

// poolRows makes the rows of the pools that a filter selects. The first of those that need a person are open.
func (m *moment) poolRows(f filter, withTargets bool) iter.Seq[poolRow] {
	pools := f.pools(nil)
	most, shown := 0, cellItems
	if withTargets {
		most = min(insideMost, max(insideLeast, insidePage/max(1, pools.Shown)))
		shown = max(most, membersLeast)
	}
	open := 0
	return as(pools.Rows, func(p *steer.PoolState) poolRow {
		row := poolRow{Pool: m.newPool(p), Open: m.isOpen(p), Past: m.past(p.Pool.Name)}
		if row.Open {
			open++
			row.Open = open <= openPools
		}
		for _, member := range p.Members {
			row.Up += int(boolean(member.Status == health.Up))
		}
		row.MembersTotal = len(row.Members)
		row.Members = downFirst(row.Members, shown)
		if most > 0 {
			row.Targets, row.TargetsTotal = m.inside(p, f, most)
		}
		return row
	})
}

// downFirst is the first members, at most so many, those that are not up before the others.
func downFirst(members []api.Member, most int) []api.Member {
	members = slices.Clone(members)
	slices.SortStableFunc(members, func(a, b api.Member) int {
		return cmp.Compare(boolean(a.Status == health.Up), boolean(b.Status == health.Up))
	})
	return atMost(most, members)
}

// isOpen reports whether what is inside of a pool is to be seen. One that is turning may yet turn back.
func (m *moment) isOpen(p *steer.PoolState) bool {
	return p.Status != health.Up || m.stalePools[p.Pool] || !p.Degraded.IsZero() || isDrained(p) || isForced(p)
}

// inside is the targets of a pool, the first of those that match the filter and of those in trouble.
func (m *moment) inside(p *steer.PoolState, f filter, most int) (shown []api.Target, total int) {
	var reports []*health.Report
	for id := range targetsOf(p) {
		if r := m.reportOf(id); r != nil && !slices.Contains(atMost(most, reports), r) {
			reports = append(reports, r)
		}
	}
	order := func(r *health.Report) int {
		return int(2*boolean(f.text != "" && f.targetMatches(r)) + boolean(m.isTroubled(r)))
	}
	slices.SortStableFunc(reports, func(a, b *health.Report) int { return cmp.Compare(order(b), order(a)) })
	return transform(atMost(most, reports), m.newTarget), len(reports)
}

// targetsOf yields the targets of a pool and of its members.
func targetsOf(p *steer.PoolState) iter.Seq[health.TargetID] {
	return func(yield func(health.TargetID) bool) {
		for _, id := range p.Pool.Targets {
			if !yield(id) {
				return
			}
		}
		for i := range p.Members {
			for _, id := range p.Members[i].Targets {
				if !yield(id) {
					return
				}
			}
		}
	}
}

// reportOf is what is reported of a target; nil: nothing yet.
func (m *moment) reportOf(id health.TargetID) *health.Report {
	at, found := slices.BinarySearchFunc(m.reports, id, func(r health.Report, id health.TargetID) int { return cmp.Compare(r.Target.ID, id) })
	if !found {
		return nil
	}
	return &m.reports[at]
}

// past is what is drawn of a pool's past.
type past struct {
	history.Report
	Bars  []bar
	Spark string // the path of the line
	Peak  time.Duration
}

// bar is slots of the strip that look the same, in slots from the left.
type bar struct {
	At, Width int
	Height    int    // of stripHeight
	Class     string // "down", "unknown"
}

// The size of the pictures, in their own units.
const (
	stripHeight = 20
	sparkHeight = 20
)

func (m *moment) past(pool string) *past {
	report, known := m.history[pool]
	if !known {
		return nil
	}
	p := &past{Report: report, Bars: bars(report.Strip())}
	p.Spark, p.Peak = spark(report.Spark)
	return p
}

// bars draws a strip: nothing where all is well, for a slot with time down a bar that is the higher the
// longer it was, and above it one for the time of which nothing is known. Slots that look the same are one
// bar.
func bars(strip []history.Slot) []bar {
	var list []bar
	add := func(at, height int, class string) {
		if height == 0 {
			return
		}
		for i := len(list) - 1; i >= 0 && i >= len(list)-2; i-- {
			if last := &list[i]; last.Class == class && last.Height == height && last.At+last.Width == at {
				last.Width++
				return
			}
		}
		list = append(list, bar{At: at, Width: 1, Height: height, Class: class})
	}
	for i := range strip {
		add(i, barHeight(strip[i].Unknown), "unknown")
		add(i, barHeight(strip[i].Down), "down")
	}
	return list
}

// barHeight is that of a part of a slot. A moment is seen as well.
func barHeight(d time.Duration) int {
	if d <= 0 {
		return 0
	}
	return max(stripHeight/4, int(stripHeight*min(d, history.SlotTime)/history.SlotTime))
}

// spark draws latencies as a path that has a gap where none is known, from zero to the greatest.
func spark(values []time.Duration) (path string, peak time.Duration) {
	if len(values) > 0 {
		peak = slices.Max(values)
	}
	if peak <= 0 {
		return "", 0
	}
	var b strings.Builder
	gap := true
	for i, v := range values {
		if v < 0 {
			gap = true
			continue
		}
		y := sparkHeight - 1 - float64(v)/float64(peak)*(sparkHeight-2)
		switch {
		case gap && (i+1 == len(values) || values[i+1] < 0):
			fmt.Fprintf(&b, "M%d %.1fh1", i, y) // a point
		case gap:
			fmt.Fprintf(&b, "M%d %.1f", i, y)
		default:
			fmt.Fprintf(&b, "L%d %.1f", i, y)
		}
		gap = false
	}
	return b.String(), peak
}

// Said is the strip in words, for those who do not see it.
func (p *past) Said() string {
	return "The last 24 hours: " + downtime(p.Day)
}

// downtime says how long, and how often, a pool was down.
func downtime(d history.Downtime) string {
	switch {
	case d.Known == 0:
		return "nothing is known"
	case d.Down == 0:
		return "never down"
	}
	return fmt.Sprintf("down for %s, %s", duration(d.Down), plural.Of(d.Turns, "turn", "turns"))
}

// latency writes how long a probe took.
func latency(d time.Duration) string {
	switch {
	case d <= 0:
		return "–"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// sayPart writes a part of a whole.
func sayPart(part float64) string {
	switch {
	case part < 0:
		return "–"
	case part == 0:
		return "0 %"
	case part < 0.01:
		return "< 1 %"
	}
	return fmt.Sprintf("%.0f %%", part*100)
}
