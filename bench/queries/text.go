package queries

import (
	"fmt"
	"time"
)

// none stands for a missing figure.
const none = "–"

// ratio is a figure of ours beside one of another's.
func ratio(ours, other float64) string { return fmt.Sprintf("%.2f", ours/other) }

// short writes a time in its own order of magnitude, to three digits or so.
func short(d time.Duration) string {
	switch {
	case d < 100*time.Microsecond:
		return fmt.Sprintf("%.2f µs", float64(d)/float64(time.Microsecond))
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
	default:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
}

// shortSeconds is short for a number of seconds.
func shortSeconds(seconds float64) string {
	return short(time.Duration(seconds * float64(time.Second)))
}
