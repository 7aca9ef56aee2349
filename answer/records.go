package answer

import (
	"github.com/miekg/dns"

	"gslb/zones/records"
)

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
