package masterfile

import (
	"errors"
	"fmt"
	"math"
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
			if layout[i].form.read(b, layout[i].what); b.err != nil {
				return nil, b.err
			}
		}
		if len(b.fields) > 0 {
			return nil, fmt.Errorf("%s stands behind its data", b.fields[0])
		}
	case len(fields) == 0:
		return nil, errNoData
	default:
		return nil, fmt.Errorf(`the type %s has no text form; expected its data as \# and its length, then hexadecimal digits (RFC 3597, section 5)`,
			TypeName(rtype))
	}
	if b.err == nil && len(b.out) > math.MaxUint16 {
		b.err = fmt.Errorf("its data has %d octets; expected at most %d", len(b.out), math.MaxUint16)
	}
	return b.out, b.err
}

var errNoData = errors.New("it has no data")

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

// isGeneric says whether data begins with the mark of the generic form, \#.
func (f field) isGeneric() bool { return !f.quoted && string(f.text) == `\#` }

// generic reads the form that the data of any type may have (RFC 3597, section 5): its length
// and its octets in hexadecimal.
func (b *builder) generic(rtype uint16) {
	b.fields = b.fields[1:]
	length := int(b.number("length", 16))
	if b.err == nil && len(b.fields) > 0 {
		b.hex("data")
	}
	if b.err == nil && len(b.out) != length {
		b.err = fmt.Errorf("it states %d octets of data, but has %d", length, len(b.out))
	}
	if b.err == nil {
		b.err = wellFormed(rtype, b.out)
	}
}
