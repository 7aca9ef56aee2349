package rrl

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// key is the keyed hash that tells buckets apart: its low bits are the set, its high bits the
// tag.
func (l *Limiter) key(client netip.Addr, class Class, hash uint64) uint64 {
	if class >= Error {
		class, hash = Error, 0
	}
	high, low := l.network(client)
	return l.seed.hash(high, low, hash, uint64(class))
}

// network is what is left of an address by its prefix length. IPv4 is put into IPv6 (RFC 4291,
// section 2.5.5.2), by hand, since netip's As16 takes longer than all the rest.
func (l *Limiter) network(client netip.Addr) (high, low uint64) {
	if client.Is4() {
		ip := client.As4()
		return 0, (0xffff<<32 | uint64(binary.BigEndian.Uint32(ip[:]))) & l.ipv4.low
	}
	ip := client.As16()
	return binary.BigEndian.Uint64(ip[:8]) & l.ipv6.high, binary.BigEndian.Uint64(ip[8:]) & l.ipv6.low
}

// seed makes the hash another in each process, so that nobody outside can choose what shares
// a bucket.
type seed [5]uint64

func newSeed() (s seed) {
	var random [8 * len(s)]byte
	rand.Read(random[:]) // never fails
	for i := range s {
		s[i] = binary.LittleEndian.Uint64(random[8*i:])
	}
	return s
}

// hash is made of folded products, as wyhash is. It takes a third of the time of hash/maphash,
// whose input has to go through memory, and need be no stronger: no client sees a hash.
func (s *seed) hash(a, b, c, d uint64) uint64 {
	sum := fold(a^s[0], b^s[1])
	sum = fold(sum^s[2], c^s[3])
	return fold(sum^d, s[4])
}

func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// mask is a prefix length of IPv6 as bits.
type mask struct {
	high, low uint64
	bits      int
}

func newMask(bits int) mask {
	return mask{
		high: ^(^uint64(0) >> min(bits, 64)),
		low:  ^(^uint64(0) >> max(bits-64, 0)),
		bits: bits,
	}
}
