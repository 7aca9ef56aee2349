package masterfile

import (
	"bytes"
	"fmt"

	"github.com/miekg/dns"
)

// Types that package dns has no number for (IANA, DNS Parameters, "Resource Record TYPEs").
const (
	typeWKS    = 11
	typeNSAP   = 22
	typeATMA   = 34
	typeA6     = 38
	typeSINK   = 40
	typeDSYNC  = 66
	typeHHIT   = 67
	typeBRID   = 68
	typeUNSPEC = 103
	typeDOA    = 259
	typeWALLET = 262
)

// moreTypes is the names of those.
var moreTypes = map[string]uint16{
	"WKS": typeWKS, "NSAP": typeNSAP, "ATMA": typeATMA, "A6": typeA6, "SINK": typeSINK, "DSYNC": typeDSYNC,
	"HHIT": typeHHIT, "BRID": typeBRID, "UNSPEC": typeUNSPEC, "DOA": typeDOA, "WALLET": typeWALLET,
}

// TypeName is a type as a master file has it: a word, or a number as in TYPE65280.
func TypeName(rtype uint16) string {
	for name, t := range moreTypes {
		if t == rtype {
			return name
		}
	}
	if name, known := dns.TypeToString[rtype]; known {
		if t, known := dns.StringToType[name]; known && t == rtype && upper([]byte(name)) == name {
			return name
		}
	}
	return fmt.Sprintf("TYPE%d", rtype)
}

// longestType is longer than the names of all types: the longest are NSEC3PARAM and OPENPGPKEY.
const longestType = 16

// typeOf reads a type: a word, or a number as in TYPE65280 (RFC 3597, section 5).
func typeOf(text []byte) (rtype uint16, ok bool) {
	if len(text) > longestType {
		return 0, false
	}
	var buf [longestType]byte
	upper := buf[:len(text)]
	for i, c := range text {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper[i] = c
	}
	if rtype, ok := dns.StringToType[string(upper)]; ok {
		return rtype, true
	}
	if rtype, ok := moreTypes[string(upper)]; ok {
		return rtype, true
	}
	return numbered(upper, "TYPE")
}

// numbered reads a type or class by its number.
func numbered(text []byte, prefix string) (n uint16, ok bool) {
	if len(text) <= len(prefix) || !bytes.EqualFold(text[:len(prefix)], []byte(prefix)) {
		return 0, false
	}
	number, ok := parseUint(text[len(prefix):], 16)
	return uint16(number), ok
}

// isMeta says whether a type is a question or a part of a message, never data (RFC 6895,
// section 3.1).
func isMeta(t uint16) bool {
	return t == dns.TypeNone || t == dns.TypeOPT || t >= 128 && t <= 255
}

// typeMemory remembers the last type that was found: most records have that of the one before.
type typeMemory struct {
	text  []byte
	rtype uint16
}

// find is typeOf.
func (m *typeMemory) find(text []byte) (rtype uint16, ok bool) {
	if len(text) > 0 && bytes.Equal(m.text, text) {
		return m.rtype, true
	}
	if rtype, ok = typeOf(text); ok {
		m.text, m.rtype = append(m.text[:0], text...), rtype
	}
	return rtype, ok
}
