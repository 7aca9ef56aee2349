package zones

import "regexp"

var word = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// word reports the name of a check, a pool or a region that would be ambiguous in a target's
// ID or awkward in a metric's label.
func (l *loader) word(at *place, s string) bool {
	if word.MatchString(s) {
		return true
	}
	l.add(at, `found %q; expected letters, digits, "-" and "_" only`, s)
	return false
}
