package admin

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"gslb/health"
	"gslb/journal"
)

// entry is events of one cause: a pool, its targets, and the names that moved because of them.
type entry struct {
	Head  Event   // tells most: what became of the pool
	Moves []Event // of answers, if the head is none, the latest first
	All   []Event // the latest first
}

// entryGap is how far apart events of one entry may be: as long as a target takes from its first
// verdict to the last one in common configurations.
const entryGap = time.Minute

// entriesOf makes entries of events, both the latest first.
//
//	event    | is of the entry of
//	target   | a pool that it belongs to
//	pool     | the pool
//	answer   | a pool that was answered before, or is now
//	others   | none: it has its own
//
// provided that the entry has had an event less than entryGap before. What is known for the first time, as
// after a start, is no part of a failover that comes soon after it: each has its own entries.
func entriesOf(events []Event, poolsOf map[health.TargetID][]string) []entry {
	var entries []*entry                                  // the oldest first
	of := map[bool]map[string]*entry{false: {}, true: {}} // the latest of each pool, and of what is known for the first time
	for i := len(events) - 1; i >= 0; i-- {
		e := events[i]
		pools := poolsIn(&e, poolsOf)
		var joined *entry
		latest := of[isFirst(&e)]
		for _, pool := range pools {
			if last := latest[pool]; last != nil && e.At.Sub(last.All[0].At) < entryGap {
				joined = last
				break
			}
		}
		if joined == nil {
			joined = &entry{}
			entries = append(entries, joined)
			if e.Kind == journal.Answer {
				pools = nil // what a name leaves by itself says nothing of the pool
			}
			for _, pool := range pools {
				latest[pool] = joined
			}
		}
		joined.All = slices.Insert(joined.All, 0, e)
	}
	slices.Reverse(entries)
	made := make([]entry, 0, len(entries))
	for _, e := range entries {
		e.tell()
		made = append(made, *e)
	}
	// An entry stands where its last event does.
	slices.SortStableFunc(made, func(a, b entry) int { return b.All[0].At.Compare(a.All[0].At) })
	return made
}

// tell finds what tells most of an entry: the last change of a pool, otherwise of a target, otherwise
// the last event.
func (e *entry) tell() {
	e.Head = e.All[0]
	for _, kind := range []journal.Kind{journal.Pool, journal.Target} {
		if at := slices.IndexFunc(e.All, func(one Event) bool { return one.Kind == kind }); at >= 0 {
			e.Head = e.All[at]
			break
		}
	}
	if e.Head.Kind == journal.Answer {
		return
	}
	for _, one := range e.All {
		if one.Kind == journal.Answer {
			e.Moves = append(e.Moves, one)
		}
	}
}

// isFirst reports whether nothing was known before an event.
func isFirst(e *Event) bool {
	switch e.Kind {
	case journal.Target, journal.Pool:
		return e.From == health.Unknown.String() && e.Lasted == 0
	}
	return e.Changed == "first"
}

// poolsIn is the pools that an event is about; none if it stands alone.
func poolsIn(e *Event, poolsOf map[health.TargetID][]string) []string {
	switch e.Kind {
	case journal.Target:
		return poolsOf[health.TargetID(e.Subject)]
	case journal.Pool:
		return []string{e.Subject}
	case journal.Answer:
		return append(poolNames(e.From), poolNames(e.To)...)
	}
	return nil
}

// poolNames is the pools of an answer: "nyc", "nyc+sfo" or "nyc 75 % + sfo 25 %".
func poolNames(answer string) []string {
	var names []string
	for part := range strings.SplitSeq(answer, "+") {
		if name, _, _ := strings.Cut(strings.TrimSpace(part), " "); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// poolsOfTargets is which pools depend on each target.
func (m *moment) poolsOfTargets() map[health.TargetID][]string {
	pools := make(map[health.TargetID][]string, len(m.reports))
	for _, p := range m.pools() {
		for id := range targetsOf(p) {
			pools[id] = append(pools[id], p.Pool.Name)
		}
	}
	return pools
}

// gone is the addresses that an answer has no more, added those that it has now.
func gone(e Event) []netip.Addr  { return without(e.FromAddresses, e.Addresses) }
func added(e Event) []netip.Addr { return without(e.Addresses, e.FromAddresses) }

// without is the addresses that others lack.
func without(addresses, others []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addresses), func(a netip.Addr) bool { return slices.Contains(others, a) })
}

// others is how many names an event concerns besides the one it is told of.
func others(e Event) int { return max(e.NamesTotal-1, 0) }
