package probe

import (
	"io"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// matcher looks for a pattern in what a server sends.
type matcher struct {
	pattern *regexp.Regexp
	limit   int64 // bytes that are read
	// eager says that a match of what has come so far is a match, whatever follows.
	eager bool
	// seen is what was read before, and belongs to the text.
	seen []byte
}

// found is what a matcher has made of its input.
type found struct {
	text    []byte // what was read
	matched bool
	cut     bool  // the limit was reached
	err     error // that ended reading before its time; nil with matched
}

// read reads r until it is clear whether the pattern matches: it has matched, or r has ended or
// failed, or the limit is reached. It does not wait for what a server sends after a match.
func (m matcher) read(r io.Reader) found {
	var f found
	text := m.grow(append(make([]byte, 0, min(m.limit, 512)), m.seen...))
	tried := 0 // bytes of the text that the pattern was tried on
	if m.eager && len(text) > 0 && m.pattern.Match(whole(text)) {
		f.text, f.matched = text, true
		return f
	}
	for {
		n, err := r.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		f.text, f.cut = text, int64(len(text)) == m.limit
		switch {
		case f.cut, err == io.EOF:
			f.matched = m.pattern.Match(text)
			return f
		case err != nil:
			f.matched = m.eager && m.pattern.Match(whole(text))
			if !f.matched {
				f.err = err
			}
			return f
		}
		// The pattern is tried again only when the text has grown by an eighth. This bounds the
		// work to some nine times the text, however small the pieces are.
		if m.eager && len(text)-tried > tried/8 {
			if m.pattern.Match(whole(text)) {
				f.matched = true
				return f
			}
			tried = len(text)
		}
		text = m.grow(text)
	}
}

// matches says whether the pattern matches a text, which is complete or only its beginning.
func (m matcher) matches(text []byte, complete bool) bool {
	if !complete {
		text = whole(text)
	}
	return m.pattern.Match(text)
}

// grow makes room for more text, up to the limit.
func (m matcher) grow(text []byte) []byte {
	if len(text) < cap(text) {
		return text
	}
	grown := make([]byte, len(text), min(m.limit, 2*int64(cap(text))))
	copy(grown, text)
	return grown
}

// whole is the text without an incomplete UTF-8 sequence at its end, which the pattern would take
// for other characters.
func whole(text []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		last := text[len(text)-i:]
		if utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				return text[:len(text)-i]
			}
			break
		}
	}
	return text
}

// decidedByPrefix says whether a match of the beginning of a text is a match of the whole: the
// pattern has no condition on what follows.
func decidedByPrefix(pattern *regexp.Regexp) bool {
	parsed, err := syntax.Parse(pattern.String(), syntax.Perl)
	return err == nil && !looksAhead(parsed)
}

func looksAhead(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpEndLine, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	}
	for _, sub := range re.Sub {
		if looksAhead(sub) {
			return true
		}
	}
	return false
}
