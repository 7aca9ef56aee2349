package masterfile

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/miekg/dns"
)

// builder packs the data of one record, field by field. The first fault sticks.
type builder struct {
	fields []field // that are left
	origin []byte
	out    []byte
	err    error
}

// pack packs the data of a record. It is valid until the next call.
func (b *builder) pack(rtype uint16, fields []field, origin []byte) ([]byte, error) {
	b.fields, b.origin, b.out, b.err = fields, origin, b.out[:0], nil
	layout, known := layouts[rtype]
	switch {
	case len(fields) > 0 && fields[0].isGeneric():
		b.generic(rtype)
	case known:
		for i := range layout {
			if layout[i].read(b, layout[i].what); b.err != nil {
				return nil, b.err
			}
		}
		if len(b.fields) > 0 {
			return nil, fmt.Errorf("%s stands behind its data", b.fields[0])
		}
	default:
		b.other(rtype)
	}
	if b.err == nil && len(b.out) > math.MaxUint16 {
		b.err = fmt.Errorf("its data has %d octets; expected at most %d", len(b.out), math.MaxUint16)
	}
	return b.out, b.err
}

// next takes the next field, or notes that it is missing.
func (b *builder) next(what string) (f field, ok bool) {
	if b.err != nil {
		return f, false
	}
	if len(b.fields) == 0 {
		b.err = fmt.Errorf("the %s is missing", what)
		return f, false
	}
	f = b.fields[0]
	b.fields = b.fields[1:]
	return f, true
}

// fail notes what is wrong with a field.
func (b *builder) fail(what string, err error) {
	if b.err == nil {
		b.err = fmt.Errorf("the %s: %w", what, err)
	}
}

// name reads a domain name.
func (b *builder) name(what string) {
	if f, ok := b.next(what); ok {
		var err error
		if b.out, err = appendName(b.out, f, b.origin); err != nil {
			b.fail(what, err)
		}
	}
}

// number reads a number of so many bits.
func (b *builder) number(what string, bits int) uint64 {
	f, ok := b.next(what)
	if !ok {
		return 0
	}
	n, ok := parseUint(f.text, bits)
	if !ok || f.quoted {
		b.fail(what, fmt.Errorf("found %s; expected a number from 0 to %d", f, uint64(1)<<bits-1))
	}
	return n
}

func (b *builder) uint8(what string) { b.out = append(b.out, byte(b.number(what, 8))) }

func (b *builder) uint16(what string) {
	b.out = binary.BigEndian.AppendUint16(b.out, uint16(b.number(what, 16)))
}

func (b *builder) uint32(what string) {
	b.out = binary.BigEndian.AppendUint32(b.out, uint32(b.number(what, 32)))
}

// period reads a time in seconds.
func (b *builder) period(what string) {
	if f, ok := b.next(what); ok {
		seconds, err := parsePeriod(f)
		if err != nil {
			b.fail(what, err)
		}
		b.out = binary.BigEndian.AppendUint32(b.out, seconds)
	}
}

func (b *builder) ipv4(what string) {
	if f, ok := b.next(what); ok {
		addr, ok := parseIPv4(f.text)
		if !ok || f.quoted {
			b.fail(what, fmt.Errorf("%s is no IPv4 address", f))
		}
		b.out = append(b.out, addr[:]...)
	}
}

func (b *builder) ipv6(what string) {
	if f, ok := b.next(what); ok {
		addr, ok := parseIPv6(f.text)
		if !ok || f.quoted {
			b.fail(what, fmt.Errorf("%s is no IPv6 address", f))
		}
		b.out = append(b.out, addr[:]...)
	}
}

// node reads 64 bits in four groups of hexadecimal digits (RFC 6742, section 2.1.2).
func (b *builder) node(what string) {
	if f, ok := b.next(what); ok {
		if !b.groups(f, ':', 4, 4) {
			b.fail(what, fmt.Errorf("found %s; expected four groups of four hexadecimal digits", f))
		}
	}
}

func (b *builder) eui48(what string) { b.eui(what, 6) }
func (b *builder) eui64(what string) { b.eui(what, 8) }

// eui reads an address in octets of two hexadecimal digits (RFC 7043).
func (b *builder) eui(what string, octets int) {
	if f, ok := b.next(what); ok && !b.groups(f, '-', octets, 2) {
		b.fail(what, fmt.Errorf("found %s; expected %d octets such as 00-1a-2b", f, octets))
	}
}

// groups reads so many groups of hexadecimal digits, with one character between them.
func (b *builder) groups(f field, separator byte, count, digits int) bool {
	if f.quoted || len(f.text) != count*(digits+1)-1 {
		return false
	}
	for i := 0; i < len(f.text); i += digits + 1 {
		if i > 0 && f.text[i-1] != separator {
			return false
		}
		var ok bool
		if b.out, ok = appendHex(b.out, f.text[i:i+digits]); !ok {
			return false
		}
	}
	return true
}

// rrtype reads a type.
func (b *builder) rrtype(what string) {
	if f, ok := b.next(what); ok {
		t, ok := typeOf(f.text)
		if !ok || f.quoted {
			b.fail(what, fmt.Errorf("found %s; expected a type", f))
		}
		b.out = binary.BigEndian.AppendUint16(b.out, t)
	}
}

// algorithm reads a DNSSEC algorithm, by number or mnemonic (RFC 4034, appendix A.1).
func (b *builder) algorithm(what string) {
	if f, ok := b.next(what); ok {
		n, ok := parseUint(f.text, 8)
		if !ok {
			var mnemonic uint8
			mnemonic, ok = dns.StringToAlgorithm[upper(f.text)]
			n = uint64(mnemonic)
		}
		if !ok || f.quoted {
			b.fail(what, fmt.Errorf("found %s; expected a DNSSEC algorithm such as 13", f))
		}
		b.out = append(b.out, byte(n))
	}
}

// certType reads the type of a certificate, by number or mnemonic (RFC 4398, section 2.1).
func (b *builder) certType(what string) {
	if f, ok := b.next(what); ok {
		n, ok := parseUint(f.text, 16)
		if !ok {
			var mnemonic uint16
			mnemonic, ok = dns.StringToCertType[upper(f.text)]
			n = uint64(mnemonic)
		}
		if !ok || f.quoted {
			b.fail(what, fmt.Errorf("found %s; expected a type such as PKIX", f))
		}
		b.out = binary.BigEndian.AppendUint16(b.out, uint16(n))
	}
}

// moment reads a time as YYYYMMDDHHmmSS or in seconds since 1970, modulo 2^32 (RFC 4034,
// section 3.2).
func (b *builder) moment(what string) {
	f, ok := b.next(what)
	if !ok {
		return
	}
	seconds, fits := parseUint(f.text, 32)
	if len(f.text) == len("YYYYMMDDHHmmSS") {
		n, err := dns.StringToTime(string(f.text))
		seconds, fits = uint64(n), err == nil && isNumber(f.text)
	}
	if !fits || f.quoted {
		b.fail(what, fmt.Errorf("found %s; expected a time as YYYYMMDDHHmmSS, or in seconds", f))
	}
	b.out = binary.BigEndian.AppendUint32(b.out, uint32(seconds))
}

func isNumber(text []byte) bool {
	_, ok := parseUint(text, 63)
	return ok
}
