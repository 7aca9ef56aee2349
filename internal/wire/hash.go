package wire

import (
	"encoding/binary"
	"math/bits"
)

// Hashes is a hash of every suffix of a name: that of i labels dropped at place i.
type Hashes [maxLabels]uint64

// Odd constants without a pattern, from the digits of the golden ratio and of pi.
const (
	hashSeed = 0x9e3779b97f4a7c15
	hashMix  = 0x243f6a8885a308d3
)

// Hash hashes every suffix of n, from the root down, each from the one below: a look-up of
// all of them costs one pass over the name.
func (n *Name) Hash(h *Hashes) {
	sum := uint64(hashSeed)
	h[n.labels] = sum
	for i := n.labels - 1; i >= 0; i-- {
		sum = hashLabel(sum, n.label(i))
		h[i] = sum
	}
}

// hashLabel takes eight bytes at a time, each with a multiplication to 128 bits whose halves
// are folded; the length goes in first, so that padding a label with zeros changes its hash.
func hashLabel(sum uint64, label []byte) uint64 {
	sum ^= uint64(len(label)) * hashSeed
	for len(label) >= 8 {
		sum = fold(sum^binary.LittleEndian.Uint64(label), hashMix)
		label = label[8:]
	}
	var last uint64
	switch {
	case len(label) >= 4:
		last = uint64(binary.LittleEndian.Uint32(label))<<32 | uint64(binary.LittleEndian.Uint32(label[len(label)-4:]))
	case len(label) > 0:
		last = uint64(label[0])<<16 | uint64(label[len(label)/2])<<8 | uint64(label[len(label)-1])
	}
	return fold(sum^last, hashMix^hashSeed)
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
