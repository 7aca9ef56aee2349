package records

import (
	"bytes"
	"slices"
	"sort"

	"github.com/miekg/dns"
)

// Record is a record as those see it who make what a zone lacks.
type Record struct {
	Data  []byte // in wire form, names not compressed
	TTL   uint32 // seconds
	Where string // it comes from, for messages
}

// Find returns the records of some types that a key has. The records must be settled.
func (b *Builder) Find(key []byte, types ...uint16) []Record {
	var found []Record
	for _, r := range b.node(key) {
		if slices.Contains(types, r.rtype) {
			found = append(found, Record{b.data(r), b.ttl(r), b.where(r)})
		}
	}
	return found
}

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
func (b *Builder) search(key []byte) int {
	return sort.Search(len(b.items), func(i int) bool { return bytes.Compare(b.keyOf(b.items[i]), key) >= 0 })
}

// node returns the records of a key.
func (b *Builder) node(key []byte) []item {
	from := b.search(key)
	to := from
	for to < len(b.items) && bytes.Equal(b.keyOf(b.items[to]), key) {
		to++
	}
	return b.items[from:to]
}

// isApex says whether records are those of the apex, which come first.
func (b *Builder) isApex(node []item) bool {
	return node[0].key == b.items[0].key && len(b.keyOf(node[0])) == 0
}

// answers returns the records that a name is answered with: its own, or those of the wildcard
// that stands for it (RFC 4592, section 2.2.1).
func (b *Builder) answers(key []byte) []item {
	if node := b.node(key); len(node) > 0 || b.exists(key) {
		return node
	}
	for len(key) > 0 {
		key = parentKey(key)
		wildcard := append(slices.Clip(key), keySeparator, '*')
		if len(key) == 0 {
			wildcard = wildcard[1:]
		}
		if node := b.node(wildcard); len(node) > 0 || b.exists(key) {
			return node
		}
	}
	return nil
}

// exists says whether there is a record at a name or below it (RFC 8020).
func (b *Builder) exists(key []byte) bool {
	at := b.search(key)
	return at < len(b.items) && isBelow(b.keyOf(b.items[at]), key)
}

// cutAbove returns the key of the topmost delegation at or above a name; nil: the name is in
// the zone proper.
func (b *Builder) cutAbove(key []byte) []byte {
	for end := 0; end < len(key); {
		if label := bytes.IndexByte(key[end+1:], keySeparator); label >= 0 {
			end += 1 + label
		} else {
			end = len(key)
		}
		if firstOf(b.node(key[:end]), dns.TypeNS) != nil {
			return key[:end]
		}
	}
	return nil
}
