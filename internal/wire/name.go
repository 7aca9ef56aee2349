package wire

import (
	"bytes"

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
	at := 0
	for n.labels = 0; ; n.labels++ {
		if off >= len(msg) {
			return 0, false
		}
		size := int(msg[off])
		if size > maxLabel || at+1+size > MaxName || off+1+size > len(msg) {
			return 0, false
		}
		if size == 0 {
			n.wire[at] = 0
			n.starts[n.labels] = uint8(at)
			n.length = at + 1
			return off + 1, true
		}
		if at+1+size >= MaxName {
			return 0, false // no room for the root's label
		}
		n.starts[n.labels] = uint8(at)
		n.wire[at] = byte(size)
		for i, c := range msg[off+1 : off+1+size] {
			n.wire[at+1+i] = lower[c]
		}
		at += 1 + size
		off += 1 + size
	}
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

// Lower writes a name or label into dst in lower case, which may be src itself. A length
// byte is below every letter, so that it stays as it is.
func Lower(dst, src []byte) {
	for i, c := range src {
		dst[i] = lower[c]
	}
}

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
