package health

import "time"

// Record is what is worth keeping of a target over a restart.
type Record struct {
	ID          TargetID  `json:"id"`
	Fingerprint string    `json:"fingerprint"`
	Status      Status    `json:"status"`
	Since       time.Time `json:"since"`  // when Status became what it is
	Judged      time.Time `json:"judged"` // when the last pass or fail came
	Reason      string    `json:"reason"` // of the Result that made the status
	Detail      string    `json:"detail"`
}

// Report is what an operator may know of a target.
type Report struct {
	Target Target
	State  State
	Last   Result        // of the last probe, whatever its verdict
	Probed time.Time     // when the last probe ended; zero: none has
	Judged time.Time     // when the last pass or fail came, of this run or an earlier one
	Took   time.Duration // how long the last probe took
	Streak int           // how many verdicts in a row speak against the status
	Probes [3]uint64     // by Verdict, of this run
	// Restored says that the status is an earlier run's and no probe of this run has
	// judged yet.
	Restored bool
}
