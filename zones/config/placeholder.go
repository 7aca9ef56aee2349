package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"gslb/zones/problem"
)

// The placeholders that every pool has. {address} is the member's, so that a check that uses
// it is made for each member. {region} is there if the pool has a region.
const (
	placeholderAddress = "address"
	placeholderPool    = "pool"
	placeholderRegion  = "region"
)

// text is a string of a check that may hold placeholders. Anything in braces that is not
// a word, as in JSON, stays as it is.
type text struct {
	at       *problem.Place
	parts    []part
	brackets brackets
	// read makes the final form of the filled-in text, or says what is wrong with it; nil: the text
	// is final.
	read func(string) (string, error)
}

// part is a literal or, if it has a name, a placeholder.
type part struct {
	literal string
	name    string
}

// brackets says where in a text an IPv6 address needs brackets.
type brackets int

const (
	never       brackets = iota
	inAuthority          // of a URL (RFC 3986, section 3.2.2)
	always
)

var placeholder = regexp.MustCompile(`\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// text reads a string of a check. If it holds no placeholder, it is validated here and now;
// otherwise each time it is filled in.
func (l *loader) text(c *check, at *problem.Place, s string, b brackets, read func(string) (string, error)) *text {
	t := &text{at: at, brackets: b, read: read}
	c.texts = append(c.texts, t)
	end := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(s, -1) {
		if m[0] > end {
			t.parts = append(t.parts, part{literal: s[end:m[0]]})
		}
		t.parts = append(t.parts, part{name: s[m[2]:m[3]]})
		end = m[1]
	}
	if end < len(s) {
		t.parts = append(t.parts, part{literal: s[end:]})
	}

	switch {
	case b != never && strings.Contains(s, "[{"+placeholderAddress+"}]"):
		l.Add(at, "found brackets around {address}; expected none, an IPv6 address gets them by itself")
		t.read = nil // it would only say the same again
	case len(t.names()) == 0 && read != nil:
		final, err := read(s)
		if err != nil {
			l.Add(at, "%v", err)
		}
		t.parts, t.read = []part{{literal: final}}, nil
	}
	return t
}

// whole makes a read function that checks a text and does not change it.
func whole(valid func(string) error) func(string) (string, error) {
	return func(s string) (string, error) { return s, valid(s) }
}

// names lists the placeholders of t.
func (t *text) names() []string {
	var names []string
	for _, p := range t.parts {
		if p.name != "" && !slices.Contains(names, p.name) {
			names = append(names, p.name)
		}
	}
	return names
}

// filling is what the texts of one check are filled in with, for one pool or member.
type filling struct {
	values map[string]string // by placeholder
	err    error             // of the first text that came out wrong
}

// fill returns t with every placeholder filled in. A nil text is empty.
func (f *filling) fill(t *text) string {
	if t == nil {
		return ""
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.name == placeholderAddress && t.inBrackets(b.String()) {
			b.WriteString(bracketed(f.values[p.name]))
		} else {
			b.WriteString(p.literal + f.values[p.name])
		}
	}
	s := b.String()
	if t.read == nil {
		return s
	}
	final, err := t.read(s)
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("%s: %w", t.at, err)
	}
	return final
}

// inBrackets says whether an IPv6 address after s needs brackets.
func (t *text) inBrackets(s string) bool {
	switch t.brackets {
	case inAuthority:
		_, authority, ok := strings.Cut(s, "://")
		return ok && !strings.ContainsAny(authority, "/?#")
	case always:
		return true
	default:
		return false
	}
}

func bracketed(address string) string {
	if addr, err := netip.ParseAddr(address); err == nil && addr.Is6() {
		return "[" + address + "]"
	}
	return address
}
