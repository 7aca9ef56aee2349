package config

import (
	"fmt"
	"slices"
	"strings"
)

// meant suggests what an unknown word could mean: the nearest of the known words or, if none is
// near, all of them. It is computed when it is printed, since most of very many problems never are.
func meant(word string, known []string) fmt.Stringer {
	return later(func() string { return suggest(word, known) })
}

// meantKey is meant for the keys of a table.
func meantKey[V any](word string, known map[string]V) fmt.Stringer {
	return later(func() string { return suggest(word, sortedKeys(known)) })
}

type later func() string

func (l later) String() string { return l() }

// longWord is the length in bytes from which on words are not compared.
const longWord = 255

func suggest(word string, known []string) string {
	best := nearest(word, known)
	switch {
	case best != "":
		return fmt.Sprintf("did you mean %q?", best)
	case len(known) == 0:
		return "expected none"
	default:
		return "expected " + oneOf(known)
	}
}

// nearest is the known word that is most like another, whatever the case of their letters; empty:
// none is near.
func nearest(word string, known []string) string {
	if len(word) > longWord {
		return ""
	}
	best, distance := "", 1+max(1, len(word)/3)
	word = strings.ToLower(word)
	for _, k := range known {
		if gap := len(word) - len(k); max(gap, -gap) >= distance {
			continue // each byte that one has more is an edit
		}
		if n := editDistance(word, strings.ToLower(k)); n < distance {
			best, distance = k, n
		}
	}
	return best
}

// maxListed is how many alternatives are listed.
const maxListed = 20

// oneOf lists alternatives, quoted, in order.
func oneOf(words []string) string {
	if len(words) == 1 {
		return fmt.Sprintf("%q", words[0])
	}
	sorted := slices.Sorted(slices.Values(words))
	quoted := make([]string, 0, maxListed)
	for _, w := range sorted[:min(len(sorted), maxListed)] {
		quoted = append(quoted, fmt.Sprintf("%q", w))
	}
	list := "one of " + strings.Join(quoted, ", ")
	if more := len(sorted) - len(quoted); more > 0 {
		list += fmt.Sprintf(" and %d others", more)
	}
	return list
}

// editDistance is how many bytes are to be put in, taken out, replaced, or swapped with their
// neighbour to make one word of another (optimal string alignment).
func editDistance(a, b string) int {
	var rows [3][]int // of a[:i-2], a[:i-1] and a[:i] to every b[:j]
	for k := range rows {
		rows[k] = make([]int, len(b)+1)
	}
	for j := range rows[2] {
		rows[2][j] = j
	}
	for i := 1; i <= len(a); i++ {
		rows[0], rows[1], rows[2] = rows[1], rows[2], rows[0]
		rows[2][0] = i
		for j := 1; j <= len(b); j++ {
			replaced := rows[1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[2][j] = min(replaced, rows[1][j]+1, rows[2][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[2][j] = min(rows[2][j], rows[0][j-2]+1)
			}
		}
	}
	return rows[2][len(b)]
}
