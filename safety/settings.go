package safety

import (
	"time"

	"gslb/health"
)

// Settings is the [safety] table of zones.toml, apart from what is steered by.
type Settings struct {
	// Vantage is targets that do not fail together with the regions. While most of them fail, this
	// server is blind. Without any, many failures at once are suspect.
	Vantage []health.TargetID

	SuspectShare  int           // percent of the targets that were up; 0: nothing is suspect
	SuspectWindow time.Duration // within which they turn down
	SuspectHold   time.Duration // how long their last statuses are held
}

// The rules by which statuses are held.
const (
	Blind   = "blind"
	Suspect = "suspect"
)

// holdUntil is when a hold that begins ends if the network is not back before; zero: it does not.
func (s *Settings) holdUntil(rule string, now time.Time) time.Time {
	if rule == Blind {
		return time.Time{}
	}
	return now.Add(s.SuspectHold)
}
