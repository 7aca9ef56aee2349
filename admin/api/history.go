package api

import (
	"time"

	"gslb/health"
)

// HistoryList is the answer of GET /api/v1/history.
type HistoryList struct {
	History []History `json:"history"` // by pool
	Page
}

// History is what has become of a pool over time. It survives restarts; of the time in which nothing ran, the
// status is not known.
type History struct {
	Pool   string        `json:"pool"`
	Status health.Status `json:"status"` // at present

	// From is when the first of the 96 slots of 15 minutes began that the last 24 hours are divided into. The
	// last of them goes on.
	From time.Time `json:"from"`
	// Slots is those in which the pool was not up all the time, the oldest first.
	Slots []HistorySlot `json:"slots"`

	Day   Downtime `json:"last_24h"`
	Month Downtime `json:"last_30d"` // by days in UTC, of which the last is today

	// P50 and P99 are the median and the 99th percentile of how long the probes took that passed in the last
	// five minutes; left out: there were none.
	P50 *float64 `json:"p50_seconds,omitempty"`
	P99 *float64 `json:"p99_seconds,omitempty"`
	// Failed is the part of the verdicts of these minutes that were fails, from 0 to 1; left out: there were none.
	Failed *float64 `json:"failed,omitempty"`
	// Latency is the minutes of the last hour in which probes passed, the oldest first.
	Latency []MinuteLatency `json:"latency"`
}

// HistorySlot is 15 minutes.
type HistorySlot struct {
	Start   time.Time `json:"start"`
	Down    float64   `json:"down_seconds"`
	Unknown float64   `json:"unknown_seconds"` // how long the status was not known
	Turns   int       `json:"turns"`           // how often the status changed between up and down
}

// Downtime is for how long and how often a pool was down.
type Downtime struct {
	Down  float64 `json:"down_seconds"`
	Known float64 `json:"known_seconds"` // how long the status was known
	Turns int     `json:"turns"`         // how often the status changed between up and down
	// Up is the part of the time that is known in which the pool was not down, from 0 to 1; left out: none is
	// known.
	Up *float64 `json:"up,omitempty"`
}

// MinuteLatency is how long the probes took that passed in a minute.
type MinuteLatency struct {
	Start  time.Time `json:"start"`
	Median float64   `json:"median_seconds"`
}
