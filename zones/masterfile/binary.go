package masterfile

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
)

var (
	asHex            = form{read: (*builder).hex, size: some}
	asBase64         = form{read: (*builder).base64, size: some}
	asOptionalBase64 = form{read: (*builder).optionalBase64, size: whatever}
	asBase64OrNone   = form{read: (*builder).base64OrNone, size: whatever}
	asBase32         = form{read: (*builder).base32, size: countedSome}
	asSalt           = form{read: (*builder).salt, size: counted}
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

func (b *builder) optionalBase64(what string) {
	if len(b.fields) > 0 {
		b.base64(what)
	}
}

// base64OrNone reads the rest as base 64, "-" for none.
func (b *builder) base64OrNone(what string) {
	if len(b.fields) == 1 && b.fields[0].is("-") {
		b.fields = nil
		return
	}
	b.base64(what)
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
	// Bits that are left over are zeros, so that no two texts are the same hash.
	if err != nil || f.quoted || len(hash) == 0 || len(hash) > maxText || base32Hex.EncodeToString(hash) != upper(f.text) {
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
