package api

import "time"

// PushRequest is the body of POST /api/v1/push/{check}. An empty body says that the target works.
type PushRequest struct {
	Status string `json:"status,omitempty"` // "pass", which is the default, or "fail"
	Reason string `json:"reason,omitempty"` // one line of at most 200 characters
	// Load is the load or the weight of the pool, for a check with weight_from = "push": a number, or a
	// percentage such as "75%".
	Load any `json:"load,omitempty"`
}

// PushResult is the answer to it.
type PushResult struct {
	Target string    `json:"target"` // its ID
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"` // when the next call must have come
}
