package config

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"gslb/zones/problem"
)

// locate finds the positions of places in a text that the TOML parser has accepted. The parser
// itself keeps none. A missing key has the position of the table or list that it belongs to.
//
// It reads the text once more, only if there is something to report. If it does not understand the
// text it stops, and the remaining places have no line.
func locate(text []byte, spots []problem.Spot) []problem.Position {
	f := finder{text: text, line: 1, found: make(map[string]*spot), lists: make(map[string]bool)}
	for _, s := range spots {
		for at := s.At; at != nil; at = at.Up() {
			f.found[string(at.Path())] = new(spot)
		}
	}
	f.document()

	positions := make([]problem.Position, len(spots))
	for i, s := range spots {
		for at := s.At; at != nil; at = at.Up() {
			here := f.found[string(at.Path())]
			if here.line == 0 {
				continue
			}
			positions[i] = problem.Position{Offset: here.offset, Line: here.line}
			if at == s.At && s.Line > 0 && here.value > 0 {
				positions[i].Line = lineWithin(text[here.value:], here.valueLine, s.Line)
			}
			break
		}
	}
	return positions
}

// spot is where a place is; line 0: nowhere.
type spot struct {
	offset, line     int
	value, valueLine int  // of a key
	explicit         bool // not only as a part of a longer key
}

// finder goes through a text of TOML.
type finder struct {
	text     []byte
	at, line int
	found    map[string]*spot // by path: what to find

	lists map[string]bool // paths of lists of tables, within which nothing is looked for
}

// document reads the whole text.
func (f *finder) document() {
	table, listed := []byte(nil), false
	for f.blank(true); f.at < len(f.text); f.blank(true) {
		if f.text[f.at] != '[' {
			if !f.pair(table, listed) {
				return
			}
			continue
		}
		var ok bool
		if table, listed, ok = f.header(); !ok {
			return
		}
	}
}

// header reads the head of a table, or of one of a list of tables.
func (f *finder) header() (path []byte, listed, ok bool) {
	offset, line := f.at, f.line
	f.at++
	list := f.next('[')
	names, ok := f.key()
	if !ok || !f.next(']') || list && !f.next(']') {
		return nil, false, false
	}
	for i, name := range names {
		path = problem.AppendKey(path, name)
		f.mark(path, offset, line, i == len(names)-1)
		listed = listed || f.lists[string(path)]
	}
	if list {
		f.lists[string(path)], listed = true, true
	}
	return path, listed, true
}

// pair reads a key and its value in the table of a path; one that is hidden is not looked for.
func (f *finder) pair(table []byte, hidden bool) bool {
	offset, line := f.at, f.line
	names, ok := f.key()
	if !ok || !f.next('=') {
		return false
	}
	f.blank(false)
	path := bytes.Clone(table)
	for i, name := range names {
		path = problem.AppendKey(path, name)
		if !hidden {
			f.mark(path, offset, line, i == len(names)-1)
		}
	}
	if here := f.found[string(path)]; here != nil && !hidden {
		here.value, here.valueLine = f.at, f.line
	}
	return f.value(path, hidden)
}

// mark notes where a path is. The first time counts, but a table's own head more than a key
// within it.
func (f *finder) mark(path []byte, offset, line int, explicit bool) {
	if here := f.found[string(path)]; here != nil && (here.line == 0 || explicit && !here.explicit) {
		here.offset, here.line, here.explicit = offset, line, explicit
	}
}

// key reads a key of one or several parts.
func (f *finder) key() (names []string, ok bool) {
	for {
		f.blank(false)
		name, ok := f.keyPart()
		if !ok {
			return nil, false
		}
		names = append(names, name)
		f.blank(false)
		if !f.next('.') {
			return names, true
		}
	}
}

func (f *finder) keyPart() (string, bool) {
	from := f.at
	if f.at < len(f.text) && (f.text[f.at] == '"' || f.text[f.at] == '\'') {
		f.at = stringEnd(f.text, f.at)
		quoted := f.text[from:f.at]
		if len(quoted) < 2 || quoted[len(quoted)-1] != quoted[0] {
			return "", false
		}
		inner := string(quoted[1 : len(quoted)-1])
		if quoted[0] == '\'' {
			return inner, true
		}
		return unescape(inner)
	}
	for f.at < len(f.text) && !strings.ContainsRune(" \t\r\n.=[]{},#\"'", rune(f.text[f.at])) {
		f.at++
	}
	return string(f.text[from:f.at]), f.at > from
}

// value reads the value of a path.
func (f *finder) value(path []byte, hidden bool) bool {
	if f.at == len(f.text) {
		return false
	}
	switch f.text[f.at] {
	case '"', '\'':
		end := stringEnd(f.text, f.at)
		f.line += bytes.Count(f.text[f.at:end], []byte("\n"))
		f.at = end
		return true
	case '[':
		f.at++
		return f.items(path, hidden)
	case '{':
		f.at++
		return f.inline(path, hidden)
	}
	from := f.at // a number, a truth value, or a date, in which there may be a blank
	for f.at < len(f.text) && !strings.ContainsRune(",]}#\r\n", rune(f.text[f.at])) {
		f.at++
	}
	return f.at > from
}

// items reads a list behind its bracket. Tables in it are not looked into.
func (f *finder) items(path []byte, hidden bool) bool {
	for i := 0; ; i++ {
		f.blank(true)
		if f.next(']') {
			return true
		}
		item := problem.AppendItem(path[:len(path):len(path)], i)
		if !hidden {
			f.mark(item, f.at, f.line, true)
		}
		if !f.value(item, hidden || f.at < len(f.text) && f.text[f.at] == '{') {
			return false
		}
		f.blank(true)
		if !f.next(',') {
			return f.next(']')
		}
	}
}

// inline reads a table in braces behind the first.
func (f *finder) inline(path []byte, hidden bool) bool {
	for {
		f.blank(true)
		if f.next('}') {
			return true
		}
		if !f.pair(path, hidden) {
			return false
		}
		f.blank(true)
		if !f.next(',') {
			return f.next('}')
		}
	}
}

// next goes over a byte if it comes next.
func (f *finder) next(c byte) bool {
	if f.at < len(f.text) && f.text[f.at] == c {
		f.at++
		return true
	}
	return false
}

// blank goes over blanks and, if wanted, line breaks and comments.
func (f *finder) blank(lines bool) {
	for ; f.at < len(f.text); f.at++ {
		switch c := f.text[f.at]; {
		case c == ' ', c == '\t':
		case !lines:
			return
		case c == '\r':
		case c == '\n':
			f.line++
		case c == '#':
			end := bytes.IndexByte(f.text[f.at:], '\n')
			if end < 0 {
				f.at = len(f.text)
				return
			}
			f.at += end - 1
		default:
			return
		}
	}
}

// unescape is what a string in double quotes stands for.
func unescape(s string) (string, bool) {
	if !strings.Contains(s, `\`) {
		return s, true
	}
	var b strings.Builder
	for len(s) > 0 {
		if s[0] != '\\' {
			b.WriteByte(s[0])
			s = s[1:]
			continue
		}
		if len(s) < 2 {
			return "", false
		}
		digits := 0
		switch c := s[1]; c {
		case 'b', 'f', 'n', 'r', 't':
			b.WriteByte(map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}[c])
		case 'e':
			b.WriteByte(0x1b)
		case '"', '\\':
			b.WriteByte(c)
		case 'x':
			digits = 2
		case 'u':
			digits = 4
		case 'U':
			digits = 8
		default:
			return "", false
		}
		s = s[2:]
		if digits > len(s) {
			return "", false
		}
		if digits > 0 {
			n, err := strconv.ParseUint(s[:digits], 16, 32)
			if err != nil || !utf8.ValidRune(rune(n)) {
				return "", false
			}
			b.WriteRune(rune(n))
			s = s[digits:]
		}
	}
	return b.String(), true
}

// lineWithin is the line of a configuration on which a line of a string in it begins, which
// begins the text and stands on a line itself.
func lineWithin(text []byte, line, wanted int) int {
	text = text[:stringEnd(text, 0)]
	triple := bytes.HasPrefix(text, []byte(`"""`)) || bytes.HasPrefix(text, []byte("'''"))
	basic := text[0] == '"'
	if !triple && !basic {
		return line
	}
	at := 1
	if triple {
		at = 3
		// A line break right behind the quotes does not count.
		if rest := bytes.TrimPrefix(text[at:], []byte("\r")); bytes.HasPrefix(rest, []byte("\n")) {
			at, line = len(text)-len(rest)+1, line+1
		}
	}
	for n := 1; at < len(text) && n < wanted; at++ {
		switch {
		case text[at] == '\n':
			n++
			line++
		case text[at] == '\\' && basic && at+1 < len(text):
			at++
			if text[at] == 'n' {
				n++
				continue
			}
			// A backslash takes the line break behind it away, and all blanks and line breaks
			// that follow.
			end := at
			for end < len(text) && strings.IndexByte(" \t\r\n", text[end]) >= 0 {
				end++
			}
			if broken := bytes.Count(text[at:end], []byte("\n")); broken > 0 {
				line += broken
				at = end - 1
			}
		}
	}
	return line
}
