package wire

import (
	"bytes"
	"encoding/binary"

	"github.com/miekg/dns"
)

// Limits of a name (RFC 1035, section 2.3.4).
const (
	MaxName  = 255 // bytes on the wire, the root's length byte included
	maxLabel = 63
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
		if size > maxLabel || at+1+size >= MaxName { // there must be room for the root's label
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
