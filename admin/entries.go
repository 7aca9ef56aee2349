package admin

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"gslb/health"
	"gslb/journal"
	"gslb/override"
)

// entry is events of one cause: a pool, its targets, and the names that moved because of them.
type entry struct {
	Head  Event   // tells most: what became of the pool
	Moves []Event // of answers, if the head is none, the latest first
	All   []Event // the latest first
	cause int     // the place of its last event that is no answer, so that the later of two is known
}

// entryGap is how far apart events of one entry may be: as long as a target takes from its first
// verdict to the last one in common configurations.
const entryGap = time.Minute

// entriesOf makes entries of events, both the latest first.
//
//	event    | is of the entry of
//	target   | a pool that it belongs to
//	pool     | the pool
//	answer   | a pool that was answered before, or is now, or what a person said of one of these or of the
//	         | name, or another configuration: the last of them
//	override | its own, and so are a failback, a move and a configuration: the answers that follow are of it
//	others   | none: it has its own
//
// provided that the entry has had an event less than entryGap before. What is known for the first time, as
// after a start, is no part of a failover that comes soon after it: each has its own entries.
func entriesOf(events []Event, poolsOf map[health.TargetID][]string) []entry {
	var entries []*entry                                  // the oldest first
	of := map[bool]map[string]*entry{false: {}, true: {}} // the latest of each pool, and of what is known for the first time
	said := make(map[string]*entry)                       // the latest of what answers follow besides
	for i := len(events) - 1; i >= 0; i-- {
		e := events[i]
		pools, latest := poolsIn(&e, poolsOf), of[isFirst(&e)]
		var joined *entry
		goesOn := func(last *entry) bool { return last != nil && e.At.Sub(last.All[0].At) < entryGap }
		for _, pool := range pools {
			if last := latest[pool]; goesOn(last) {
				joined = last
				break
			}
		}
		if e.Kind == journal.Answer && !isFirst(&e) {
			for _, key := range append(pools, ofName(e.Subject), everyName) {
				if last := said[key]; goesOn(last) && (joined == nil || last.cause > joined.cause) {
					joined = last
				}
			}
		}
		if joined == nil {
			joined = &entry{cause: len(events) - i}
			entries = append(entries, joined)
			if e.Kind == journal.Answer {
				pools = nil // what a name leaves by itself says nothing of the pool
			}
			for _, pool := range pools {
				latest[pool] = joined
			}
			if key := saidOf(&e); key != "" {
				said[key] = joined
			}
		}
		if e.Kind != journal.Answer {
			joined.cause = len(events) - i
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

// everyName is the key of what may change the answer of any name.
const everyName = "*"

// ofName is the key of what is about a name; a pool's name has no slash.
func ofName(name string) string { return "name/" + name }

// saidOf is the key by which answers that follow an event are its: a pool, a name, or any name. Empty: none are.
func saidOf(e *Event) string {
	switch e.Kind {
	case journal.Config:
		return everyName
	case journal.Failback, journal.Switch:
		return ofName(e.Subject)
	case journal.Override:
		kind, subject, _ := strings.Cut(e.Subject, "/")
		if kind == string(override.Pin) {
			return ofName(subject)
		}
		pool, _, _ := strings.Cut(subject, "/") // of a member
		return pool
	}
	return ""
}

// tell finds what tells most of an entry: the last change of a pool, otherwise of a target, otherwise
// the last that is no answer, otherwise the last event.
func (e *entry) tell() {
	e.Head = e.All[0]
	for _, tells := range []func(journal.Kind) bool{
		func(k journal.Kind) bool { return k == journal.Pool }, func(k journal.Kind) bool { return k == journal.Target },
		func(k journal.Kind) bool { return k != journal.Answer },
	} {
		if at := slices.IndexFunc(e.All, func(one Event) bool { return tells(one.Kind) }); at >= 0 {
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
