package checks

import "time"

// settings are those of a server's checks.
type settings struct {
	Interval time.Duration
	Fast     time.Duration // interval of a target that is on its way; Interval where there is no such thing
	Timeout  time.Duration
	Rise     int
	Fall     int
}

// bound is how long after a fault a target is seen to be down at the latest, where a probe
// fails after the time failing: a probe that came just before the fault passed; the next
// one comes an interval later; each further one that is needed follows when it is due and
// the one before has ended; and the last has to fail.
func (s settings) bound(failing time.Duration) time.Duration {
	return s.Interval + time.Duration(s.Fall-1)*max(s.Fast, failing) + failing
}
