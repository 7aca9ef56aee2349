package masterfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

var (
	errNoOwner = errors.New("it has no owner name, and no record comes before it")
	errNoType  = errors.New("it has no type")
)

// header reads what stands between owner and data: a TTL and a class, each of which may be
// left out, in either order, and the type (RFC 1035, section 5.1). It returns the fields of
// the data.
func (r *Reader) header(rec *Record, fields []field, c *context) ([]field, error) {
	rec.TTL = c.ttl
	var stated, classed bool
	for i, f := range fields {
		switch {
		case f.quoted || f.escaped || len(f.text) == 0:
			return nil, fmt.Errorf("found %s; expected a TTL, a class or a type", f)
		case isDigit(f.text[0]) && !stated:
			ttl, err := r.ttl(f)
			if err != nil {
				return nil, fmt.Errorf("the TTL: %w", err)
			}
			rec.TTL, stated = ttl, true
			if !c.fixed {
				c.ttl = ttl
			}
			continue
		}
		if rtype, ok := r.types.find(f.text); ok {
			rec.Type = rtype
			if isMeta(rtype) {
				return nil, fmt.Errorf("the type %s exists in messages only (RFC 6895, section 3.1)", TypeName(rtype))
			}
			return fields[i+1:], nil
		}
		class, ok := classOf(f.text)
		switch {
		case !ok || classed:
			return nil, fmt.Errorf("found %s; expected a TTL, a class or a type", f)
		case class != dns.ClassINET:
			return nil, fmt.Errorf("its class is %s; only IN is served", dns.Class(class))
		}
		classed = true
	}
	return nil, errNoType
}

// ttl reads a TTL. One with the highest bit set counts as 0 (RFC 2181, section 8).
func (r *Reader) ttl(f field) (uint32, error) {
	ttl, err := parsePeriod(f)
	switch {
	case err != nil:
		return 0, err
	case ttl <= MaxTTL:
		return ttl, nil
	case r.Strict:
		return 0, fmt.Errorf("found %s; expected at most %d (RFC 2181, section 8)", f, MaxTTL)
	default:
		return 0, nil
	}
}

// classOf reads a class: a word, or a number as in CLASS1 (RFC 3597, section 5).
func classOf(text []byte) (class uint16, ok bool) {
	switch strings.ToUpper(string(text)) {
	case "IN":
		return dns.ClassINET, true
	case "CH", "CHAOS":
		return dns.ClassCHAOS, true
	case "HS", "HESIOD":
		return dns.ClassHESIOD, true
	case "CS":
		return dns.ClassCSNET, true
	default:
		return numbered(text, "CLASS")
	}
}
