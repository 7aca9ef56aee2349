package geo

import (
	"math/bits"
	"slices"
)

// A class is kept as a number: the place in Map.classes and firstNumber.
const (
	splitNumber = 0 // of a /64 whose addresses are not all in one class
	firstNumber = 1
)

// numbers is a list of classes, with as few octets for each as suffice.
type numbers struct {
	narrow []uint8
	wide   []uint16 // instead of narrow, when a number has needed it
}

func (n *numbers) at(i int) int {
	if n.wide != nil {
		return int(n.wide[i])
	}
	return int(n.narrow[i])
}

func (n *numbers) len() int { return len(n.narrow) + len(n.wide) }

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

func (n *numbers) clip() {
	n.narrow, n.wide = clipped(n.narrow), clipped(n.wide)
}

// clipped is a slice without capacity to spare. The runtime rounds sizes up, so that a copy of what
// has hardly any would save nothing.
func clipped[T any](s []T) []T {
	if cap(s)-len(s) <= len(s)/16 {
		return s
	}
	return append(make([]T, 0, len(s)), s...)
}

// table is all addresses of a family in ranges, in order. Neighbours are in different classes.
type table[A uint32 | uint64] struct {
	starts  []A // the first address of each range; that of the first one is 0
	numbers numbers
	// index leads from the first bits of an address to the range of the first address that has
	// these bits. There is one item more than there are such bits, for the last range.
	index []uint32
	shift int // how many bits of an address the index leaves
}

// The index has an item for each 4 ranges, at most 2^16: one more is a cache line more that a
// look-up needs in a small map, and a few steps more in a large one.
const maxIndexBits = 16

// width is how many bits an address has.
func (t *table[A]) width() int { return bits.OnesCount64(uint64(^A(0))) }

// add appends a range that begins where the one before ends.
func (t *table[A]) add(start A, number int) {
	if n := len(t.starts); n > 0 && t.numbers.at(n-1) == number && number != splitNumber {
		return
	}
	t.starts = append(t.starts, start)
	t.numbers.append(number)
}

// finish makes a table of which all ranges were added ready for find.
func (t *table[A]) finish() {
	t.starts = clipped(t.starts)
	t.numbers.clip()
	indexBits := min(max(bits.Len(uint(len(t.starts)))-3, 0), maxIndexBits)
	t.shift = t.width() - indexBits
	t.index = make([]uint32, 1<<indexBits+1)
	place := 0
	for i := range 1 << indexBits {
		first := A(uint64(i) << t.shift) // the first address with these bits
		for place+1 < len(t.starts) && t.starts[place+1] <= first {
			place++
		}
		t.index[i] = uint32(place)
	}
	t.index[1<<indexBits] = uint32(len(t.starts) - 1)
}

// find is the place of the range that an address is in.
func (t *table[A]) find(a A) int {
	i := uint64(a) >> t.shift
	low, high := t.index[i], t.index[i+1]
	for low < high { // the range is one from low to high
		middle := low + (high-low+1)/2
		if t.starts[middle] <= a {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return int(low)
}

// length is that of the widest prefix around an address that lies within its range, which is at i:
// it has a bit more than the address has in common with the nearest addresses out of the range.
func (t *table[A]) length(i int, a A) int {
	length := 0
	if start := t.starts[i]; start > 0 {
		length = t.common(a, start-1) + 1
	}
	if i+1 < len(t.starts) {
		length = max(length, t.common(a, t.starts[i+1])+1)
	}
	return length
}

// common is how many bits two addresses have in common, from the left.
func (t *table[A]) common(a, b A) int { return bits.LeadingZeros64(uint64(a^b)) - 64 + t.width() }

// halves is the second level of IPv6: the networks of 64 bits whose addresses are not all in one
// class. There are few, since databases seldom tell more than a /64.
type halves struct {
	networks []uint64 // their first 64 bits, in order
	at       []uint32 // where the ranges of each begin; one item more than there are networks
	starts   []uint64 // the last 64 bits of the first address of each range
	numbers  numbers
}

// add appends a network of which the ranges are given.
func (h *halves) add(network uint64, starts []uint64, numbers []int) {
	if len(h.at) == 0 {
		h.at = append(h.at, 0)
	}
	h.networks = append(h.networks, network)
	h.starts = append(h.starts, starts...)
	for _, number := range numbers {
		h.numbers.append(number)
	}
	h.at = append(h.at, uint32(len(h.starts)))
}

// find returns the class of an address in a network that is here, and the length of the widest
// prefix around it.
func (h *halves) find(network, rest uint64) (number, length int) {
	n, _ := slices.BinarySearch(h.networks, network)
	first, end := int(h.at[n]), int(h.at[n+1])
	i, found := slices.BinarySearch(h.starts[first:end], rest)
	i += first
	if !found {
		i--
	}
	// The neighbours of the network don't count: the whole of it is too wide a prefix already.
	if i > first {
		length = bits.LeadingZeros64(rest^(h.starts[i]-1)) + 1
	}
	if i+1 < end {
		length = max(length, bits.LeadingZeros64(rest^h.starts[i+1])+1)
	}
	return h.numbers.at(i), 64 + length
}

// sorter takes the ranges of all addresses in order, IPv4 and then IPv6, and makes the tables of
// a Map from them.
type sorter struct {
	ipv4   table[uint32]
	ipv6   table[uint64]
	halves halves

	// The ranges so far of a /64 that does not end where a range does.
	starts  []uint64
	numbers []int
}

func (s *sorter) addIPv4(first address, number int) { s.ipv4.add(uint32(first.lo), number) }

// addIPv6 takes the range from first to last. Each begins where the one before ends.
func (s *sorter) addIPv6(first, last address, number int) {
	network := first.hi
	if first.lo != 0 {
		s.addHalf(first.lo, number)
		if last.hi == network && last.lo != lastIPv6.lo {
			return
		}
		s.endHalves(network)
		if last.hi == network {
			return
		}
		network++
	}
	ends := last.lo == lastIPv6.lo
	if ends || network < last.hi {
		s.ipv6.add(network, number)
	}
	if !ends {
		s.addHalf(0, number)
	}
}

func (s *sorter) addHalf(start uint64, number int) {
	if n := len(s.numbers); n > 0 && s.numbers[n-1] == number {
		return
	}
	s.starts = append(s.starts, start)
	s.numbers = append(s.numbers, number)
}

// endHalves ends a /64 that several ranges make up.
func (s *sorter) endHalves(network uint64) {
	if len(s.numbers) == 1 {
		s.ipv6.add(network, s.numbers[0])
	} else {
		s.ipv6.add(network, splitNumber)
		s.halves.add(network, s.starts, s.numbers)
	}
	s.starts, s.numbers = s.starts[:0], s.numbers[:0]
}

func (s *sorter) finish() *Map {
	s.ipv4.finish()
	s.ipv6.finish()
	s.halves.numbers.clip()
	return &Map{
		ipv4: s.ipv4,
		ipv6: s.ipv6,
		halves: halves{
			networks: clipped(s.halves.networks),
			at:       clipped(s.halves.at),
			starts:   clipped(s.halves.starts),
			numbers:  s.halves.numbers,
		},
	}
}
