package geo

import (
	"bytes"
	"math/bits"
)

// A class is kept as a number: its place in Map.classes, and firstNumber.
const (
	splitNumber = 0 // addresses that are not all in one class
	firstNumber = 1
)

// tree is all addresses of a family as ranges. There is a level for each 16 bits: a tree of IPv4
// has two, one of IPv6 has eight. The first level has one node, which is all addresses. A node says
// which values of the next 16 bits are in which class. Where this depends on the bits after them,
// the next level has a node for one value.
//
//	first level       0–0x02FF: 1    0x0300: split          0x0301–0xFFFF: 2
//	second level                     0–0x7F: 1   0x80–0xFFFF: 2
//
// A node of the second level or below is never all in one class. So the widest prefix around an
// address lies within the last node that a look-up comes to, and the ranges beside the address in
// that node tell it.
type tree struct {
	levels []level
	// direct leads from the first 16 bits of an address to the end of the look-up, or to the
	// second level. Only large trees have it.
	direct []direct
}

// level is nodes one after the other. Ranges are numbered over all nodes of a level.
type level struct {
	starts  []uint16 // the first value of each range: ascending within a node, and 0 is first
	numbers numbers
	nodes   []uint32 // the first range of each node; one item more, which ends the last
	splits  []uint32 // how many ranges are split before each block of them
}

// A split range leads to a node of the next level: the first one to the first, and so on. How many
// there are before one is known for every block of so many ranges, and counted within a block.
const block = 64

// direct is what is found in the first level: either a class and a length, or a node of the second.
type direct uint32

const (
	directNode  = 1 << 31 // or else a number, and the length above it
	lengthShift = 16
)

// A direct table takes as much as 87,000 ranges. It is made for a tree that has about as many, if
// they are spread over the first 16 bits: those of IPv6 never are, and a few steps find them.
const (
	minDirect     = 1 << 16
	minDirectRoot = 1 << 10
)

// maxDepth is how many levels IPv6 has.
const maxDepth = 8

// find is the number of the class of an address, and the length of the widest prefix around it all
// of whose addresses are in it. The words are the address, 16 bits each.
func (t *tree) find(words *[maxDepth]uint16) (number, length int) {
	depth, node := 0, 0
	if t.direct != nil {
		d := t.direct[words[0]]
		if d&directNode == 0 {
			return int(d & (1<<lengthShift - 1)), int(d >> lengthShift)
		}
		depth, node = 1, int(d&^directNode)
	}
	for {
		l := &t.levels[depth]
		first, end := int(l.nodes[node]), int(l.nodes[node+1])
		i := l.find(first, end, words[depth])
		if number := l.numbers.at(i); number != splitNumber {
			return number, 16*depth + l.length(first, end, i, words[depth])
		}
		depth, node = depth+1, l.below(i)
	}
}

// find is the range that a value is in, of those from first to end, which begin with 0.
func (l *level) find(first, end int, word uint16) int {
	low, high := first, end-1 // the range is one of these, or between them
	for low < high {
		middle := int(uint(low+high+1) / 2)
		if l.starts[middle] <= word {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low
}

// below is the node of the next level that a split range leads to.
func (l *level) below(i int) int {
	return int(l.splits[i/block]) + l.numbers.countSplits(i-i%block, i)
}

// length is that of the widest prefix around a value that lies in range i, of those from first to
// end: it has a bit more than the value has in common with the nearest values out of the range.
func (l *level) length(first, end, i int, word uint16) int {
	length := 0
	if i > first {
		length = bits.LeadingZeros16(word^(l.starts[i]-1)) + 1
	}
	if i+1 < end {
		length = max(length, bits.LeadingZeros16(word^l.starts[i+1])+1)
	}
	return length
}

// finish makes ready for use a tree of which all levels have their ranges.
func (t *tree) finish() {
	for i := range t.levels {
		l := &t.levels[i]
		l.starts, l.nodes = clipped(l.starts), clipped(l.nodes)
		l.numbers = numbers{narrow: clipped(l.numbers.narrow), wide: clipped(l.numbers.wide)}
		splits := 0
		for first := 0; first < len(l.starts); first += block {
			l.splits = append(l.splits, uint32(splits))
			splits += l.numbers.countSplits(first, min(first+block, len(l.starts)))
		}
	}
	t.makeDirect()
}

// clipped is a slice without the capacity to grow.
func clipped[T any](s []T) []T {
	if s == nil {
		return nil
	}
	return append(make([]T, 0, len(s)), s...)
}

// makeDirect makes the direct table if there is much to look up.
func (t *tree) makeDirect() {
	root := &t.levels[0]
	if t.ranges() < minDirect || len(root.starts) < minDirectRoot {
		return
	}
	t.direct = make([]direct, 1<<16)
	node := 0
	for i, start := range root.starts {
		last := uint16(1<<16 - 1)
		if i+1 < len(root.starts) {
			last = root.starts[i+1] - 1
		}
		number := root.numbers.at(i)
		if number == splitNumber {
			t.direct[start] = directNode | direct(node)
			node++
			continue
		}
		for word := int(start); word <= int(last); word++ {
			length := root.length(0, len(root.starts), i, uint16(word))
			t.direct[word] = direct(length<<lengthShift | number)
		}
	}
}

func (t *tree) ranges() int {
	n := 0
	for i := range t.levels {
		n += len(t.levels[i].starts)
	}
	return n
}

// size is how many octets all of it takes.
func (t *tree) size() int {
	n := 4 * len(t.direct)
	for _, l := range t.levels {
		n += 2*len(l.starts) + l.numbers.size() + 4*len(l.nodes) + 4*len(l.splits)
	}
	return n
}

// numbers is a list of classes, with one octet each, or two if one does not suffice.
type numbers struct {
	narrow []uint8
	wide   []uint16 // instead of narrow, if a number has needed it
}

func (n *numbers) at(i int) int {
	if n.wide != nil {
		return int(n.wide[i])
	}
	return int(n.narrow[i])
}

// countSplits is how many are splitNumber, of those from first to end.
func (n *numbers) countSplits(first, end int) int {
	if n.wide == nil {
		return bytes.Count(n.narrow[first:end], []byte{splitNumber})
	}
	count := 0
	for _, number := range n.wide[first:end] {
		if number == splitNumber {
			count++
		}
	}
	return count
}

func (n *numbers) size() int { return len(n.narrow) + 2*len(n.wide) }

func (n *numbers) append(number int) {
	if n.wide == nil && number > 0xFF {
		n.wide = make([]uint16, len(n.narrow), 2*len(n.narrow)+1)
		for i, narrow := range n.narrow {
			n.wide[i] = uint16(narrow)
		}
		n.narrow = nil
	}
	if n.wide != nil {
		n.wide = append(n.wide, uint16(number))
	} else {
		n.narrow = append(n.narrow, uint8(number))
	}
}
