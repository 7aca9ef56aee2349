// Package safety judges whether the probes' verdicts may count at all. It is pure.
package safety

import (
	"time"

	"gslb/health"
)

// Settings is the [safety] table of zones.toml, but for max_down and within: they limit what a name
// answers, and are in zones.Steering.
type Settings struct {
	// Vantage is targets that do not fail together with the regions. While most of them fail, this
	// server is blind. Without any, many failures at once are suspect.
	Vantage []health.TargetID

	SuspectShare  int           // percent of the targets that were up; 0: nothing is suspect
	SuspectWindow time.Duration // within which they turn down
	SuspectHold   time.Duration // how long their last statuses are held
}
