package config

import (
	"bytes"
	"fmt"
)

// Bounds of the text that is given to the TOML parser. It is recursive for nested tables and lists,
// and takes up to a kilobyte for each part of a key, so that a small text can exhaust the stack or
// the memory. A valid configuration has at most six nested tables; a million steered names have
// seven million keys, parts of keys and values.
const (
	maxDepth  = 16         // of tables and lists within each other, and of the parts of a key
	maxValues = 10_000_000 // keys, further parts of keys, and items of lists
)

// bounded reports what in a text exceeds the bounds, and on which line; line 0: nothing does.
//
// Of the syntax it knows only strings and comments. Up to the first syntax error the parser sees
// them in the same way, and there it stops.
func bounded(text []byte) (line int, fault string) {
	depth, parts, values := 0, 0, 0
	line = 1
	for at := 0; at < len(text); at++ {
		switch text[at] {
		case '\n':
			line++
			parts = 0
		case '#':
			end := bytes.IndexByte(text[at:], '\n')
			if end < 0 {
				return 0, ""
			}
			at += end - 1
		case '"', '\'':
			end := stringEnd(text, at)
			line += bytes.Count(text[at:end], []byte("\n"))
			at = end - 1
		case '[', '{':
			depth++
			values++
			parts = 0
		case ']', '}':
			depth = max(0, depth-1)
		case ',', '=':
			values++
			parts = 0
		case '.':
			parts++
			values++
		}
		switch {
		case depth > maxDepth:
			return line, fmt.Sprintf("found more than %d tables and lists within each other; expected fewer", maxDepth)
		case parts > maxDepth:
			return line, fmt.Sprintf("found a key of more than %d parts; expected fewer", maxDepth)
		case values > maxValues:
			return line, fmt.Sprintf("found more than %d keys and values; expected fewer", maxValues)
		}
	}
	return 0, ""
}

// stringEnd is the place behind the string that begins at a quote. One that is not closed ends
// with its line, or with the text if it may have several.
func stringEnd(text []byte, at int) int {
	quote := text[at]
	size := 1
	if bytes.HasPrefix(text[at:], []byte{quote, quote, quote}) {
		size = 3
	}
	for at += size; at < len(text); at++ {
		switch c := text[at]; {
		case c == '\\' && quote == '"':
			if size == 3 || at+1 < len(text) && text[at+1] != '\n' {
				at++
			}
		case c == '\n' && size == 1:
			return at
		case c != quote:
		case size == 1:
			return at + 1
		case bytes.HasPrefix(text[at:], []byte{quote, quote, quote}):
			// Up to two quotes may stand right before those that close it.
			for at += 3; at < len(text) && text[at] == quote && size < 5; size++ {
				at++
			}
			return at
		}
	}
	return len(text)
}
