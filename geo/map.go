package geo

import (
	"encoding/binary"
	"net/netip"
)

// Class is what is true of some clients: the views that match them and the order of the points by
// their distance.
type Class struct {
	// Views are the places in Question.Views of those that match, the narrowest first.
	Views []int
	// Order are the places in Question.Points, the nearest first; nil if no location is known, or
	// if there are no points.
	Order []int
}

// Map says for every address which class it is in. It never changes.
type Map struct {
	classes    []Class
	wider      []wider // by class
	ipv4, ipv6 tree
}

// wider is the class of clients who are in the same views but for one, the longest network.
type wider struct {
	length uint8 // of that network; 0: there is none
	class  uint16
}

// Nobody is the class of a client of whom nothing is known.
const Nobody = 0

// Classes are the classes that occur, by number, as the result of Find or of Within. The first is
// [Nobody], which an invalid address is in, so that it always occurs. The result must not be changed.
func (m *Map) Classes() []Class { return m.classes }

// Find returns the class of a client, and the length of the widest prefix around its address all
// of whose addresses are in this class: 0 to 32 for IPv4 (as IPv6 too, ::ffff:0:0/96), and 0 to
// 128 for IPv6. Nothing is known of an invalid address: its class is [Nobody], and the length 0.
func (m *Map) Find(addr netip.Addr) (class, length int) {
	var words [maxDepth]uint16
	var number int
	switch {
	case addr.Is4(), addr.Is4In6():
		b := addr.As4()
		words[0], words[1] = binary.BigEndian.Uint16(b[:]), binary.BigEndian.Uint16(b[2:])
		number, length = m.ipv4.find(&words)
	case addr.Is6():
		b := addr.As16()
		for i := range words {
			words[i] = binary.BigEndian.Uint16(b[2*i:])
		}
		number, length = m.ipv6.find(&words)
	default:
		return Nobody, 0
	}
	return number - firstNumber, length
}

// Within returns the class of clients of whom no more is known than the first bits of an address that
// is in a class, so many as length says: 0 to 32 for IPv4, 0 to 128 for IPv6. They are not taken for
// clients of a network that holds only some of the addresses with these bits.
func (m *Map) Within(class, length int) int {
	for int(m.wider[class].length) > length {
		class = int(m.wider[class].class)
	}
	return class
}

// Size is how many octets the ranges take.
func (m *Map) Size() int { return m.ipv4.size() + m.ipv6.size() }

// Ranges is how many ranges of addresses there are.
func (m *Map) Ranges() int { return m.ipv4.ranges() + m.ipv6.ranges() }
