package wire

import "bytes"

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
