package probe

import (
	"strings"
	"unicode"
)

// shownText is how much is shown of what others say.
const shownText = 300

// oneLine makes foreign text fit for a log line and a page: no control characters, and not
// too long.
func oneLine(s string) string {
	clean := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	clean = strings.Join(strings.Fields(clean), " ")
	if runes := []rune(clean); len(runes) > shownText {
		return string(runes[:shownText]) + "…"
	}
	return clean
}
