package answer

import (
	"math/rand/v2"

	"github.com/miekg/dns"

	"gslb/zones/records"
)

// steered is the current answer of a route: packed records, the same bytes for all names that are
// steered so. It is immutable.
type steered struct {
	a, aaaa choice
	// others is what decides whether a question for another type is answered with a CNAME. It has no
	// shares if no pool that is answered has one.
	others   choice
	ttl      uint32 // of the addresses
	servFail bool
	pending  *pending // nil: it is decided
}

// choice is what is answered to a question for one type: one of the shares.
type choice struct {
	shares  []share
	columns []column // to draw by weight; nil: there is one share, or it is chosen by the client
	most    int      // addresses of the share that are answered; 0: all
	rotate  bool     // they begin at any of them
}

// share is the records of one pool, or those of all pools that are answered together.
type share struct {
	records.RRset        // of the type asked for, or a CNAME
	seed          uint64 // of the pool's name
	weight        uint32
	pool          int32 // Pool.Index, or several
}

// isPending reports whether the answer to a type of question is not known yet.
func (s *steered) isPending(qtype uint16) bool {
	switch {
	case s.pending == nil:
		return false
	case qtype == dns.TypeA:
		return s.pending.a
	case qtype == dns.TypeAAAA:
		return s.pending.aaaa
	}
	return isAddress(qtype) || s.pending.alias
}

// choiceFor is what a question for a type is answered from. ANY gets one set only, as RFC 8482,
// section 4.1, allows.
func (s *steered) choiceFor(qtype uint16) *choice {
	switch {
	case qtype == dns.TypeA, qtype == dns.TypeANY && len(s.a.shares) > 0:
		return &s.a
	case qtype == dns.TypeAAAA, qtype == dns.TypeANY:
		return &s.aaaa
	}
	return &s.others
}

// isSteered reports whether what a name has of a type is steered. Addresses are; everything else only
// if the whole name may be an alias.
func (l *Lookup) isSteered(n *node, qtype uint16) bool {
	return n.steering >= 0 && (isAddress(qtype) || l.table.index.steerings[n.steering].aliases)
}

// steeredAt returns what a steered name is answered with for the client.
func (l *Lookup) steeredAt(n *node) *steered {
	s := &l.table.index.steerings[n.steering]
	class := 0
	if s.views != nil {
		bits := 0
		class, bits = s.views.Find(l.client.Addr)
		if l.client.Hidden > 0 {
			class = s.views.Within(class, l.client.Addr.BitLen()-l.client.Hidden)
		}
		l.dependsOn(bits)
	}
	if l.table.own != nil {
		if own := l.table.own[n]; own != nil {
			return own[class]
		}
	}
	return l.table.steered[s.first+class]
}

// dependsOn notes that the reply would be another for clients that differ in the first bits of their
// address.
func (l *Lookup) dependsOn(bits int) { l.scope = max(l.scope, bits) }

// choose picks the share that the client gets, and of its addresses those that are answered.
func (l *Lookup) choose(c *choice) piece {
	var s *share
	switch {
	case len(c.shares) == 0:
		return piece{}
	case len(c.shares) == 1:
		s = &c.shares[0]
	case c.columns != nil:
		if l.lot == 0 {
			l.lot = l.random()
		}
		s = &c.shares[draw(c.columns, l.lot)]
	default:
		key, bits := network(l.client.Addr)
		l.dependsOn(bits)
		s = &c.shares[stickTo(c.shares, key)]
	}
	l.pool = s.pool
	if s.Count < 2 || !c.rotate && c.most == 0 {
		return piece{RRset: s.RRset}
	}
	return s.window(c, l.random())
}

// random is a number that no client can make use of knowing: SplitMix64, begun anywhere.
func (l *Lookup) random() uint64 {
	if l.seed == 0 {
		l.seed = rand.Uint64()
	}
	l.seed += golden
	return mix(l.seed)
}

// window is the addresses that are answered of a share: so many, from a random one on, around the
// end to the beginning. So each is as likely as the others.
func (s *share) window(c *choice, random uint64) piece {
	most := s.Count
	if c.most > 0 {
		most = min(most, c.most)
	}
	size := len(s.Records) / s.Count
	start := below(random, s.Count)
	end := start + most
	w := piece{RRset: s.RRset}
	w.Count = most
	w.Records = s.Records[start*size : min(end, s.Count)*size]
	if end > s.Count {
		w.rest = s.Records[:(end-s.Count)*size]
		if !c.rotate {
			w.Records, w.rest = w.rest, w.Records
		}
	}
	return w
}

// below turns a random number into one below n.
func below(random uint64, n int) int { return int((random >> 32) * uint64(n) >> 32) }

// pending is what is known of an answer before it is decided, at a start.
type pending struct {
	a, aaaa bool // there may be addresses of the family, so that there is no reply yet
	alias   bool // there may be a CNAME
}

// recordsOf returns what a name has of a type.
func (l *Lookup) recordsOf(z *zone, n *node, qtype uint16) piece {
	if l.isSteered(n, qtype) {
		if set := l.choose(l.steeredAt(n).choiceFor(qtype)); set.Count > 0 {
			return set
		}
	}
	return piece{RRset: z.recordsOf(n, qtype)}
}

// recordsOf returns the static records of a type. ANY gets the first set there is (RFC 8482, section
// 4.1).
func (z *zone) recordsOf(n *node, qtype uint16) records.RRset {
	if qtype == dns.TypeANY && n.at >= 0 {
		for set := range z.data.Node(int(n.at)).Sets() {
			return set
		}
	}
	return z.static(n, qtype)
}
