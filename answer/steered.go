package answer

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/steer"
	"gslb/zones"
	"gslb/zones/records"
)

// steered is the current answer of a steering: packed records of each family, the same bytes for
// all its names. It is immutable.
type steered struct {
	a, aaaa records.RRset
	pending *pending // nil: it is decided
}

// pending is what is known of an answer before it is decided, at a start.
type pending struct {
	a, aaaa bool   // there may be addresses of the family, so that there is no reply yet
	ttl     uint32 // that the addresses may have, at least
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
	return true
}

// isEmpty reports whether it is decided that there is no address, as in mode [steer.ServFail].
func (s *steered) isEmpty() bool { return s.pending == nil && s.a.Count+s.aaaa.Count == 0 }

// ttl is the TTL of the addresses in seconds; 0 if there are none.
func (s *steered) ttl() uint32 {
	switch {
	case s.pending != nil:
		return s.pending.ttl
	case s.a.Count > 0:
		return s.a.TTL()
	case s.aaaa.Count > 0:
		return s.aaaa.TTL()
	}
	return 0
}

// addressPacker packs the answers of many decisions, and equal answers only once.
type addressPacker struct {
	packed map[string]*steered // by their records, those of type A first
	buffer []byte
}

func newAddressPacker() *addressPacker {
	return &addressPacker{packed: make(map[string]*steered)}
}

// pack returns what a decision answers.
func (p *addressPacker) pack(d *steer.Decision) *steered {
	if d.Mode == steer.Pending {
		return &steered{pending: awaited(d.Steering)}
	}
	var a, aaaa int
	ttl := uint32(d.TTL.Seconds())
	p.buffer = p.buffer[:0]
	for _, addr := range d.Addresses {
		if addr.Is4() {
			p.buffer = appendAddress(p.buffer, dns.TypeA, ttl, addr)
			a++
		}
	}
	split := len(p.buffer)
	for _, addr := range d.Addresses {
		if !addr.Is4() {
			p.buffer = appendAddress(p.buffer, dns.TypeAAAA, ttl, addr)
			aaaa++
		}
	}
	if same := p.packed[string(p.buffer)]; same != nil {
		return same
	}
	packed := bytes.Clone(p.buffer)
	s := &steered{
		a:    records.RRset{Type: dns.TypeA, Count: a, Records: packed[:split:split]},
		aaaa: records.RRset{Type: dns.TypeAAAA, Count: aaaa, Records: packed[split:]},
	}
	p.packed[string(packed)] = s
	return s
}

// awaited is what is known of a steering's answer whatever its verdicts will be: a family of which
// no pool has an address has none to answer with, unless all may be answered SERVFAIL.
func awaited(s *zones.Steering) *pending {
	p := &pending{ttl: uint32(s.TTLMin.Seconds())}
	p.a = s.WhenAllDown == zones.ServFail
	p.aaaa = p.a
	see := func(pool *zones.Pool) {
		for _, m := range pool.Members {
			p.a = p.a || m.Address.Is4()
			p.aaaa = p.aaaa || !m.Address.Is4()
		}
	}
	for _, pool := range s.Pools {
		see(pool)
	}
	if s.Fallback != nil {
		see(s.Fallback)
	}
	return p
}

// appendAddress appends a record in the layout of records.Data.
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
func (t *Table) recordsOf(z *zone, n *node, qtype uint16) records.RRset {
	if n.steering >= 0 {
		s := t.steered[n.steering]
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
	return records.RRset{}
}
