package masterfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Address families of APL records (RFC 3123, section 4).
const (
	familyIPv4 = 1
	familyIPv6 = 2
)

const (
	prefixHead = 4    // the octets before an address: family, length of the prefix, that of the address
	negation   = 0x80 // in the octet of the latter
)

var asPrefixes = form{read: (*builder).prefixes, size: prefixesSize}

// prefixes reads the rest as address prefixes, [!]family:address/length (RFC 3123, section 5).
// There may be none.
func (b *builder) prefixes(what string) {
	for len(b.fields) > 0 && b.err == nil {
		f, _ := b.next(what)
		if err := b.prefix(f); err != nil {
			b.fail(what, fmt.Errorf("found %s; expected such as 1:192.0.2.0/24 or !2:2001:db8::/32: %w", f, err))
		}
	}
}

var errNoPrefix = errors.New("it is no prefix")

func (b *builder) prefix(f field) error {
	text, negated := bytes.CutPrefix(f.text, []byte("!"))
	family, rest, hasFamily := bytes.Cut(text, []byte(":"))
	address, length, hasLength := bytes.Cut(rest, []byte("/"))
	n, isNumber := parseUint(length, 8)
	if f.quoted || !hasFamily || !hasLength || !isNumber {
		return errNoPrefix
	}
	var octets []byte
	var code uint16
	switch string(family) {
	case "1":
		addr, ok := parseIPv4(address)
		if !ok {
			return errors.New("its address is none of IPv4")
		}
		code, octets = familyIPv4, addr[:]
	case "2":
		addr, ok := parseIPv6(address)
		if !ok {
			return errors.New("its address is none of IPv6")
		}
		code, octets = familyIPv6, addr[:]
	default:
		return errors.New("its family is neither 1 nor 2")
	}
	if int(n) > 8*len(octets) {
		return errors.New("its length is more than that of an address")
	}
	octets = bytes.TrimRight(octets, "\x00") // zeros at the end are not sent
	flags := byte(len(octets))
	if negated {
		flags |= negation
	}
	b.out = binary.BigEndian.AppendUint16(b.out, code)
	b.out = append(b.out, byte(n), flags)
	b.out = append(b.out, octets...)
	return nil
}

func prefixesSize(data []byte, at int) int {
	for end := at; ; {
		if end == len(data) {
			return end - at
		}
		if taken(data, end, prefixHead) < 0 {
			return -1
		}
		bits, size := int(data[end+2]), int(data[end+3]&^negation)
		longest := math.MaxUint8 // of a family that nobody has defined
		switch binary.BigEndian.Uint16(data[end:]) {
		case familyIPv4:
			longest = 32
		case familyIPv6:
			longest = 128
		}
		end += prefixHead
		if bits > longest || 8*size > longest+7 || taken(data, end, size) < 0 || size > 0 && data[end+size-1] == 0 {
			return -1
		}
		end += size
	}
}
