package records

import (
	"hash/maphash"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/zones/masterfile"
)

// reconcile removes duplicate records (RFC 2181, section 5), and gives an RRset the TTL of its
// first record (section 5.2). The records must be settled.
//
// For a file, which another program may have written, that is all. In records within zones.toml
// both are reported too, since they are probably slips.
func (v *rules) reconcile() {
	kept := v.items[:0]
	for rest := v.items; len(rest) > 0; {
		set := firstSet(firstNode(rest))
		rest = rest[len(set):]
		if len(set) == 1 {
			kept = append(kept, set[0])
			continue
		}
		distinct := len(kept)
		kept = v.appendDistinct(kept, set)
		// Signatures form no RRset (RFC 4034, section 3).
		if set[0].rtype != dns.TypeRRSIG {
			v.oneTTL(kept[distinct:])
		}
	}
	v.items, v.sorted = kept, len(kept)
}

// oneTTL gives the records of an RRset the TTL of the first.
func (v *rules) oneTTL(set []item) {
	if len(set) < 2 {
		return
	}
	ttl := v.ttl(set[0])
	for _, r := range set[1:] {
		if other := v.ttl(r); other != ttl && !v.zone.FromFile {
			v.problem(r, "%s has a TTL of %d, but that at %s has %d; expected one TTL for both (RFC 2181, section 5.2)",
				v.describe(r), other, v.where(set[0]), ttl)
		}
		v.setTTL(r, ttl)
	}
}

// few is how many records are compared each to each.
const few = 8

// appendDistinct appends the records of a set but for those of which there is one before. The
// list may share its memory with the set, behind its end.
func (v *rules) appendDistinct(list, set []item) []item {
	// In a large set only those are compared that are the same but for the case of letters,
	// which does not matter in names.
	var seen map[uint64][]item
	if len(set) > few {
		seen = make(map[uint64][]item, len(set))
	}
	seed, from := maphash.MakeSeed(), len(list)
	var lower []byte
	for _, r := range set {
		among, hash := list[from:], uint64(0)
		if seen != nil {
			lower = append(lower[:0], v.data(r)...)
			wire.Lower(lower, lower)
			hash = maphash.Bytes(seed, lower)
			among = seen[hash]
		}
		if i := v.indexSame(among, r); i >= 0 {
			if !v.zone.FromFile {
				v.problem(r, "%s is given twice, first at %s", v.describe(r), v.where(among[i]))
			}
			continue
		}
		list = append(list, r)
		if seen != nil {
			seen[hash] = append(seen[hash], r)
		}
	}
	return list
}

// indexSame is the place of the same record in a list, whatever its TTL; -1: there is none.
func (b *Builder) indexSame(list []item, r item) int {
	data := b.data(r)
	for i, other := range list {
		if masterfile.SameData(r.rtype, data, b.data(other)) {
			return i
		}
	}
	return -1
}
