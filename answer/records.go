package answer

import (
	"github.com/miekg/dns"

	"gslb/steer"
)

// records is what a steering answers at present, by family. The owner name is the
// root's: the names that share the answer put in their own.
type records struct {
	a, aaaa []dns.RR
}

func newRecords(d *steer.Decision) records {
	var r records
	ttl := uint32(d.TTL.Seconds())
	for _, addr := range d.Addresses {
		if addr.Is4() {
			r.a = append(r.a, &dns.A{
				Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: ttl},
				A:   addr.AsSlice(),
			})
			continue
		}
		r.aaaa = append(r.aaaa, &dns.AAAA{
			Hdr:  dns.RR_Header{Name: ".", Rrtype: dns.TypeAAAA, Class: dns.ClassINET, Ttl: ttl},
			AAAA: addr.AsSlice(),
		})
	}
	return r
}

// recordsOf returns what a node has of a type. ANY gets one set only, as RFC 8482,
// section 4.1, allows: the addresses of a steered name, otherwise the first there is.
func (t *Table) recordsOf(n *node, qtype uint16) []dns.RR {
	if n.steering >= 0 {
		steered := &t.steered[n.steering]
		switch qtype {
		case dns.TypeA:
			return steered.a
		case dns.TypeAAAA:
			return steered.aaaa
		case dns.TypeANY:
			if len(steered.a) > 0 {
				return steered.a
			}
			if len(steered.aaaa) > 0 {
				return steered.aaaa
			}
		}
	}
	if qtype == dns.TypeANY {
		if len(n.sets) == 0 {
			return nil
		}
		return n.sets[0].records
	}
	return n.static(qtype)
}

// addAdditional adds the addresses of the hosts that the reply names (RFC 1034, section
// 4.3.2, step 6; RFC 2782; RFC 9460, section 4.1), as far as the zones served have them.
// The glue that a referral does not work without comes first (RFC 9471, section 3.1), so
// that a reply that is too long loses the rest before it.
func (l *lookup) addAdditional() {
	for _, rr := range l.reply.Authority {
		if ns, ok := rr.(*dns.NS); ok && dns.IsSubDomain(ns.Hdr.Name, ns.Ns) {
			l.addHost(ns)
		}
	}
	for _, section := range [][]dns.RR{l.reply.Authority, l.reply.Answer} {
		for _, rr := range section {
			l.addHost(rr)
		}
	}
}

func (l *lookup) addHost(rr dns.RR) {
	switch rr := rr.(type) {
	case *dns.NS:
		l.addAddresses(rr.Ns)
	case *dns.MX:
		l.addAddresses(rr.Mx)
	case *dns.SRV:
		l.addAddresses(rr.Target)
	case *dns.SVCB:
		l.addService(&rr.Hdr, rr.Target)
	case *dns.HTTPS:
		l.addService(&rr.Hdr, rr.Target)
	}
}

// addService adds the addresses of a service's target, where "." means the owner itself.
func (l *lookup) addService(h *dns.RR_Header, target string) {
	if target == "." {
		target = h.Name
	}
	l.addAddresses(target)
}

func (l *lookup) addAddresses(host string) {
	n, ok := parseName(host)
	if !ok || l.hosts[string(n.bytes())] {
		return
	}
	if l.hosts == nil {
		l.hosts = make(map[string]bool)
	}
	l.hosts[string(n.bytes())] = true
	z, depth := l.table.zoneOf(&n, dns.TypeA)
	if z == nil {
		return
	}
	here := z.find(&n, depth)
	if here == nil {
		return
	}
	for _, qtype := range [...]uint16{dns.TypeA, dns.TypeAAAA} {
		for _, rr := range l.table.recordsOf(here, qtype) {
			l.reply.Additional = append(l.reply.Additional, withOwner(rr, host))
		}
	}
}

// find returns the node that has a name's data, by its own name or as a wildcard; nil if
// there is none. Data below a delegation counts: that is where glue is.
func (z *zone) find(n *name, depth int) *node {
	if here := z.nodes[string(n.suffix(0))]; here != nil {
		return here
	}
	for i := 1; i <= depth; i++ {
		if encloser := z.nodes[string(n.suffix(i))]; encloser != nil {
			return encloser.wildcard
		}
	}
	return nil
}
