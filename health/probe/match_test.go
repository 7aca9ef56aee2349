package probe

import (
	"errors"
	"io"
	"regexp"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func TestDecidedByPrefix(t *testing.T) {
	for pattern, want := range map[string]bool{
		`ok`: true, `^ok`: true, `"status":\s*"ok"`: true, `(?m)^ok`: true, `(a|b)+c?`: true, ``: true,
		`ok$`: false, `(?m)ok$`: false, `ok\z`: false, `\bok`: false, `a|(b(c\B)?)`: false,
	} {
		if got := decidedByPrefix(regexp.MustCompile(pattern)); got != want {
			t.Errorf("%s: %t, want %t", pattern, got, want)
		}
	}
}

// pieces gives its parts one by one, and then end.
type pieces struct {
	parts [][]byte
	end   error
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.parts) == 0 {
		return 0, p.end
	}
	n := copy(b, p.parts[0])
	if p.parts[0] = p.parts[0][n:]; len(p.parts[0]) == 0 {
		p.parts = p.parts[1:]
	}
	return n, nil
}

// TestMatcher compares a matcher with the pattern applied to the whole text: in whatever
// pieces the text comes, and whatever ends it, the verdict is the same.
func TestMatcher(t *testing.T) {
	patterns := rapid.SampledFrom([]string{`ab`, `^a+b`, `b$`, `a\b`, `(?m)^b`, `[^é]b`, `^.$`, `\x{FFFD}`, `c{3}`, ``})
	rapid.Check(t, func(t *rapid.T) {
		pattern := regexp.MustCompile(patterns.Draw(t, "pattern"))
		letters := rapid.SampledFrom([]string{"a", "b", "c", "é", "\n", "\xff", "€"})
		var text []byte
		for _, letter := range rapid.SliceOfN(letters, 0, 60).Draw(t, "text") {
			text = append(text, letter...)
		}
		limit := rapid.Int64Range(1, 80).Draw(t, "limit")
		whole := text[:min(int64(len(text)), limit)]

		var parts [][]byte
		for rest := text; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		end := rapid.SampledFrom([]error{io.EOF, errors.New("reset")}).Draw(t, "end")
		m := matcher{pattern: pattern, limit: limit, eager: decidedByPrefix(pattern)}
		f := m.read(&pieces{parts, end})

		decided := end == io.EOF || int64(len(whole)) == limit
		switch {
		case f.matched && !pattern.Match(whole):
			t.Errorf("it matched, and %q does not", whole)
		case decided && f.matched != pattern.Match(whole):
			t.Errorf("it did not match, and %q does", whole)
		case f.matched && f.err != nil:
			t.Errorf("it matched, with error %v", f.err)
		case !decided && !f.matched && f.err != end:
			t.Errorf("error %v, want %v", f.err, end)
		case int64(len(f.text)) > limit:
			t.Errorf("%d bytes were read, the limit is %d", len(f.text), limit)
		}
	})
}

// A text in single bytes is tried so rarely that the work stays in proportion to it.
func TestMatcherTriesRarely(t *testing.T) {
	m := matcher{pattern: regexp.MustCompile("nowhere"), limit: 1 << 20, eager: true}
	text := make([]byte, 1<<20)
	if f := m.read(iotest.OneByteReader(&pieces{[][]byte{text}, io.EOF})); f.matched || !f.cut {
		t.Errorf("matched %t, cut %t", f.matched, f.cut)
	}
}
