package zones

import (
	"bytes"
	"slices"
	"sort"

	"github.com/miekg/dns"
)

// firstOf returns the first record of one of some types, or nil.
func firstOf(node []item, types ...uint16) *item {
	for i := range node {
		if slices.Contains(types, node[i].rtype) {
			return &node[i]
		}
	}
	return nil
}

// search is where the records of a key begin among the items, or would. The records must be
// settled.
func (rs *records) search(key []byte) int {
	return sort.Search(len(rs.items), func(i int) bool { return bytes.Compare(rs.keyOf(rs.items[i]), key) >= 0 })
}

// node returns the records of a key.
func (rs *records) node(key []byte) []item {
	from := rs.search(key)
	to := from
	for to < len(rs.items) && bytes.Equal(rs.keyOf(rs.items[to]), key) {
		to++
	}
	return rs.items[from:to]
}

// isApex says whether records are those of the apex, which come first.
func (rs *records) isApex(node []item) bool {
	return node[0].key == rs.items[0].key && len(rs.keyOf(node[0])) == 0
}

// answers returns the records that a name is answered with: its own, or those of the wildcard
// that stands for it (RFC 4592, section 2.2.1).
func (rs *records) answers(key []byte) []item {
	if node := rs.node(key); len(node) > 0 || rs.exists(key) {
		return node
	}
	for len(key) > 0 {
		key = parentKey(key)
		wildcard := append(slices.Clip(key), keySeparator, '*')
		if len(key) == 0 {
			wildcard = wildcard[1:]
		}
		if node := rs.node(wildcard); len(node) > 0 || rs.exists(key) {
			return node
		}
	}
	return nil
}

// exists says whether there is a record at a name or below it (RFC 8020).
func (rs *records) exists(key []byte) bool {
	at := rs.search(key)
	return at < len(rs.items) && isBelow(rs.keyOf(rs.items[at]), key)
}

// cutAbove returns the key of the topmost delegation at or above a name; nil: the name is in
// the zone proper.
func (rs *records) cutAbove(key []byte) []byte {
	for end := 0; end < len(key); {
		if label := bytes.IndexByte(key[end+1:], keySeparator); label >= 0 {
			end += 1 + label
		} else {
			end = len(key)
		}
		if firstOf(rs.node(key[:end]), dns.TypeNS) != nil {
			return key[:end]
		}
	}
	return nil
}
