package answer

import (
	"iter"
	"slices"

	"github.com/miekg/dns"

	"gslb/internal/wire"
)

// extra is an RRset of a host that a reply names: its addresses of one family, or its SVCB or HTTPS
// records.
type extra struct {
	piece
	needed bool // without it, a referral leads nowhere: it is glue
}

// additional yields the addresses of the hosts that the reply names (RFC 1034, section 4.3.2, step
// 6; RFC 2782), and for the targets of SVCB and HTTPS also their records of the same type (RFC
// 9460, section 4.1), as far as the zones served have them. The glue that a referral needs comes
// first (RFC 9471, section 3.1), so that a reply that is too long loses the rest before it.
func (l *Lookup) additional() iter.Seq[extra] {
	return func(yield func(extra) bool) {
		l.hosts = l.hosts[:0]
		for i := range l.authority {
			p := &l.authority[i]
			if p.Type != dns.TypeNS {
				continue
			}
			for host := range p.Data() {
				if isBelow(host, p.owner) && !l.yieldHost(host, p.Type, true, yield) {
					return
				}
			}
		}
		for _, section := range [...][]piece{l.authority, l.answer} {
			for i := range section {
				for host := range section[i].hosts() {
					if !l.yieldHost(host, section[i].Type, false, yield) {
						return
					}
				}
			}
		}
	}
}

// isBelow reports whether a name is zone or lies below it; both are in wire form.
func isBelow(name, zone []byte) bool {
	for len(name) > len(zone) {
		name = name[1+int(name[0]):]
	}
	return wire.Equal(name, zone)
}

// hosts yields the names in the set's data whose addresses are useful to the client, uncompressed.
// A service whose target is the root is its own host (RFC 9460, section 2.5). Its addresses are not
// added, as in NSD and Knot DNS: the client asks for them anyway.
func (p *piece) hosts() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		skip := hostOffset(p.Type)
		if skip < 0 {
			return
		}
		for data := range p.Data() {
			if !yield(data[skip:wire.SkipName(data, skip)]) {
				return
			}
		}
	}
}

// hostOffset is where in a record's data its host's name begins; negative: it has none.
func hostOffset(rtype uint16) int {
	switch rtype {
	case dns.TypeNS:
		return 0
	case dns.TypeMX, dns.TypeSVCB, dns.TypeHTTPS:
		return 2
	case dns.TypeSRV:
		return 6
	}
	return none
}

// yieldHost yields the useful RRsets of a host that a record of some type names, once for each
// reply. It returns false if no more is wanted.
func (l *Lookup) yieldHost(host []byte, namedBy uint16, needed bool, yield func(extra) bool) bool {
	if _, ok := l.host.Read(host, 0); !ok {
		return true
	}
	l.host.Hash(&l.hashes)
	if slices.Contains(l.hosts, l.hashes[0]) {
		return true
	}
	l.hosts = append(l.hosts, l.hashes[0])
	z, depth := l.table.zoneOf(&l.host, &l.hashes, dns.TypeA)
	if z == nil {
		return true
	}
	n := z.closest(&l.host, &l.hashes, depth)
	if n == nil {
		return true
	}
	l.lot = 0
	for _, rtype := range [...]uint16{dns.TypeA, dns.TypeAAAA, namedBy} {
		if rtype == namedBy && !isService(rtype) {
			break
		}
		set := l.recordsOf(z, n, rtype)
		if set.Count == 0 || set.Type != rtype || rtype == namedBy && l.hasAnswered(set.RRset) {
			continue
		}
		set.owner = host
		if !yield(extra{set, needed}) {
			return false
		}
	}
	return true
}

func isService(rtype uint16) bool { return rtype == dns.TypeSVCB || rtype == dns.TypeHTTPS }

// closest returns the node that has a name's data, by its own name or as a wildcard; nil if
// there is none. Data below a delegation counts: that is where glue is.
func (z *zone) closest(n *wire.Name, hashes *wire.Hashes, depth int) *node {
	for i := range depth + 1 {
		here := z.at(n.Suffix(i), hashes[i])
		switch {
		case here == nil:
		case i == 0:
			return here
		case here.wildcard == none:
			return nil
		default:
			return &z.nodes[here.wildcard]
		}
	}
	return nil
}
