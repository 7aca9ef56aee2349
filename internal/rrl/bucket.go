package rrl

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"sync/atomic"
)

// bucket is what is known of one bucket, in a word that is replaced as a whole:
//
//	tag (19 bits) | limited (1) | empty (44)
//
// The tag tells the bucket from others in its set. Limited says that a response was limited
// since the bucket was last empty. Empty is when it will have run empty, in nanoseconds: level
// and time in one number, as in the virtual scheduling of ITU-T I.371. It wraps around every
// 4.9 hours.
type bucket uint64

const (
	timeBits   = 44
	limitedBit = 1 << timeBits
	timeMask   = limitedBit - 1
	tagShift   = timeBits + 1
)

func makeBucket(tag uint64, limited bool, empty int64) bucket {
	b := bucket(tag<<tagShift | uint64(empty)&timeMask)
	if limited {
		b |= limitedBit
	}
	return b
}

func (b bucket) tag() uint64   { return uint64(b) >> tagShift }
func (b bucket) limited() bool { return b&limitedBit != 0 }

// level is how long the bucket takes to run empty, in nanoseconds. More than the most that
// there can be means that the clock has gone back or around: such a bucket counts as empty.
// (One that was left alone for a multiple of 4.9 hours counts as full, for as long as a full
// bucket takes to drain.)
func (b bucket) level(now, most int64) int64 {
	const unused = 64 - timeBits
	left := (int64(b) - now) << unused >> unused
	if left < 0 || left > most {
		return 0
	}
	return left
}

// set is the buckets that can take each other's places. It fills a cache line; a slice of
// more than a few is aligned to one.
type set [8]atomic.Uint64

// find returns the bucket with a tag or, where there is none, the emptiest, and its place. It
// reads each place once: read twice, the bucket could come in between, and would then be
// taken for another that is in the way.
func (s *set) find(tag uint64, now, most int64) (place *atomic.Uint64, b bucket) {
	least := most + 1
	for i := range s {
		candidate := bucket(s[i].Load())
		if candidate.tag() == tag {
			return &s[i], candidate
		}
		if level := candidate.level(now, most); level < least {
			least, place, b = level, &s[i], candidate
		}
	}
	return place, b
}

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
