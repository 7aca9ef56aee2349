package masterfile

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever an entry consists of, it is found on the line that it begins on.
func TestEntriesKnowTheirLine(t *testing.T) {
	forms := []string{
		"www A 192.0.2.1", "   A 192.0.2.1 ; comment ( \"", "t TXT ( \"a\"\n \"b\" )", "(t TXT\n)",
		"t TXT \\\"( ; )\n)", "t TXT a\\;b", "$TTL 5", "\"a;(\"",
	}
	blanks := []string{"", "   ", "; comment", "\t; \"comment (", "\r", "()", "( ;)\n)"}
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		var want []int
		line := 1
		for range rapid.IntRange(0, 20).Draw(t, "count") {
			piece := rapid.SampledFrom(append(slices.Clone(forms), blanks...)).Draw(t, "piece")
			if slices.Contains(forms, piece) {
				want = append(want, line)
			}
			text.WriteString(piece + "\n")
			line += 1 + strings.Count(piece, "\n")
		}
		var got []int
		s := scanner{text: []byte(text.String()), line: 1}
		for {
			var e entry
			fault, ok := s.next(&e)
			if !ok {
				break
			}
			if fault != nil {
				t.Fatalf("%s: %v", e, fault)
			}
			got = append(got, e.line)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("entries begin on lines %v, want %v, of\n%s", got, want, text.String())
		}
	})
}
