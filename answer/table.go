package answer

import (
	"slices"
	"time"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/steer"
	"gslb/zones"
)

// Table is everything a query can be answered with: the zones' static data and the
// present answer of every steered name. It is immutable and safe for concurrent use.
type Table struct {
	index     *Index
	pools     []*steer.PoolState
	decisions []*steer.Decision // by Route.Index
	steered   []*steered        // by Route.Index: the answer id of all names steered so, for some clients
	published time.Time
}

// Compile makes the table of a configuration and what was decided for it. pools and
// decisions are those of a [steer.Outcome].
func Compile(set *zones.Set, pools []*steer.PoolState, decisions []*steer.Decision) *Table {
	return NewIndex(set).Compile(pools, decisions)
}

// Compile makes the table of what was decided for the configuration of the index.
func (ix *Index) Compile(pools []*steer.PoolState, decisions []*steer.Decision) *Table {
	t := &Table{
		index:     ix,
		pools:     pools,
		decisions: decisions,
		steered:   make([]*steered, len(decisions)),
	}
	compiler := newCompiler()
	for i, decision := range decisions {
		t.steered[i] = compiler.compile(decision)
	}
	return t
}

// With is the table of the outcome that [steer.Outcome.Next] made of the one that t shows. It packs
// only the answers that were decided anew, and shares the others with t.
func (t *Table) With(next *steer.Outcome) *Table {
	table := &Table{
		index:     t.index,
		pools:     next.Pools,
		decisions: next.Decisions,
		steered:   t.steered,
	}
	if len(next.Changed.Decisions) == 0 {
		return table
	}
	table.steered = slices.Clone(t.steered)
	compiler := newCompiler()
	for _, i := range next.Changed.Decisions {
		table.steered[i] = compiler.compile(next.Decisions[i])
	}
	return table
}

// Set is the configuration that the table was compiled from.
func (t *Table) Set() *zones.Set { return t.index.set }

// Pools is the state of each pool of the configuration, by name.
func (t *Table) Pools() []*steer.PoolState { return t.pools }

// Decisions is what each route answers; the place of one is its Route.Index.
func (t *Table) Decisions() []*steer.Decision { return t.decisions }

// DecisionsOf is what a name answers: the decisions of the routes of its steering, in their order. The
// name must be one of the table's configuration. The caller must not change the list.
func (t *Table) DecisionsOf(name *zones.Name) []*steer.Decision {
	routes := name.Steering.Routes
	return t.decisions[routes[0].Index : routes[0].Index+len(routes)]
}

// Names is the names that use the steering with this Steering.Index.
func (t *Table) Names(steering int) []*zones.Name { return t.index.names[steering] }

// Published is when the table began to serve; zero before that.
func (t *Table) Published() time.Time { return t.published }

// PublishedAt is the same table, which begins to serve at that time.
func (t *Table) PublishedAt(at time.Time) *Table {
	published := *t
	published.published = at
	return &published
}

// zoneOf returns the zone whose apex is the longest suffix of a name, and how many labels the name
// has below it; nil if there is none. DS records of an apex belong to the parent zone (RFC 4035,
// section 3.1.4.1), if that is served here too and has the delegation.
func (t *Table) zoneOf(n *wire.Name, hashes *wire.Hashes, qtype uint16) (z *zone, depth int) {
	for i := range n.Labels() + 1 {
		found := t.index.zone(n.Suffix(i), hashes[i])
		switch {
		case found == nil:
		case z == nil:
			z, depth = found, i
			if i > 0 || qtype != dns.TypeDS {
				return z, depth
			}
		case found.at(n.Bytes(), hashes[0]) != nil:
			return found, i
		default:
			return z, depth
		}
	}
	return z, depth
}

// HasZone reports whether a name is the apex of a zone that is served.
func (t *Table) HasZone(apex *wire.Name) bool {
	var hashes wire.Hashes
	apex.Hash(&hashes)
	return t.index.zone(apex.Bytes(), hashes[0]) != nil
}

// Find is [Lookup.Run] with this table.
func (t *Table) Find(l *Lookup, client Client, asked []byte, name *wire.Name, qtype uint16) {
	l.Run(t, client, asked, name, qtype)
}
