package masterfile

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// field is what stands between blanks: a word or a quoted string, without its quotes.
type field struct {
	text    []byte // with its escapes
	quoted  bool
	escaped bool // there is a backslash in it
	glued   bool // in quotes that follow a word without a blank between
}

// is says whether the field is a certain word, in any case. Quotes and escapes take its
// meaning from a word.
func (f field) is(word string) bool {
	return !f.quoted && !f.escaped && len(f.text) == len(word) && strings.EqualFold(string(f.text), word)
}

func (f field) String() string { return quote(f.text) }

// quote shows text in a message, shortened if need be.
func quote(text []byte) string {
	const enough = 60
	if len(text) <= enough {
		return strconv.Quote(string(text))
	}
	return strconv.Quote(strings.ToValidUTF8(string(text[:enough]), "") + "…")
}

// entry is a record or a directive, over as many lines as its parentheses span.
type entry struct {
	line     int     // that it begins on
	indented bool    // a blank comes first, so that it has no owner of its own
	grouped  bool    // there are parentheses
	fields   []field // valid until the next entry is read
	text     []byte
}

// String is the entry as an operator will recognise it: its first line.
func (e entry) String() string {
	first, _, _ := bytes.Cut(bytes.TrimSpace(e.text), []byte("\n"))
	return quote(bytes.TrimSpace(first))
}

// kind says what a byte does where a field may begin or end.
type kind uint8

const (
	plain kind = iota
	blank
	newline
	comment
	opening
	closing
	quotation
	backslash
)

var kinds = [256]kind{
	' ': blank, '\t': blank, '\r': blank, '\n': newline,
	';': comment, '(': opening, ')': closing, '"': quotation, '\\': backslash,
}

// maxFields is more than any record has that fits in a message: its data are at most 65,535
// octets, and each of them may be two hexadecimal digits that stand apart.
const maxFields = 1 << 18

// scanner tells the entries of a text apart.
type scanner struct {
	text   []byte
	at     int
	line   int // of at, from 1
	fields []field
	fault  error // the first one of the entry
	groups int   // that were opened in the entry
}

// next goes to the next entry that holds anything. The fault is what is wrong with its syntax;
// reading goes on behind it.
func (s *scanner) next(e *entry) (fault error, ok bool) {
	for s.at < len(s.text) {
		from := s.at
		e.line, e.indented = s.line, kinds[s.text[from]] == blank
		s.scan()
		if len(s.fields) > 0 || s.fault != nil {
			e.fields, e.text, e.grouped = s.fields, s.text[from:s.at], s.groups > 0
			return s.fault, true
		}
	}
	return nil, false
}

// scan collects the fields up to the end of the entry.
func (s *scanner) scan() {
	s.fields, s.fault, s.groups = s.fields[:0], nil, 0
	first, open := s.at, 0
	for s.at < len(s.text) {
		switch kinds[s.text[s.at]] {
		case newline:
			s.at++
			s.line++
			if open == 0 {
				return
			}
		case blank:
			s.at++
		case comment:
			s.skipLine()
		case opening:
			s.at++
			s.groups++
			open++
		case closing:
			s.at++
			if open--; open < 0 {
				s.fail(errors.New("a parenthesis is closed that was not opened"))
				open = 0
			}
		case quotation:
			s.quoted()
		default:
			s.word()
		}
	}
	if open > 0 {
		s.fail(fmt.Errorf("a parenthesis is opened in %s and never closed", entry{text: s.text[first:]}))
	}
}

func (s *scanner) fail(err error) {
	if s.fault == nil {
		s.fault = err
	}
}

// skipLine goes to the newline that ends the line.
func (s *scanner) skipLine() {
	if n := bytes.IndexByte(s.text[s.at:], '\n'); n >= 0 {
		s.at += n
	} else {
		s.at = len(s.text)
	}
}

// word reads a field without quotes.
func (s *scanner) word() {
	f := field{}
	i := s.at
	for ; i < len(s.text); i++ {
		if k := kinds[s.text[i]]; k == backslash {
			f.escaped = true
			if i++; i == len(s.text) || s.text[i] == '\n' {
				s.fail(errors.New("found a backslash at the end of a line; expected what it escapes"))
				break
			}
		} else if k != plain {
			break
		}
	}
	f.text = s.text[s.at:i]
	s.at = i
	s.add(f)
}

// quoted reads a field in quotes. It ends with its line at the latest, so that a quote that
// is not closed does not swallow what follows.
func (s *scanner) quoted() {
	f := field{quoted: true, glued: len(s.fields) > 0 && kinds[s.text[s.at-1]] == plain}
	s.at++
	for i := s.at; i < len(s.text) && s.text[i] != '\n'; i++ {
		switch s.text[i] {
		case '"':
			f.text = s.text[s.at:i]
			s.at = i + 1
			s.add(f)
			return
		case '\\':
			f.escaped = true
			if i+1 < len(s.text) && s.text[i+1] != '\n' {
				i++
			}
		}
	}
	opened := s.at - 1
	s.skipLine()
	s.fail(fmt.Errorf("a quote is opened in %s and not closed on its line", entry{text: s.text[opened:s.at]}))
}

func (s *scanner) add(f field) {
	if len(s.fields) == maxFields {
		s.fail(errors.New("the entry is too long; expected what fits in a record"))
		return
	}
	s.fields = append(s.fields, f)
}
