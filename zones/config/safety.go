package config

import (
	"time"

	"gslb/zones/problem"
)

const (
	defaultDownWithin = 5 * time.Minute
	maxDownWithin     = 7 * 24 * time.Hour
	maxMaxDown        = 1000
)

// velocity reads how many pools of a name may go down by probes within which time.
func (l *loader) velocity(raw *rawSafety) {
	at := problem.Top("safety")
	if raw.MaxDown == nil {
		if raw.Within != nil {
			l.Add(at.Key("within"), "is the time in which max_down pools of a name may go down, which is not set; set it, or remove this")
		}
		return
	}
	l.maxDown, l.downWithin = l.within(at.Key("max_down"), *raw.MaxDown, 1, maxMaxDown), defaultDownWithin
	if raw.Within != nil {
		l.downWithin = raw.Within.Duration
		l.durationWithin(at.Key("within"), *raw.Within, time.Second, maxDownWithin)
	}
}
