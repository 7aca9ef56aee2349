package api

import "time"

// ReplicationList is the tables whose copies are compared.
type ReplicationList struct {
	Replications []Replication `json:"replications"`
}

// Replication is what is known of a [replication.NAME].
type Replication struct {
	Name     string  `json:"name"`
	Table    string  `json:"table"`
	Writer   string  `json:"writer"` // under which this server writes heartbeats
	Interval float64 `json:"interval_seconds"`
	MaxLag   float64 `json:"max_lag_seconds"`
	Regions  []Copy  `json:"regions"` // by name
	Lags     []Lag   `json:"lags"`    // of each region in each other, by both
}

// Copy is the copy of a table in a region.
type Copy struct {
	Region string `json:"region"`
	// Condition is "current"; "behind" (what all others write arrives late), "cut off" (nothing arrives in
	// time in either direction), "silent" (only what it writes arrives late in all others), "ambiguous"
	// (something is late that may be another's fault), "unread" (it could not be read for longer than
	// max_lag) or "unknown".
	Condition string    `json:"condition"`
	Since     time.Time `json:"since,omitzero"` // of the condition; left out: not known
	// Degraded says that the copy was behind, cut off or unread, and has not been current since: no clients
	// are moved to its pools.
	Degraded bool      `json:"degraded"`
	Current  time.Time `json:"current_since,omitzero"` // left out: it is not current
	Why      string    `json:"why"`                    // one line; may be empty
	Pools    []string  `json:"pools"`                  // whose data it is, by name
	Wrote    time.Time `json:"wrote,omitzero"`         // when a heartbeat was last acknowledged; left out: none was
	Read     time.Time `json:"read,omitzero"`          // when it was last read; left out: it never was
	// Failing is what fails at present: "write", "read" or "write and read"; left out: nothing.
	Failing string `json:"failing,omitempty"`
}

// Lag is by how much what one region writes is late in another.
type Lag struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Lag is the age of the oldest heartbeat that has not arrived; 0: all have. Left out: not known.
	Lag *float64 `json:"lag_seconds,omitempty"`
	// Arrival is what is proved: "in time", "late" or "unmeasured". Near max_lag it stays what it was.
	Arrival string    `json:"arrival"`
	Read    time.Time `json:"read,omitzero"` // when To was last read for it; left out: it never was
}
