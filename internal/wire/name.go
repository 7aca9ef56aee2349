package wire

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/miekg/dns"
)

// Limits of a name (RFC 1035, section 2.3.4).
const (
	MaxName  = 255 // bytes on the wire, the root's length byte included
	MaxLabel = 63  // of one label
	// maxLabels is that of the longest name of one-byte labels, the root's included.
	maxLabels = 128
)

// Name is a domain name in uncompressed wire form (RFC 1035, section 3.1), in lower case,
// so that names that are equal (RFC 4343) have equal bytes, however they were escaped. It
// knows where its labels begin. The zero value is no name.
type Name struct {
	wire   [MaxName]byte
	length int
	labels int              // without the root's
	starts [maxLabels]uint8 // where each label begins, the root's last
}

// ParseName reads a fully qualified name in presentation form.
func ParseName(s string) (n Name, ok bool) {
	var buf [MaxName]byte
	length, err := dns.PackDomainName(s, buf[:], 0, nil, false)
	if err != nil {
		return Name{}, false
	}
	_, ok = n.Read(buf[:length], 0)
	return n, ok
}

// Read reads the name at off, which must not be compressed, and returns the offset of what
// follows it.
func (n *Name) Read(msg []byte, off int) (end int, ok bool) {
	if off > len(msg) {
		return 0, false
	}
	rest := msg[off:]
	at, labels := 0, 0
	for {
		if at >= len(rest) {
			return 0, false
		}
		size := int(rest[at])
		if size == 0 {
			break
		}
		if size > MaxLabel || at+1+size >= MaxName { // there must be room for the root's label
			return 0, false
		}
		n.starts[labels] = uint8(at)
		labels++
		at += 1 + size
	}
	n.starts[labels] = uint8(at)
	n.labels, n.length = labels, at+1
	Lower(n.wire[:n.length], rest[:n.length])
	return off + n.length, true
}

// Lower writes a name or label into dst, which may be src itself, in lower case: ASCII letters
// only (RFC 4343, section 3). A length byte is below every letter, so that it stays as it is.
func Lower(dst, src []byte) {
	dst = dst[:len(src)]
	if len(src) < 8 {
		for i, c := range src {
			dst[i] = lower[c]
		}
		return
	}
	at := 0
	for ; at+8 < len(src); at += 8 {
		lower8(dst[at:], src[at:])
	}
	// The last eight bytes, some of which may have had their turn: that changes nothing.
	lower8(dst[len(src)-8:], src[len(src)-8:])
}

// lower8 is Lower for eight bytes at once. Adding to the lower seven bits of a byte carries
// into its highest bit from a letter on, and from behind the letters on; where only the first
// does, and the byte is ASCII, that bit becomes the one that lower case letters have.
func lower8(dst, src []byte) {
	const (
		each   = 0x0101010101010101
		seven  = 0x7f * each
		high   = 0x80 * each
		fromA  = (0x80 - 'A') * each
		afterZ = (0x80 - 'Z' - 1) * each
	)
	word := binary.LittleEndian.Uint64(src)
	letters := (word&seven + fromA) &^ (word&seven + afterZ) &^ word & high
	binary.LittleEndian.PutUint64(dst, word|letters>>2)
}

// lower folds ASCII letters only (RFC 4343, section 3).
var lower = func() (table [256]byte) {
	for i := range table {
		table[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			table[i] += 'a' - 'A'
		}
	}
	return table
}()

// Bytes is the whole name. It is valid until n changes.
func (n *Name) Bytes() []byte { return n.wire[:n.length] }

// Len is the size of the name in bytes.
func (n *Name) Len() int { return n.length }

// Labels is the number of labels, without the root's.
func (n *Name) Labels() int { return n.labels }

// Start is where label i begins; of i = Labels, the root's.
func (n *Name) Start(i int) int { return int(n.starts[i]) }

// Suffix is the name without its first i labels.
func (n *Name) Suffix(i int) []byte { return n.wire[n.starts[i]:n.length] }

// Within reports whether the name is apex or lies below it.
func (n *Name) Within(apex *Name) bool {
	return n.labels >= apex.labels && bytes.Equal(n.Suffix(n.labels-apex.labels), apex.Bytes())
}

// IsWildcard reports whether label i is the asterisk label (RFC 4592, section 2.1.1).
func (n *Name) IsWildcard(i int) bool {
	at := n.starts[i]
	return n.wire[at] == 1 && n.wire[at+1] == '*'
}

// SkipName returns the offset of what follows the uncompressed name at off in data that is
// known to be well-formed.
func SkipName(data []byte, off int) int {
	for data[off] != 0 {
		off += 1 + int(data[off])
	}
	return off + 1
}

// Equal reports whether two names, or parts of names, are equal in wire form, whatever the
// case of their letters.
func Equal(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		if lower[c] != lower[b[i]] {
			return false
		}
	}
	return true
}

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

// Compare orders names canonically (RFC 4034, section 6.1): by label from the root down, so
// that a name comes before what lies below it, and all of that before its next sibling.
func Compare(a, b *Name) int {
	for i, j := a.labels-1, b.labels-1; ; i, j = i-1, j-1 {
		switch {
		case i < 0 && j < 0:
			return 0
		case i < 0:
			return -1
		case j < 0:
			return 1
		}
		if c := bytes.Compare(a.label(i), b.label(j)); c != 0 {
			return c
		}
	}
}

// label is label i without its length.
func (n *Name) label(i int) []byte {
	at := int(n.starts[i])
	return n.wire[at+1 : at+1+int(n.wire[at])]
}
