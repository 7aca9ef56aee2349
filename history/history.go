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
	Pool string `json:"pool"`
	// Strip is the last 24 hours, the oldest first. The last slot is the one that goes on.
	Strip []Slot `json:"strip"`

	// Latency is of the probes of the last five minutes that passed; zero: there were none.
	P50 time.Duration `json:"-"`
	P99 time.Duration `json:"-"`
	// Spark is the median latency of each minute of the last hour, the oldest first; negative: none was measured.
	Spark []time.Duration `json:"-"`
	// Failed is the part of the verdicts of the last five minutes that were fails, from 0 to 1; negative: there
	// were none.
	Failed float64 `json:"failed"`

	Day, Month Downtime
}

// Slot is a quarter of an hour.
type Slot struct {
	Start time.Time     `json:"start"`
	Down  time.Duration `json:"-"`
	// Unknown is how long the status was not known, or gslb did not run.
	Unknown time.Duration `json:"-"`
	Turns   int           `json:"turns"` // how often the status changed between up and down
}

// Downtime is the sum of a time that ends now.
type Downtime struct {
	Down  time.Duration `json:"-"`
	Known time.Duration `json:"-"` // how long the status was known; Down / Known is the part that it was down
	Turns int           `json:"turns"`
}
