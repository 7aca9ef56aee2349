// Package history keeps what has become of each pool over time: how long it was down, how often, and how
// fast its probes were.
package history

import "time"

// The bounds of what is kept of a pool.
const (
	SlotTime  = 15 * time.Minute
	Slots     = 96 // a day
	KeptDays  = 30
	SparkTime = time.Minute
	Sparks    = 60 // an hour
)

// Report is the past of one pool.
type Report struct {
	Pool string
	// Strip returns the last 24 hours, the oldest first. The last slot is the one that goes on. They are made
	// when they are looked at: of many pools, few are.
	Strip func() []Slot

	// Latency is of the probes of the last five minutes that passed; zero: there were none.
	P50 time.Duration
	P99 time.Duration
	// Spark is the median latency of each minute of the last hour, the oldest first; negative: none was measured.
	Spark []time.Duration
	// Failed is the part of the verdicts of the last five minutes that were fails, from 0 to 1; negative: there
	// were none.
	Failed float64

	Day, Month Downtime
}

// Slot is a quarter of an hour.
type Slot struct {
	Start time.Time
	Down  time.Duration
	// Unknown is how long the status was not known, or gslb did not run.
	Unknown time.Duration
	Turns   int // how often the status changed between up and down
}

// Downtime is the sum of a time that ends now.
type Downtime struct {
	Down  time.Duration
	Known time.Duration // how long the status was known; Down / Known is the part that it was down
	Turns int
}
