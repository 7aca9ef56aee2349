package probe

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"gslb/health"
)

// shownText is how many characters of text from outside are shown.
const shownText = 300

// presentable completes the results of a probe, and makes their details fit for a log line and a page. They go into
// the log, the state file, the API and the reasons of every pool and name that uses the target, and
// a server can send any text of any length.
func presentable(probe health.Probe) health.Probe {
	return func(ctx context.Context) health.Result { return presented(traceOf(ctx), probe(ctx)) }
}

func presented(t *trace, result health.Result) health.Result {
	result.Detail = oneLine(t.scrub(result.Detail))
	result.Blank = isBlank(result) && (result.Notes == nil || !result.Notes.Answered)
	return result
}

// oneLine is s in one line of at most shownText characters. White space becomes one space each;
// other characters that are not printable are escaped as in Go.
func oneLine(s string) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	shown, space := 0, false
	for i, r := range s {
		if unicode.IsSpace(r) {
			space = shown > 0
			continue
		}
		if space {
			b.WriteByte(' ')
			shown++
			space = false
		}
		if shown >= shownText {
			b.WriteRune('…')
			break
		}
		before := b.Len()
		switch _, size := utf8.DecodeRuneInString(s[i:]); {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		shown += utf8.RuneCountInString(b.String()[before:])
	}
	return b.String()
}

// isPlain says whether oneLine would change nothing, the usual case.
func isPlain(s string) bool {
	if len(s) > shownText || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") || strings.Contains(s, "  ") {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
