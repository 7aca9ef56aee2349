package masterfile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

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

// wellFormed says what is wrong with the data of a type that is known.
func wellFormed(rtype uint16, data []byte) error {
	if _, known := dns.TypeToRR[rtype]; !known {
		return nil
	}
	if len(data) == 0 {
		if mayBeEmpty(rtype) {
			return nil
		}
		return errNoData
	}
	head := dns.RR_Header{Name: ".", Rrtype: rtype, Class: dns.ClassINET, Rdlength: uint16(len(data))}
	rr, end, err := dns.UnpackRRWithHeader(head, data, 0)
	switch {
	case err != nil:
		return fmt.Errorf("the data is none of the type %s: %w", dns.Type(rtype), parserError(err))
	case end != len(data):
		return fmt.Errorf("the data has %d octets, but the type %s ends after %d", len(data), dns.Type(rtype), end)
	}
	switch rtype {
	case dns.TypeISDN, dns.TypeAPL:
		// The library always writes the second string, which is optional, and no bits behind a
		// prefix, which do no harm.
		return nil
	}
	// A name in the data may not be compressed, since that has a meaning in a message only.
	buf := make([]byte, rrHead+len(data)+1)
	if end, err := dns.PackRR(rr, buf, 0, nil, false); err != nil || !bytes.Equal(buf[rrHead:end], data) {
		return fmt.Errorf("the data is not in the form of the type %s", dns.Type(rtype))
	}
	return nil
}

// rrHead is what stands before the data of a record that the root owns.
const rrHead = 1 + 10

var errNoData = errors.New("it has no data")

// mayBeEmpty says whether a record of a type may have no data at all.
func mayBeEmpty(rtype uint16) bool { return rtype == dns.TypeAPL || rtype == dns.TypeNULL }

// other leaves the data of the remaining types to another parser. It sees the record in one
// line, without comments and parentheses.
func (b *builder) other(rtype uint16) {
	if b.err = lenience(rtype, b.fields); b.err != nil {
		return
	}
	origin, _, err := dns.UnpackDomainName(b.origin, 0)
	if err != nil {
		b.err = fmt.Errorf("unpack the origin: %w", err)
		return
	}
	var line strings.Builder
	fmt.Fprintf(&line, ". 0 IN %s", dns.Type(rtype))
	for _, f := range b.fields {
		line.WriteByte(' ')
		if f.quoted {
			line.WriteString(`"` + string(f.text) + `"`)
		} else {
			line.Write(f.text)
		}
	}
	line.WriteByte('\n')
	b.fields = nil

	parser := dns.NewZoneParser(strings.NewReader(line.String()), origin, "")
	rr, ok := parser.Next()
	switch {
	case parser.Err() != nil:
		b.err = parserError(parser.Err())
		return
	case !ok:
		b.err = errNoData
		return
	}
	buf := make([]byte, dns.MaxMsgSize+rrHead)
	end, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		b.err = fmt.Errorf("it cannot be packed: %w", err)
		return
	}
	b.out = append(b.out, buf[rrHead:end]...)
	b.err = wellFormed(rtype, b.out)
}

// lenience says what is wrong with data that the other parser would take nevertheless.
func lenience(rtype uint16, fields []field) error {
	switch {
	case len(fields) == 0 && !mayBeEmpty(rtype):
		return errNoData
	case rtype == dns.TypeIPSECKEY && len(fields) > 1:
		if kind, ok := parseUint(fields[1].text, 8); ok && kind > 3 {
			return fmt.Errorf("the gateway's type: found %s; expected from 0 to 3", fields[1])
		}
	}
	return nil
}

// parserError is what the parser found, without its own line numbers: it sees one entry.
func parserError(err error) error {
	s := strings.TrimPrefix(err.Error(), "dns: ")
	if i := strings.LastIndex(s, " at line: "); i >= 0 {
		s = s[:i]
	}
	return errors.New(s)
}
