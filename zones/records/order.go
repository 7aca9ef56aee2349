package records

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// Settle puts all records in canonical order of their owners, and those of an owner in order of
// their types. Of one type those come first that the configuration makes, then all others as
// they were added.
func (b *Builder) Settle() {
	b.sortTail()
	for rest := b.items; len(rest) > 0; {
		node := firstNode(rest)
		rest = rest[len(node):]
		if !slices.IsSortedFunc(node, compareTypes) {
			slices.SortStableFunc(node, compareTypes)
		}
	}
}

// compareTypes orders records of one owner.
func compareTypes(a, b item) int {
	return cmp.Or(cmp.Compare(a.rtype, b.rtype), cmp.Compare(min(a.line, 1), min(b.line, 1)))
}

// firstNode is the records of the first owner among settled ones.
func firstNode(items []item) []item {
	n := 1
	for n < len(items) && items[n].key == items[0].key {
		n++
	}
	return items[:n:n]
}

// firstSet is those of the first type among the records of one owner.
func firstSet(node []item) []item {
	n := 1
	for n < len(node) && node[n].rtype == node[0].rtype {
		n++
	}
	return node[:n:n]
}

// sortable is an item on its way to its place, with a piece of its key, so that most
// comparisons are of numbers and need not look at the arena.
type sortable struct {
	high, low uint64
	item
}

// pieceSize is the size of the piece of a key, in bytes.
const pieceSize = 16

// sortTail puts the owners of all records in order. Only what does not follow in order on what
// came before is sorted, and then merged with that.
func (b *Builder) sortTail() {
	tail := make([]sortable, len(b.items)-b.sorted)
	for i := range tail {
		tail[i].item = b.items[b.sorted+i]
	}
	b.sortFrom(tail, 0)

	i := b.sorted - 1
	for at := len(b.items) - 1; len(tail) > 0; at-- {
		last := &tail[len(tail)-1]
		order := -1
		if i >= 0 {
			order = bytes.Compare(b.keyOf(b.items[i]), b.keyOf(last.item))
		}
		if order > 0 {
			b.items[at] = b.items[i]
			i--
			continue
		}
		if order == 0 {
			last.key = b.items[i].key
		}
		b.items[at] = last.item
		tail = tail[:len(tail)-1]
	}
	b.sorted = len(b.items)
	b.owner = b.owner[:0] // the last item is another now
}

// sortFrom sorts items whose keys are the same up to a depth, and gives those of one owner one
// key, so that they can be told by its place.
func (b *Builder) sortFrom(list []sortable, depth int) {
	for i := range list {
		list[i].high, list[i].low = piece(b.keyOf(list[i].item), depth)
	}
	slices.SortFunc(list, func(a, b sortable) int {
		switch {
		case a.high != b.high:
			return cmp.Compare(a.high, b.high)
		case a.low != b.low:
			return cmp.Compare(a.low, b.low)
		default:
			return cmp.Compare(a.data, b.data) // as they were added
		}
	})
	for len(list) > 1 {
		n := 1
		for n < len(list) && list[n].high == list[0].high && list[n].low == list[0].low {
			n++
		}
		same := list[:n]
		list = list[n:]
		switch {
		case n == 1:
		case b.allEnd(same, depth+pieceSize):
			for i := range same {
				same[i].key = same[0].key
			}
		default:
			b.sortFrom(same, depth+pieceSize)
		}
	}
}

// allEnd reports whether no key of these is longer than that. A zero at the end of a piece does
// not say so: it may stand between two labels.
func (b *Builder) allEnd(list []sortable, length int) bool {
	for i := range list {
		if len(b.keyOf(list[i].item)) > length {
			return false
		}
	}
	return true
}

// piece is a piece of a key, filled up with zeros.
func piece(key []byte, depth int) (high, low uint64) {
	var buf [pieceSize]byte
	if depth < len(key) {
		copy(buf[:], key[depth:])
	}
	return binary.BigEndian.Uint64(buf[:]), binary.BigEndian.Uint64(buf[8:])
}
