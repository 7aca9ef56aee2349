package zones

import (
	"strings"

	"github.com/miekg/dns"
)

// reconcile makes of a master file what other name servers make of it: a record that is
// there twice counts once (RFC 2181, section 5), and an RRset has the TTL of its first record
// (section 5.2). In records that are written into zones.toml both are reported instead: there
// somebody has just made a slip.
func (z *zone) reconcile() {
	type set struct {
		owner string
		rtype uint16
	}
	first := make(map[set]*record, len(z.records))
	texts := make(map[string][]*record, len(z.records))
	kept := z.records[:0]
	for _, r := range z.records {
		text := r.owner + " " + r.typeName() + " " + strings.ToLower(r.data())
		if isAmong(texts[text], r) {
			continue
		}
		texts[text] = append(texts[text], r)
		kept = append(kept, r)

		key := set{r.owner, r.rr.Header().Rrtype}
		switch one := first[key]; {
		case one == nil:
			first[key] = r
		case key.rtype != dns.TypeRRSIG: // signatures form no RRset (RFC 4034, section 3)
			r.rr.Header().Ttl = one.rr.Header().Ttl
		}
	}
	z.records = kept
}

// isAmong reports whether the same record is in a list, whatever its TTL.
func isAmong(list []*record, r *record) bool {
	for _, other := range list {
		if dns.IsDuplicate(other.rr, r.rr) {
			return true
		}
	}
	return false
}
