package masterfile

import (
	"bytes"
	"fmt"

	"gslb/internal/wire"
)

// wellFormed says what is wrong with data in wire form. That of a type without a layout may be
// anything. Names may not be compressed, since that has a meaning in a message only.
func wellFormed(rtype uint16, data []byte) error {
	layout, known := layouts[rtype]
	if !known {
		return nil
	}
	at := 0
	for i := range layout {
		size := layout[i].form.size(data, at)
		if size < 0 {
			return fmt.Errorf("the data is not in the form of the type %s: the %s is malformed or cut short", TypeName(rtype), layout[i].what)
		}
		at += size
	}
	if at != len(data) {
		return fmt.Errorf("the data has %d octets, but the type %s ends after %d", len(data), TypeName(rtype), at)
	}
	return nil
}

// SameData says whether two records of a type have the same data, in wire form and as a Reader
// hands it on: the case of letters matters, but in names (RFC 4343, section 3).
func SameData(rtype uint16, a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if len(a) != len(b) || !wire.Equal(a, b) {
		return false
	}
	at := 0
	for _, p := range layouts[rtype] {
		size := p.form.size(a, at)
		if size < 0 || at+size > len(b) || !p.form.name && !bytes.Equal(a[at:at+size], b[at:at+size]) {
			return false
		}
		at += size
	}
	return bytes.Equal(a[at:], b[at:])
}

// octets is the size of a field that always has so many octets.
func octets(n int) func(data []byte, at int) int {
	return func(data []byte, at int) int { return taken(data, at, n) }
}

// taken is n if the data has so many octets from a place on; otherwise -1.
func taken(data []byte, at, n int) int {
	if len(data)-at < n {
		return -1
	}
	return n
}

// some is the size of a field that takes all that is left, an octet at least.
func some(data []byte, at int) int {
	if at == len(data) {
		return -1
	}
	return len(data) - at
}

// whatever is the size of a field that takes all that is left, which may be nothing.
func whatever(data []byte, at int) int { return len(data) - at }

// counted is the size of a field that begins with its length in an octet.
func counted(data []byte, at int) int {
	if at == len(data) {
		return -1
	}
	return taken(data, at, 1+int(data[at]))
}

// countedSome is the same of one that is not empty.
func countedSome(data []byte, at int) int {
	size := counted(data, at)
	if size == 1 {
		return -1
	}
	return size
}

// limited is the size of a number of one octet that is at most a limit.
func limited(limit byte) func(data []byte, at int) int {
	return func(data []byte, at int) int {
		if at == len(data) || data[at] > limit {
			return -1
		}
		return 1
	}
}
