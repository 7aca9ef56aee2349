package zones

import (
	"math"
	"strings"
	"time"
)

// durationWithin reports a duration that is out of its limits, and says whether it is not.
func (l *loader) durationWithin(at *place, d, low, high time.Duration) bool {
	if low <= d && d <= high {
		return true
	}
	l.add(at, "found %s; expected from %s to %s", short(d), short(low), short(high))
	return false
}

// maxTTL is the longest TTL there is (RFC 2181, section 8).
const maxTTL = math.MaxInt32 * time.Second

// ttl reports a time to live that DNS cannot express, and says whether it can.
func (l *loader) ttl(at *place, d time.Duration) bool {
	if d%time.Second != 0 {
		l.add(at, "found %s; expected whole seconds, DNS has no smaller unit", short(d))
		return false
	}
	if d < 0 || d > maxTTL {
		l.add(at, "found %s; expected from 0s to %ds (RFC 2181, section 8)", short(d), math.MaxInt32)
		return false
	}
	return true
}

// short is a duration as a person writes it: 1h, not 1h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
