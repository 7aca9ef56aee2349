package masterfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

var (
	asIPv4       = form{read: (*builder).ipv4, size: octets(4)}
	asIPv6       = form{read: (*builder).ipv6, size: octets(16)}
	asFourGroups = form{read: (*builder).fourGroups, size: octets(8)}
	asEUI48      = form{read: (*builder).eui48, size: octets(6)}
	asEUI64      = form{read: (*builder).eui64, size: octets(8)}
)

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

// fourGroups reads 64 bits in four groups of up to four hexadecimal digits (RFC 6742, section
// 2.1.2).
func (b *builder) fourGroups(what string) {
	f, ok := b.next(what)
	if !ok {
		return
	}
	groups := bytes.Split(f.text, []byte(":"))
	ok = len(groups) == 4 && !f.quoted
	for _, group := range groups {
		n := uint16(0)
		ok = ok && len(group) >= 1 && len(group) <= 4
		for i := 0; ok && i < len(group); i++ {
			value := hexValue[group[i]]
			ok = value >= 0
			n = n<<4 | uint16(value)
		}
		b.out = binary.BigEndian.AppendUint16(b.out, n)
	}
	if !ok {
		b.fail(what, fmt.Errorf("found %s; expected four groups of hexadecimal digits such as 14:4fff:ff20:ee64", f))
	}
}

func (b *builder) eui48(what string) { b.eui(what, 6) }
func (b *builder) eui64(what string) { b.eui(what, 8) }

// eui reads an address in octets of two hexadecimal digits (RFC 7043).
func (b *builder) eui(what string, octets int) {
	f, ok := b.next(what)
	if !ok {
		return
	}
	text := f.text
	ok = !f.quoted && len(text) == 3*octets-1
	for i := 0; ok && i < len(text); i += 3 {
		ok = i == 0 || text[i-1] == '-'
		if ok {
			b.out, ok = appendHex(b.out, text[i:i+2])
		}
	}
	if !ok {
		b.fail(what, fmt.Errorf("found %s; expected %d octets such as 00-1a-2b", f, octets))
	}
}

// parseIPv4 reads an IPv4 address in four decimal numbers. Leading zeros, which some take to
// mean octal, are refused.
func parseIPv4(text []byte) (addr [4]byte, ok bool) {
	octet, digits, n := 0, 0, 0
	for i := 0; ; i++ {
		if i == len(text) || text[i] == '.' {
			if digits == 0 || octet == 4 {
				return addr, false
			}
			addr[octet] = byte(n)
			octet++
			digits, n = 0, 0
			if i == len(text) {
				return addr, octet == 4
			}
			continue
		}
		if !isDigit(text[i]) || digits > 0 && n == 0 {
			return addr, false
		}
		n = n*10 + int(text[i]-'0')
		digits++
		if n > 255 {
			return addr, false
		}
	}
}

// parseIPv6 reads an IPv6 address (RFC 4291, section 2.2), without a zone.
func parseIPv6(text []byte) (addr [16]byte, ok bool) {
	at, gap := 0, -1 // bytes that are filled in; where "::" stands among them
	if len(text) >= 2 && text[0] == ':' && text[1] == ':' {
		gap = 0
		text = text[2:]
	}
	for len(text) > 0 {
		n, digits := uint16(0), 0
		for digits < len(text) && digits <= 4 && hexValue[text[digits]] >= 0 {
			n = n<<4 | uint16(hexValue[text[digits]])
			digits++
		}
		if digits < len(text) && text[digits] == '.' { // the last 32 bits as an IPv4 address
			v4, ok := parseIPv4(text)
			if !ok || at > 12 {
				return addr, false
			}
			at += copy(addr[at:], v4[:])
			break
		}
		if digits == 0 || digits > 4 || at == 16 {
			return addr, false
		}
		addr[at], addr[at+1] = byte(n>>8), byte(n)
		at += 2
		text = text[digits:]
		if len(text) == 0 {
			break
		}
		if text[0] != ':' || len(text) == 1 {
			return addr, false
		}
		text = text[1:]
		if text[0] == ':' {
			if gap >= 0 {
				return addr, false
			}
			gap = at
			text = text[1:]
		}
	}
	if gap < 0 {
		return addr, at == 16
	}
	if at == 16 {
		return addr, false // "::" stands for one group at least
	}
	tail := at - gap
	copy(addr[16-tail:], addr[gap:at])
	clear(addr[gap : 16-tail])
	return addr, true
}

// hexValue is what a hexadecimal digit stands for; -1: it is none.
var hexValue = func() (table [256]int8) {
	for c := range table {
		switch {
		case '0' <= c && c <= '9':
			table[c] = int8(c - '0')
		case 'a' <= c && c <= 'f':
			table[c] = int8(c - 'a' + 10)
		case 'A' <= c && c <= 'F':
			table[c] = int8(c - 'A' + 10)
		default:
			table[c] = -1
		}
	}
	return table
}()
