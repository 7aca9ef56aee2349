package zones

import (
	"bytes"

	"github.com/miekg/dns"
)

// nameservers reports nameservers of the zone, and of the delegations in it, that have no
// address where it has to be here.
func (v *rules) nameservers(node []item) {
	for _, r := range node {
		if r.rtype != dns.TypeNS {
			continue
		}
		key, inside := appendKey(nil, v.data(r), v.apex)
		if !inside {
			continue
		}
		at := v.answers(key)
		target := presentation(v.data(r))
		if cname := firstOf(at, dns.TypeCNAME); cname != nil {
			v.problem(r, "%s points to %s, which is a CNAME (%s); expected a name with addresses (RFC 2181, section 10.3)",
				v.describe(r), target, v.where(*cname))
			continue
		}
		if firstOf(at, dns.TypeA, dns.TypeAAAA) == nil && !v.zone.incomplete && !v.isElsewhere(key, v.keyOf(r)) {
			v.problem(r, "%s points to %s, which has no A or AAAA record; expected one among the records",
				v.describe(r), target)
		}
	}
}

// isElsewhere says whether a name lies in another zone, or in another delegation than that of
// an owner, so that its addresses are for that one to have.
func (v *rules) isElsewhere(key, owner []byte) bool {
	for _, z := range v.innerZones(v.zone) {
		if isBelow(key, z.key) {
			return !bytes.Equal(z.key, owner)
		}
	}
	cut := v.cutAbove(key)
	return cut != nil && !bytes.Equal(cut, owner)
}

// nameserverTargets is the names in the zone that NS records point to, by key.
func (v *rules) nameserverTargets() map[string]bool {
	targets := make(map[string]bool)
	for _, r := range v.items {
		if r.rtype != dns.TypeNS {
			continue
		}
		if key, inside := appendKey(nil, v.data(r), v.apex); inside {
			targets[string(key)] = true
		}
	}
	return targets
}
