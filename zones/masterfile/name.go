package masterfile

import (
	"errors"
	"fmt"
	"strings"

	"gslb/internal/wire"
)

var (
	errEmptyLabel = errors.New("a label is empty")
	errLongLabel  = errors.New("a label has more than 63 octets")
	errLongName   = errors.New("it has more than 255 octets")
)

var (
	asName  = form{read: (*builder).name, size: nameSize, name: true}
	asNames = form{read: (*builder).names, size: namesSize, name: true}
)

// name reads a domain name.
func (b *builder) name(what string) {
	if f, ok := b.next(what); ok {
		var err error
		if b.out, err = appendName(b.out, f, b.origin); err != nil {
			b.fail(what, err)
		}
	}
}

// names reads the rest as domain names. There may be none.
func (b *builder) names(what string) {
	for len(b.fields) > 0 && b.err == nil {
		b.name(what)
	}
}

// nameSize is the size of a name in wire form that is not compressed.
func nameSize(data []byte, at int) int {
	var n wire.Name
	end, ok := n.Read(data, at)
	if !ok {
		return -1
	}
	return end - at
}

func namesSize(data []byte, at int) int {
	for end := at; ; {
		if end == len(data) {
			return end - at
		}
		size := nameSize(data, end)
		if size < 0 {
			return -1
		}
		end += size
	}
}

// nameError says why a field is no domain name.
func nameError(f field, err error) error {
	return fmt.Errorf("%s is no domain name: %w", f, err)
}

// ParseName returns the wire form of a name as a master file has it, in the case that it is
// written in; one without a final dot is relative to origin, in wire form as well.
func ParseName(text string, origin []byte) ([]byte, error) {
	return appendName(nil, field{text: []byte(text), escaped: strings.Contains(text, `\`)}, origin)
}

// appendName appends the wire form of a name (RFC 1035, sections 3.1 and 5.1) to dst, in the
// case that it is written in: "@" is the origin, and one without a final dot is relative to
// it. With an error, dst is returned as it was.
func appendName(dst []byte, f field, origin []byte) ([]byte, error) {
	text := f.text
	if f.quoted {
		return dst, nameError(f, errors.New("it stands in quotes"))
	}
	if !f.escaped && len(text) == 1 && (text[0] == '@' || text[0] == '.') {
		if text[0] == '@' {
			return append(dst, origin...), nil
		}
		return append(dst, 0), nil
	}
	if len(text) > 4*wire.MaxName { // each octet escaped
		return dst, nameError(f, errLongName)
	}
	name := append(dst, 0)
	label := len(dst) // where the length of the label at hand stands
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '.':
			if err := endLabel(name, label); err != nil {
				return dst, nameError(f, err)
			}
			label = len(name)
			name = append(name, 0)
		case '\\':
			octet, size, err := unescape(text[i:])
			if err != nil {
				return dst, nameError(f, err)
			}
			name = append(name, octet)
			i += size - 1
		default:
			name = append(name, c)
		}
	}
	if absolute := len(name) == label+1 && label > len(dst); !absolute {
		if err := endLabel(name, label); err != nil {
			return dst, nameError(f, err)
		}
		name = append(name, origin...)
	}
	if len(name)-len(dst) > wire.MaxName {
		return dst, nameError(f, errLongName)
	}
	return name, nil
}

// endLabel fills in the length of the last label of name, which stands at label.
func endLabel(name []byte, label int) error {
	size := len(name) - label - 1
	switch {
	case size == 0:
		return errEmptyLabel
	case size > wire.MaxLabel:
		return errLongLabel
	}
	name[label] = byte(size)
	return nil
}

// unescape reads the escape that text begins with: \DDD for any octet, \X for the character
// X (RFC 1035, section 5.1).
func unescape(text []byte) (octet byte, size int, err error) {
	if len(text) < 2 {
		return 0, 0, errors.New("a backslash escapes nothing")
	}
	if !isDigit(text[1]) {
		return text[1], 2, nil
	}
	if len(text) < 4 || !isDigit(text[2]) || !isDigit(text[3]) {
		return 0, 0, errors.New("a backslash and a digit need two digits more")
	}
	n := int(text[1]-'0')*100 + int(text[2]-'0')*10 + int(text[3]-'0')
	if n > 255 {
		return 0, 0, fmt.Errorf(`found \%d; expected at most \255`, n)
	}
	return byte(n), 4, nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
