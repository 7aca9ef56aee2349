package masterfile

import (
	"errors"
	"fmt"
	"strings"
)

const maxText = 255 // octets of a character-string (RFC 1035, section 3.3)

var (
	asText         = form{read: (*builder).text, size: counted}
	asTexts        = form{read: (*builder).texts, size: textsSize}
	asOptionalText = form{read: (*builder).optionalText, size: optionalTextSize}
	asLongText     = form{read: (*builder).longText, size: whatever}
	asDigits       = form{read: (*builder).digits, size: digitsSize}
	asTag          = form{read: (*builder).tag, size: tagSize}
)

// text reads a character-string.
func (b *builder) text(what string) {
	if f, ok := b.next(what); ok {
		b.characterString(what, f)
	}
}

func (b *builder) optionalText(what string) {
	if len(b.fields) > 0 {
		b.text(what)
	}
}

// texts reads one character-string and all that follow.
func (b *builder) texts(what string) {
	b.text(what)
	for len(b.fields) > 0 && b.err == nil {
		b.text(what)
	}
}

// characterString appends a character-string: its length, then its octets. One that is too long is
// refused, since only its author knows where to split it.
func (b *builder) characterString(what string, f field) {
	at := len(b.out)
	b.out = append(b.out, 0)
	b.octets(what, f)
	size := len(b.out) - at - 1
	if size > maxText {
		b.fail(what, fmt.Errorf("%s has %d octets; expected at most %d, split it into several", f, size, maxText))
	}
	b.out[at] = byte(size)
}

func textsSize(data []byte, at int) int {
	for end := at; ; {
		size := counted(data, end)
		if size < 0 {
			return -1
		}
		if end += size; end == len(data) {
			return end - at
		}
	}
}

func optionalTextSize(data []byte, at int) int {
	if at == len(data) {
		return 0
	}
	return counted(data, at)
}

// octets appends what a field says, without its escapes.
func (b *builder) octets(what string, f field) {
	if !f.escaped {
		b.out = append(b.out, f.text...)
		return
	}
	for i := 0; i < len(f.text); i++ {
		if f.text[i] != '\\' {
			b.out = append(b.out, f.text[i])
			continue
		}
		octet, size, err := unescape(f.text[i:])
		if err != nil {
			b.fail(what, err)
			return
		}
		b.out = append(b.out, octet)
		i += size - 1
	}
}

// longText reads text whose end is that of the data, so that it has no length of its own.
func (b *builder) longText(what string) {
	if f, ok := b.next(what); ok {
		b.octets(what, f)
	}
}

// digits reads an address of the X.25 network: decimal digits, of which the first four are the
// network's (RFC 1183, section 3.1).
func (b *builder) digits(what string) {
	at := len(b.out)
	if b.text(what); b.err == nil && digitsSize(b.out, at) < 0 {
		b.fail(what, fmt.Errorf("found %s; expected four digits or more", quote(b.out[at+1:])))
	}
}

func digitsSize(data []byte, at int) int {
	const networkCode = 4
	size := counted(data, at)
	if size <= networkCode || !isNumeric(data[at+1:at+size]) {
		return -1
	}
	return size
}

// tag reads the property tag of a CAA record (RFC 8659, section 4.1).
func (b *builder) tag(what string) {
	f, ok := b.next(what)
	if !ok {
		return
	}
	if f.quoted || len(f.text) == 0 || !isAlphanumeric(f.text) {
		b.fail(what, fmt.Errorf("found %s; expected letters and digits", f))
		return
	}
	b.characterString(what, f)
}

func tagSize(data []byte, at int) int {
	size := countedSome(data, at)
	if size > 0 && !isAlphanumeric(data[at+1:at+size]) {
		return -1
	}
	return size
}

func isAlphanumeric(text []byte) bool {
	for _, c := range text {
		if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// upper is a mnemonic in capitals.
func upper(text []byte) string { return strings.ToUpper(string(text)) }

var errQuoted = errors.New("it stands in quotes; expected none")
