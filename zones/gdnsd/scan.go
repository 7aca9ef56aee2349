package gdnsd

import (
	"bytes"
	"fmt"
)

// token is a word of a zone file, or a string in quotes.
type token struct {
	text   []byte // with its escapes, without quotes
	quoted bool
	line   int
}

// entry is a record or a directive of a zone file, over as many lines as its parentheses span.
type entry struct {
	line     int
	indented bool // a blank comes first, so that it has no owner of its own
	tokens   []token
}

const (
	maxTokens = 1 << 16 // of one entry
	shownText = 40      // octets of a token that a message shows
)

func (t token) String() string {
	if len(t.text) > shownText {
		return fmt.Sprintf("%q…", t.text[:shownText])
	}
	return fmt.Sprintf("%q", t.text)
}

// is reports whether a token is a certain word, in upper or lower case.
func (t token) is(word string) bool { return !t.quoted && bytes.EqualFold(t.text, []byte(word)) }

// scanner tells the entries of a zone file apart, as gdnsd does: a string in quotes may span lines, and
// parentheses do not nest.
type scanner struct {
	text []byte
	at   int
	line int
}

// next returns the next entry that holds anything; nil: there is none. An error is about the entry that
// it comes with; scanning goes on behind it.
func (s *scanner) next() (*entry, error) {
	for s.at < len(s.text) {
		e := &entry{line: s.line, indented: isBlank(s.text[s.at])}
		if err := s.entry(e); len(e.tokens) > 0 || err != nil {
			return e, err
		}
	}
	return nil, nil
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

func (s *scanner) entry(e *entry) (fault error) {
	open := false
	fail := func(format string, args ...any) {
		if fault == nil {
			fault = fmt.Errorf(format, args...)
		}
	}
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '\n':
			s.at++
			s.line++
			if !open {
				return fault
			}
		case isBlank(c):
			s.at++
		case c == ';':
			s.skipLine()
		case c == '(', c == ')':
			s.at++
			if open == (c == '(') {
				fail("a parenthesis is %s twice", map[bool]string{true: "opened", false: "closed"}[c == '('])
			}
			open = c == '('
		case len(e.tokens) == maxTokens:
			fail("the entry has more than %d words", maxTokens)
			s.skipLine()
		default:
			t, err := s.token()
			if err != nil {
				fail("%v", err)
			}
			e.tokens = append(e.tokens, t)
		}
	}
	if open {
		fail("a parenthesis is opened and never closed")
	}
	return fault
}

func (s *scanner) skipLine() {
	if n := bytes.IndexByte(s.text[s.at:], '\n'); n >= 0 {
		s.at += n
	} else {
		s.at = len(s.text)
	}
}

// token reads a word, or a string in quotes.
func (s *scanner) token() (token, error) {
	t := token{line: s.line, quoted: s.text[s.at] == '"'}
	if t.quoted {
		s.at++
	}
	from := s.at
	for s.at < len(s.text) {
		c := s.text[s.at]
		switch {
		case c == '\\':
			if s.at++; s.at < len(s.text) && s.text[s.at] == '\n' {
				s.line++
			}
		case t.quoted && c == '"':
			t.text = s.text[from:s.at]
			s.at++
			return t, nil
		case t.quoted && c == '\n':
			s.line++
		case !t.quoted && (c == '\n' || isBlank(c) || bytes.IndexByte([]byte(`;()"`), c) >= 0):
			t.text = s.text[from:s.at]
			return t, nil
		}
		s.at++
	}
	s.at = min(s.at, len(s.text))
	t.text = s.text[from:s.at]
	if t.quoted {
		return t, fmt.Errorf("a quote is opened in line %d and never closed", t.line)
	}
	return t, nil
}

// octets is what a token stands for.
func (t token) octets() ([]byte, error) {
	if bytes.IndexByte(t.text, '\\') < 0 {
		return t.text, nil
	}
	out := make([]byte, 0, len(t.text))
	for i := 0; i < len(t.text); {
		if t.text[i] != '\\' {
			out = append(out, t.text[i])
			i++
			continue
		}
		octet, size := unescape(t.text[i:])
		if size == 0 {
			return nil, fmt.Errorf("found %s; expected a character, or three digits up to 255, after the backslash", t)
		}
		out = append(out, octet)
		i += size
	}
	return out, nil
}
