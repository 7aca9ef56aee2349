package geo

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Kind is what a view goes by.
type Kind uint8

// The kinds, the narrowest first: where several views match a client, they count in this order.
const (
	Prefix Kind = iota + 1
	ASN
	Subdivision
	Country
	Continent
	Default
)

// A View is a class of clients, such as those of one country. The zero value is none. Views can be
// compared, and be the keys of a map.
type View struct {
	kind   Kind
	code   string       // of a continent, a country or a subdivision
	number uint32       // of an autonomous system
	prefix netip.Prefix // in canonical form
}

// Kind is what the view goes by.
func (v View) Kind() Kind { return v.kind }

// String is the view as ParseView reads it.
func (v View) String() string {
	switch v.kind {
	case Prefix:
		return v.prefix.String()
	case ASN:
		return "asn:" + strconv.FormatUint(uint64(v.number), 10)
	case Subdivision:
		return "subdivision:" + v.code
	case Country:
		return "country:" + v.code
	case Continent:
		return "continent:" + v.code
	case Default:
		return "default"
	default:
		return "none"
	}
}

// Compare orders views, the narrowest first. Views of one kind are ordered by their length or code.
func (v View) Compare(w View) int {
	return cmp.Or(
		cmp.Compare(v.kind, w.kind),
		-cmp.Compare(v.prefix.Bits(), w.prefix.Bits()),
		v.prefix.Addr().Compare(w.prefix.Addr()),
		cmp.Compare(v.number, w.number),
		cmp.Compare(v.code, w.code),
	)
}

// continents are the codes that databases use.
const continents = "AF AN AS EU NA OC SA"

// forms is what a view can look like, for messages.
const forms = "continent:NA, country:US, subdivision:US-CA, asn:64500, a network such as 192.0.2.0/24 or 2001:db8::/32, or default"

// ParseView reads a view in its canonical form, the one of String. What means a view but is
// written in another way is refused with the right form: two ways to write one view would make two
// keys for the same clients.
func ParseView(s string) (View, error) {
	v, expected := guess(s)
	switch {
	case expected != "":
		return View{}, fmt.Errorf("found %q; expected %s", s, expected)
	case v.String() != s:
		return View{}, fmt.Errorf("found %q; expected %s", s, v)
	}
	return v, nil
}

// guess finds the view that s means, however it is written, or says what is expected instead.
func guess(s string) (v View, expected string) {
	s = strings.TrimSpace(s)
	word, code, _ := strings.Cut(s, ":")
	code = strings.ToUpper(strings.TrimSpace(code))
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "default":
		return View{kind: Default}, ""
	case "continent":
		if !isContinent(code) {
			return View{}, "one of the continents " + continents + ", such as continent:NA"
		}
		return View{kind: Continent, code: code}, ""
	case "country":
		if !isCountry(code) {
			return View{}, "the two letters of a country in ISO 3166, such as country:US"
		}
		return View{kind: Country, code: code}, ""
	case "subdivision":
		if !isSubdivision(code) {
			return View{}, "a country and a subdivision of it in ISO 3166-2, such as subdivision:US-CA"
		}
		return View{kind: Subdivision, code: code}, ""
	case "asn":
		n, err := strconv.ParseUint(strings.TrimPrefix(code, "AS"), 10, 32)
		if err != nil || n == 0 {
			return View{}, "the number of an autonomous system, from 1 to 4294967295, such as asn:64500"
		}
		return View{kind: ASN, number: uint32(n)}, ""
	}
	if strings.ContainsAny(s, "./:") {
		return guessPrefix(s)
	}
	return View{}, guessBare(strings.ToUpper(s))
}

// guessPrefix is guess for a network or an address.
func guessPrefix(s string) (v View, expected string) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return View{}, forms
		}
		addr = addr.Unmap().WithZone("")
		return View{}, netip.PrefixFrom(addr, addr.BitLen()).String() + ", or a shorter prefix"
	}
	// An IPv4 network written as IPv6 is looked up as the IPv4 network that it is.
	if addr := p.Addr(); addr.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(addr.Unmap(), p.Bits()-96)
	}
	return View{kind: Prefix, prefix: p.Masked()}, ""
}

// guessBare says what is expected instead of a code without the word before it.
func guessBare(code string) string {
	digits := strings.TrimPrefix(code, "AS")
	if n, err := strconv.ParseUint(digits, 10, 32); err == nil && n > 0 {
		return "asn:" + strconv.FormatUint(n, 10)
	}
	switch {
	case isContinent(code): // NA is Namibia, too
		return "continent:" + code + " or country:" + code
	case isCountry(code):
		return "country:" + code
	case isSubdivision(code):
		return "subdivision:" + code
	default:
		return forms
	}
}

func isContinent(code string) bool {
	return len(code) == 2 && strings.Contains(continents, code) && isCountry(code)
}

func isCountry(code string) bool { return len(code) == 2 && isLetter(code[0]) && isLetter(code[1]) }

// isSubdivision reports whether a code has the form of ISO 3166-2: a country, and one to three
// letters or digits.
func isSubdivision(code string) bool {
	country, rest, ok := strings.Cut(code, "-")
	if !ok || !isCountry(country) || len(rest) < 1 || len(rest) > 3 {
		return false
	}
	for i := range len(rest) {
		if !isLetter(rest[i]) && (rest[i] < '0' || rest[i] > '9') {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return 'A' <= c && c <= 'Z' }

// Attributes says which attributes of clients something knows.
type Attributes struct {
	ASN, Subdivision, Country, Continent, Location bool
}

// CanTell reports whether the clients of a view can be told by these attributes. Networks and default
// need none.
func (a Attributes) CanTell(v View) bool {
	switch v.kind {
	case ASN:
		return a.ASN
	case Subdivision:
		return a.Subdivision
	case Country:
		return a.Country
	case Continent:
		return a.Continent
	default:
		return true
	}
}

// or is what either knows.
func (a Attributes) or(b Attributes) Attributes {
	return Attributes{
		ASN:         a.ASN || b.ASN,
		Subdivision: a.Subdivision || b.Subdivision,
		Country:     a.Country || b.Country,
		Continent:   a.Continent || b.Continent,
		Location:    a.Location || b.Location,
	}
}
