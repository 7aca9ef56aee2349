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
	outcome   *steer.Outcome
	steered   []*steered           // by Route.Index: the answer id of all names steered so, for some clients
	own       map[*node][]*steered // of names that stand apart: the answer of each route; nil: there are none
	published time.Time
}

// Compile makes the table of a configuration and what was decided for it. pools and
// decisions are those of a [steer.Outcome].
func Compile(set *zones.Set, pools []*steer.PoolState, decisions []*steer.Decision) *Table {
	return NewIndex(set).Compile(&steer.Outcome{Pools: pools, Decisions: decisions})
}

// Compile makes the table of an outcome for the configuration of the index.
func (ix *Index) Compile(o *steer.Outcome) *Table {
	t := &Table{index: ix, outcome: o, steered: make([]*steered, len(o.Decisions))}
	compiler := newCompiler()
	for i, decision := range o.Decisions {
		t.steered[i] = compiler.compile(decision)
	}
	t.setApart(nil, compiler)
	return t
}

// With is the table of the outcome that [steer.Outcome.Next] made of the one that t shows. It packs
// only the answers that were decided anew, and shares the others with t.
func (t *Table) With(next *steer.Outcome) *Table {
	table := &Table{index: t.index, outcome: next, steered: t.steered, own: t.own}
	compiler := newCompiler()
	if len(next.Changed.Decisions) > 0 {
		table.steered = slices.Clone(t.steered)
	}
	for _, i := range next.Changed.Decisions {
		table.steered[i] = compiler.compile(next.Decisions[i])
	}
	if len(next.Changed.Apart) > 0 {
		table.setApart(t, compiler)
	}
	return table
}

// setApart packs the answers of the names that stand apart, unless the table before has them.
func (t *Table) setApart(before *Table, compiler *compiler) {
	apart := t.outcome.Apart
	t.own = nil
	if len(apart) == 0 {
		return
	}
	t.own = make(map[*node][]*steered, len(apart))
	for _, a := range apart {
		n := t.index.nodeOf(a.Name)
		if n == nil {
			continue
		}
		if before != nil && before.outcome.ApartOf(a.Name) == a {
			t.own[n] = before.own[n]
			continue
		}
		answers := make([]*steered, len(a.Decisions))
		for i, decision := range a.Decisions {
			answers[i] = compiler.compile(decision)
		}
		t.own[n] = answers
	}
}

// IsApart reports whether a name of the table's configuration has decisions of its own.
func (t *Table) IsApart(name *zones.Name) bool { return t.outcome.ApartOf(name) != nil }

// ApartOf is the decisions that a name of the table's configuration has of its own; nil: it has none. The caller must
// not change them.
func (t *Table) ApartOf(name *zones.Name) []*steer.Decision {
	if a := t.outcome.ApartOf(name); a != nil {
		return a.Decisions
	}
	return nil
}

// Apart is the names that do not answer what others do that are steered alike, by name. The caller must
// not change it.
func (t *Table) Apart() []*steer.Apart { return t.outcome.Apart }

// Set is the configuration that the table was compiled from.
func (t *Table) Set() *zones.Set { return t.index.set }

// Pools is the state of each pool of the configuration, by name.
func (t *Table) Pools() []*steer.PoolState { return t.outcome.Pools }

// Decisions is what each route answers; the place of one is its Route.Index.
func (t *Table) Decisions() []*steer.Decision { return t.outcome.Decisions }

// DecisionsOf is what a name answers: the decisions of the routes of its steering, in their order. The
// name must be one of the table's configuration. The caller must not change the list.
func (t *Table) DecisionsOf(name *zones.Name) []*steer.Decision { return t.outcome.DecisionsOf(name) }

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
