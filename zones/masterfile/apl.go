package masterfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Address families of APL records (RFC 3123, section 4).
const (
	familyIPv4 = 1
	familyIPv6 = 2
)

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
		flags |= 0x80
	}
	b.out = binary.BigEndian.AppendUint16(b.out, code)
	b.out = append(b.out, byte(n), flags)
	b.out = append(b.out, octets...)
	return nil
}
