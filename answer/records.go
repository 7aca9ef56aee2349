package answer

import (
	"encoding/binary"
	"net/netip"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/steer"
	"gslb/zones"
)

// steered is what a steering answers at present, by family: packed sections, the same bytes
// for every name that is steered so.
type steered struct {
	a, aaaa zones.RRset
}

func newSteered(d *steer.Decision) steered {
	s := steered{a: zones.RRset{Type: dns.TypeA}, aaaa: zones.RRset{Type: dns.TypeAAAA}}
	ttl := uint32(d.TTL.Seconds())
	for _, addr := range d.Addresses {
		set := &s.aaaa
		if addr.Is4() {
			set = &s.a
		}
		set.Records = appendAddress(set.Records, set.Type, ttl, addr)
		set.Count++
	}
	return s
}

// appendAddress appends a record as zones.Data has it.
func appendAddress(b []byte, rtype uint16, ttl uint32, addr netip.Addr) []byte {
	b = append(b, 0xc0, wire.HeaderSize)
	b = binary.BigEndian.AppendUint16(b, rtype)
	b = binary.BigEndian.AppendUint16(b, dns.ClassINET)
	b = binary.BigEndian.AppendUint32(b, ttl)
	b = binary.BigEndian.AppendUint16(b, uint16(addr.BitLen()/8))
	return append(b, addr.AsSlice()...)
}

// recordsOf returns what a node has of a type. ANY gets one set only, as RFC 8482,
// section 4.1, allows: the addresses of a steered name, otherwise the first there is.
func (t *Table) recordsOf(z *zone, n *node, qtype uint16) zones.RRset {
	if n.steering >= 0 {
		s := &t.steered[n.steering]
		switch {
		case qtype == dns.TypeA, qtype == dns.TypeANY && s.a.Count > 0:
			return s.a
		case qtype == dns.TypeAAAA, qtype == dns.TypeANY && s.aaaa.Count > 0:
			return s.aaaa
		}
	}
	if qtype != dns.TypeANY {
		return z.static(n, qtype)
	}
	if n.at >= 0 {
		for set := range z.data.Node(int(n.at)).Sets() {
			return set
		}
	}
	return zones.RRset{}
}
