package geo

import (
	"encoding/binary"
	"math"
	"net/netip"
)

// address is a place in the tree of a database: an IPv6 address as a number. Databases keep IPv4
// at ::/96, and so do the sweeps over them.
type address struct{ hi, lo uint64 }

var (
	lastIPv4 = address{0, math.MaxUint32}
	lastIPv6 = address{math.MaxUint64, math.MaxUint64}
)

func (a address) less(b address) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

// next is the address after a, which is not the last one.
func (a address) next() address {
	a.lo++
	if a.lo == 0 {
		a.hi++
	}
	return a
}

// previous is the address before a, which is not the first one.
func (a address) previous() address {
	if a.lo == 0 {
		a.hi--
	}
	a.lo--
	return a
}

// lastOf is the last address of the network of so many bits that a lies in.
func (a address) lastOf(bits int) address {
	if bits < 64 {
		return address{a.hi | math.MaxUint64>>bits, math.MaxUint64}
	}
	return address{a.hi, a.lo | math.MaxUint64>>(bits-64)}
}

// firstOf is the first address of the network of so many bits that a lies in.
func (a address) firstOf(bits int) address {
	if bits < 64 {
		return address{a.hi &^ (math.MaxUint64 >> bits), 0}
	}
	return address{a.hi, a.lo &^ (math.MaxUint64 >> (bits - 64))}
}

// word is 16 bits of a, counted from the left.
func (a address) word(i int) uint16 {
	if i < 4 {
		return uint16(a.hi >> (48 - 16*i))
	}
	return uint16(a.lo >> (48 - 16*(i-4)))
}

// withBit is a with one bit set, counted from the left.
func (a address) withBit(bit int) address {
	if bit < 64 {
		a.hi |= 1 << (63 - bit)
	} else {
		a.lo |= 1 << (127 - bit)
	}
	return a
}

// ends are the first and the last address of a prefix.
func ends(p netip.Prefix) (first, last address) {
	bits := p.Bits()
	if p.Addr().Is4() {
		b := p.Addr().As4()
		first, bits = address{0, uint64(binary.BigEndian.Uint32(b[:]))}, bits+96
	} else {
		first = fromAddr(p.Addr())
	}
	return first, first.lastOf(bits)
}

func fromAddr(addr netip.Addr) address {
	b := addr.As16()
	return address{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// prefix is the network of so many bits that begins at a, as a person would write it.
func (a address) prefix(bits int) netip.Prefix {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	if bits >= 96 && !lastIPv4.less(a) {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(b[12:])), bits-96)
	}
	return netip.PrefixFrom(netip.AddrFrom16(b), bits)
}
