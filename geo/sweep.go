package geo

import (
	"context"
	"encoding/binary"
	"slices"
)

// stream is ranges of addresses in order, with gaps, and what is known of each as a number. In a
// gap nothing is known: 0.
type stream struct {
	next func() (r span, ok bool, err error)

	begun, ended bool
	now          span // the range at or after the address that was asked for last
}

// span is a range of addresses, and the number of what is known of it.
type span struct {
	first, last address
	number      int
}

// at is the number at an address, and not beyond end how far it reaches. The addresses that are
// asked for only ascend.
func (s *stream) at(a, end address) (number int, last address, err error) {
	for !s.ended && (!s.begun || s.now.last.less(a)) {
		var ok bool
		s.now, ok, err = s.next()
		if err != nil {
			return 0, address{}, err
		}
		s.begun, s.ended = true, !ok
	}
	switch {
	case s.ended:
		return 0, end, nil
	case a.less(s.now.first):
		return 0, least(end, s.now.first.previous()), nil
	default:
		return s.now.number, least(end, s.now.last), nil
	}
}

func least(a, b address) address {
	if a.less(b) {
		return a
	}
	return b
}

// sweep goes once through all addresses, and calls found for each range over which no stream
// changes, in order and without gaps, with the number of each.
func sweep(ctx context.Context, streams []*stream, first, last address, found func(first, last address, numbers []int) error) error {
	numbers := make([]int, len(streams))
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		end := last
		for i, s := range streams {
			var err error
			if numbers[i], end, err = s.at(first, end); err != nil {
				return err
			}
		}
		if err := found(first, end, numbers); err != nil {
			return err
		}
		if end == last {
			return nil
		}
		first = end.next()
	}
}

// nesting is the views that are networks, as ranges that do not overlap.
type nesting struct {
	spans  []span  // of one family; their numbers are those of chains
	chains [][]int // the networks around a range, by their number in asked, the longest first; 0: none
}

// nest makes ranges of those views that are networks of one family.
func nest(views map[View]int, ipv4 bool) nesting {
	var networks []View
	for v := range views {
		if v.kind == Prefix && v.prefix.Addr().Is4() == ipv4 {
			networks = append(networks, v)
		}
	}
	// By first address, and those that lie within others after them.
	slices.SortFunc(networks, func(a, b View) int { return a.prefix.Compare(b.prefix) })
	n := nesting{chains: [][]int{nil}}
	var around []span // the networks that address lies in, the longest at the end
	var from address  // the first one that is in no span yet, if a network is open
	until := func(last address) {
		if top := len(around) - 1; !last.less(from) {
			n.spans = append(n.spans, span{from, last, around[top].number})
		}
	}
	// leave ends the longest network; more is false if the last address was in it.
	leave := func() (more bool) {
		top := len(around) - 1
		last := around[top].last
		until(last)
		around = around[:top]
		if last == lastIPv6 {
			return false
		}
		from = last.next()
		return true
	}
	for _, v := range networks {
		first, last := ends(v.prefix)
		for len(around) > 0 && around[len(around)-1].last.less(first) {
			leave()
		}
		chain := []int{views[v]}
		if len(around) > 0 {
			if from.less(first) {
				until(first.previous())
			}
			chain = append(chain, n.chains[around[len(around)-1].number]...)
		}
		around = append(around, span{first, last, len(n.chains)})
		n.chains = append(n.chains, chain)
		from = first
	}
	for len(around) > 0 && leave() {
	}
	return n
}

// stream is the ranges as a stream.
func (n nesting) stream() *stream {
	spans := n.spans
	return &stream{next: func() (span, bool, error) {
		if len(spans) == 0 {
			return span{}, false, nil
		}
		s := spans[0]
		spans = spans[1:]
		return s, true, nil
	}}
}

// source is a database that is asked.
type source struct {
	*walk
	asked  *asked
	knows  Attributes     // of any client
	read   map[uint32]int // by record, the number of its trait
	traits []trait        // the first: nothing is known
	keys   map[string]int // their numbers
}

// trait is what a record knows that matters to the questions. Many records have the same: this is
// what keeps a load fast and small.
type trait struct {
	knows Attributes
	code  string // of the country
	// Views by their number in asked; 0: one that is not asked for.
	asn, country, continent int
	subdivisions            []int
	orders                  []int // by ranking, the place in its orders
}

func newSource(d *database, a *asked) *source {
	return &source{walk: d.walk(), asked: a, read: make(map[uint32]int), traits: make([]trait, 1), keys: make(map[string]int)}
}

// stream is the networks of a database, each with the number of its trait.
func (s *source) stream() *stream {
	return &stream{next: func() (span, bool, error) {
		n, ok, err := s.next()
		if !ok || err != nil {
			return span{}, false, err
		}
		number, ok := s.read[n.record]
		if !ok {
			c, err := s.database.read(n)
			if err != nil {
				return span{}, false, err
			}
			s.knows = s.knows.or(c.knows)
			number = s.number(c)
			s.read[n.record] = number
		}
		return span{n.first, n.last, number}, true, nil
	}}
}

// number is that of the trait of a client.
func (s *source) number(c client) int {
	views := s.asked.views
	t := trait{knows: c.knows, code: c.country.code, asn: views[c.asn], country: views[c.country], continent: views[c.continent]}
	for _, v := range c.subdivisions {
		if number := views[v]; number != 0 {
			t.subdivisions = append(t.subdivisions, number)
		}
	}
	if c.knows.Location {
		for _, r := range s.asked.rankings {
			t.orders = append(t.orders, r.from(c.location))
		}
	}
	key := t.key()
	number, ok := s.keys[key]
	if !ok {
		number = len(s.traits)
		s.keys[key] = number
		s.traits = append(s.traits, t)
	}
	return number
}

// key is the same for equal traits.
func (t trait) key() string {
	key := make([]byte, 0, 64)
	for _, known := range []bool{t.knows.ASN, t.knows.Subdivision, t.knows.Country, t.knows.Continent, t.knows.Location} {
		bit := byte(0)
		if known {
			bit = 1
		}
		key = append(key, bit)
	}
	for _, list := range [][]int{{t.asn, t.country, t.continent}, t.subdivisions, t.orders} {
		key = binary.AppendUvarint(key, uint64(len(list)))
		for _, n := range list {
			key = binary.AppendUvarint(key, uint64(n))
		}
	}
	return string(append(key, t.code...))
}

// mixture is what several databases know of the same clients. Each attribute is from the first one
// that has it: another one may know it of other clients only, or know it less well. A subdivision is
// not from one that has the clients in another country.
func mixture(traits []trait) trait {
	var m trait
	for _, t := range traits {
		if !m.knows.ASN {
			m.asn = t.asn
		}
		if !m.knows.Country {
			m.country, m.code = t.country, t.code
		}
		if t.code != m.code {
			t.knows.Subdivision = false
		} else if !m.knows.Subdivision {
			m.subdivisions = t.subdivisions
		}
		if !m.knows.Continent {
			m.continent = t.continent
		}
		if !m.knows.Location {
			m.orders = t.orders
		}
		m.knows = m.knows.or(t.knows)
	}
	return m
}

// views are those that match clients, the narrowest first, by their number in asked.
func (t trait) views(networks []int) []int {
	views := slices.Concat(networks, []int{t.asn}, t.subdivisions, []int{t.country, t.continent})
	return slices.DeleteFunc(views, func(v int) bool { return v == 0 })
}
