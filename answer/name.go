package answer

import (
	"bytes"

	"github.com/miekg/dns"
)

// name is a domain name in uncompressed wire form (RFC 1035, section 3.1), in lower case,
// so that names that are equal (RFC 4343) have equal bytes, however they were escaped.
type name struct {
	wire   [255]byte
	length int
	starts [128]uint8 // where each label begins, the root's last
	labels int        // without the root's
}

// parseName reads a fully qualified name in presentation form.
func parseName(s string) (name, bool) {
	var n name
	length, err := dns.PackDomainName(s, n.wire[:], 0, nil, false)
	if err != nil {
		return n, false
	}
	n.length = length
	for at := 0; ; {
		n.starts[n.labels] = uint8(at)
		size := int(n.wire[at])
		if size == 0 {
			return n, true
		}
		lower(n.wire[at+1 : at+1+size])
		n.labels++
		at += 1 + size
	}
}

// lower folds ASCII letters only (RFC 4343, section 3).
func lower(label []byte) {
	for i, c := range label {
		if 'A' <= c && c <= 'Z' {
			label[i] = c + 'a' - 'A'
		}
	}
}

func (n *name) bytes() []byte { return n.wire[:n.length] }

// suffix is the name without its first i labels.
func (n *name) suffix(i int) []byte { return n.wire[n.starts[i]:n.length] }

// within reports whether the name is that apex or lies below it.
func (n *name) within(apex *name) bool {
	return n.labels >= apex.labels && bytes.Equal(n.suffix(n.labels-apex.labels), apex.bytes())
}

// isWildcard reports whether label i is the asterisk label (RFC 4592, section 2.1.1).
func (n *name) isWildcard(i int) bool {
	at := n.starts[i]
	return n.wire[at] == 1 && n.wire[at+1] == '*'
}
