package masterfile

import (
	"bytes"
	"fmt"
)

// Addresses of networks other than the Internet, and of the Internet in parts.
var (
	asNSAP          = form{read: (*builder).nsap, size: some}
	asATM           = form{read: (*builder).atm, size: atmSize}
	asPrefixLength  = form{read: (*builder).prefixLength, size: limited(128)}
	asAddressSuffix = form{read: (*builder).addressSuffix, size: addressSuffixSize}
	asPrefixName    = form{read: (*builder).prefixName, size: prefixNameSize, name: true}
)

// nsap reads an address of OSI's: 0x and hexadecimal digits, with dots anywhere between them
// (RFC 1706, section 7).
func (b *builder) nsap(what string) {
	f, ok := b.next(what)
	if !ok {
		return
	}
	if ok = !f.quoted && len(f.text) > 2 && f.text[0] == '0' && f.text[1]|0x20 == 'x'; ok {
		from := len(b.out)
		b.out, ok = appendHex(b.out, bytes.ReplaceAll(f.text[2:], []byte("."), nil))
		ok = ok && len(b.out) > from
	}
	if !ok {
		b.fail(what, fmt.Errorf("found %s; expected such as 0x47.0005.80.005a00", f))
	}
}

// The two forms of an ATM address (ATM Name System Specification 1.0, section 5.2).
const (
	atmEndSystem = 0 // of the ATM Forum, in octets
	atmTelephone = 1 // of the ITU (E.164), in digits
)

// atm reads an ATM address: "+" and decimal digits, or else hexadecimal ones, in either case with
// dots between them.
func (b *builder) atm(what string) {
	f, ok := b.next(what)
	if !ok {
		return
	}
	digits, telephone := bytes.CutPrefix(f.text, []byte("+"))
	plain := bytes.ReplaceAll(digits, []byte("."), nil)
	ok = !f.quoted && len(plain) > 0 && digits[0] != '.' && digits[len(digits)-1] != '.' && !bytes.Contains(digits, []byte(".."))
	switch {
	case ok && telephone:
		ok = isNumeric(plain)
		b.out = append(append(b.out, atmTelephone), plain...)
	case ok:
		b.out, ok = appendHex(append(b.out, atmEndSystem), plain)
	}
	if !ok {
		b.fail(what, fmt.Errorf("found %s; expected an ATM address such as +61200000000 or 39.246f.00.0e7c9c", f))
	}
}

func atmSize(data []byte, at int) int {
	if len(data)-at < 2 || data[at] > atmTelephone {
		return -1
	}
	if data[at] == atmTelephone && !isNumeric(data[at+1:]) {
		return -1
	}
	return len(data) - at
}

func isNumeric(text []byte) bool {
	return !bytes.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
}

// prefixLength reads how many bits of an IPv6 address stand elsewhere (RFC 2874, section 3.1).
func (b *builder) prefixLength(what string) {
	n := b.number(what, 8)
	if n > 128 {
		b.fail(what, fmt.Errorf("found %d; expected from 0 to 128", n))
	}
	b.out = append(b.out, byte(n))
}

// suffixSize is how many octets the bits behind the prefix take, of which data has the length.
func suffixSize(data []byte) int { return (128 - int(data[0]) + 7) / 8 }

// addressSuffix reads the bits of an address that stand behind the prefix, as an address whose
// other bits do not count. There is none if the prefix is all.
func (b *builder) addressSuffix(what string) {
	size := suffixSize(b.out)
	if size == 0 {
		return
	}
	f, ok := b.next(what)
	if !ok {
		return
	}
	addr, ok := parseIPv6(f.text)
	if !ok || f.quoted {
		b.fail(what, fmt.Errorf("%s is no IPv6 address", f))
	}
	addr[16-size] &= 0xff >> (b.out[0] % 8)
	b.out = append(b.out, addr[16-size:]...)
}

func addressSuffixSize(data []byte, at int) int {
	size := taken(data, at, suffixSize(data))
	if size > 0 && data[at]&^(0xff>>(data[0]%8)) != 0 {
		return -1
	}
	return size
}

// prefixName reads where the bits of the prefix stand, if there are any.
func (b *builder) prefixName(what string) {
	if b.out[0] > 0 {
		b.name(what)
	}
}

func prefixNameSize(data []byte, at int) int {
	if data[0] == 0 {
		return 0
	}
	return nameSize(data, at)
}
