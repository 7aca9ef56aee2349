package masterfile

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
)

// rest takes all fields that are left, as one text.
func (b *builder) rest(what string) ([]byte, bool) {
	f, ok := b.next(what)
	if !ok {
		return nil, false
	}
	text := f.text
	if len(b.fields) > 0 {
		text = bytes.Clone(text)
	}
	quoted := f.quoted
	for _, f := range b.fields {
		text = append(text, f.text...)
		quoted = quoted || f.quoted
	}
	b.fields = nil
	if quoted {
		b.fail(what, errQuoted)
	}
	return text, !quoted
}

// hex reads the rest as hexadecimal digits, which blanks may separate.
func (b *builder) hex(what string) {
	if text, ok := b.rest(what); ok {
		if b.out, ok = appendHex(b.out, text); !ok {
			b.fail(what, fmt.Errorf("%s is no whole number of octets in hexadecimal", quote(text)))
		}
	}
}

// appendHex appends what pairs of hexadecimal digits stand for.
func appendHex(dst, text []byte) ([]byte, bool) {
	if len(text)%2 != 0 {
		return dst, false
	}
	for i := 0; i < len(text); i += 2 {
		high, low := hexValue[text[i]], hexValue[text[i+1]]
		if high < 0 || low < 0 {
			return dst, false
		}
		dst = append(dst, byte(high)<<4|byte(low))
	}
	return dst, true
}

// base64 reads the rest as base 64 (RFC 4648, section 4), which blanks may separate.
func (b *builder) base64(what string) {
	text, ok := b.rest(what)
	if !ok {
		return
	}
	out, err := base64.StdEncoding.AppendDecode(b.out, text)
	if err != nil || len(text) == 0 {
		b.fail(what, fmt.Errorf("%s is no base 64", quote(text)))
		return
	}
	b.out = out
}

var base32Hex = base32.HexEncoding.WithPadding(base32.NoPadding)

// base32 reads a hash in base 32 with the extended hex alphabet (RFC 5155, section 3.3), with
// its length before it.
func (b *builder) base32(what string) {
	f, ok := b.next(what)
	if !ok {
		return
	}
	hash, err := base32Hex.DecodeString(upper(f.text))
	if err != nil || f.quoted || len(hash) == 0 || len(hash) > maxText {
		b.fail(what, fmt.Errorf("%s is no hash in base 32 hex", f))
		return
	}
	b.out = append(b.out, byte(len(hash)))
	b.out = append(b.out, hash...)
}

// salt reads a salt in hexadecimal, "-" for none (RFC 5155, section 3.3), with its length
// before it.
func (b *builder) salt(what string) {
	f, ok := b.next(what)
	if !ok {
		return
	}
	at := len(b.out)
	b.out = append(b.out, 0)
	if !f.is("-") {
		if b.out, ok = appendHex(b.out, f.text); !ok || f.quoted || len(f.text) == 0 {
			b.fail(what, fmt.Errorf(`found %s; expected hexadecimal digits, or "-"`, f))
		}
	}
	size := len(b.out) - at - 1
	if size > maxText {
		b.fail(what, errors.New("it has more than 255 octets"))
	}
	b.out[at] = byte(size)
}

// types reads the rest as types, in any order, into a bitmap (RFC 4034, section 4.1.2).
func (b *builder) types(what string) {
	list := make([]uint16, 0, len(b.fields))
	for len(b.fields) > 0 {
		f, _ := b.next(what)
		t, ok := typeOf(f.text)
		if !ok || f.quoted {
			b.fail(what, fmt.Errorf("found %s; expected a type", f))
			return
		}
		list = append(list, t)
	}
	slices.Sort(list)
	window, head := -1, 0
	for _, t := range list {
		if w := int(t >> 8); w != window {
			window, head = w, len(b.out)
			b.out = append(b.out, byte(w), 0)
		}
		octet := int(t&0xff) / 8
		for len(b.out)-head-2 <= octet {
			b.out = append(b.out, 0)
		}
		b.out[head+2+octet] |= 0x80 >> (t & 7)
		b.out[head+1] = byte(len(b.out) - head - 2)
	}
}
