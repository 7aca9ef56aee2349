package gdnsd

import (
	"fmt"
	"strings"
)

// field is how one field of a record's data is read.
type field func(r *zoneReader, t token) (string, error)

// fields are the types that gdnsd has, beside SOA, DYNA and DYNC.
var fields = map[string][]field{
	"A":     {asWritten},
	"AAAA":  {asWritten},
	"NS":    {asName},
	"CNAME": {asName},
	"PTR":   {asName},
	"MX":    {asWritten, asName},
	"SRV":   {asWritten, asWritten, asWritten, asName},
	"NAPTR": {asWritten, asWritten, asText, asText, asText, asName},
	"CAA":   {asWritten, asWritten, asText},
}

// data is the data of a record as a master file has it.
func (r *zoneReader) data(word string, t []token) (string, error) {
	if word == "TXT" {
		return texts(t)
	}
	kinds, known := fields[word]
	switch {
	case strings.HasPrefix(word, "TYPE"): // RFC 3597
		kinds = nil
		for range t {
			kinds = append(kinds, asWritten)
		}
	case !known:
		return "", fmt.Errorf("gdnsd has no such type")
	}
	if len(t) != len(kinds) {
		return "", fmt.Errorf("found %d fields; expected %d", len(t), len(kinds))
	}
	out := make([]string, len(t))
	for i, read := range kinds {
		var err error
		if out[i], err = read(r, t[i]); err != nil {
			return "", err
		}
	}
	return strings.Join(out, " "), nil
}

func asWritten(_ *zoneReader, t token) (string, error) {
	for _, c := range t.text {
		if c <= ' ' || c > '~' || strings.IndexByte(`"();`, c) >= 0 {
			return "", fmt.Errorf("found %s; expected a number, an address or a word", t)
		}
	}
	if len(t.text) == 0 {
		return "", fmt.Errorf(`found ""; expected a number, an address or a word`)
	}
	return string(t.text), nil
}

func asName(r *zoneReader, t token) (string, error) {
	name, err := r.nameOf(t)
	if err != nil {
		return "", err
	}
	return r.relative(name), nil
}

func asText(_ *zoneReader, t token) (string, error) {
	octets, err := t.octets()
	if err != nil {
		return "", err
	}
	return quote(octets), nil
}

// mostText is how much a character string holds (RFC 1035, section 3.3).
const mostText = 255

// texts reads the strings of a TXT record. One that is too long is split, as gdnsd does.
func texts(t []token) (string, error) {
	if len(t) == 0 {
		return "", fmt.Errorf("found no text; expected at least one string")
	}
	var out []string
	for _, one := range t {
		octets, err := one.octets()
		if err != nil {
			return "", err
		}
		for len(octets) > mostText {
			out = append(out, quote(octets[:mostText]))
			octets = octets[mostText:]
		}
		out = append(out, quote(octets))
	}
	return strings.Join(out, " "), nil
}

// quote is a string of octets as a master file has it, in ASCII.
func quote(octets []byte) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range octets {
		switch {
		case c == '"', c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03d`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
