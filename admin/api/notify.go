package api

import "time"

// NotifyList is who is told of incidents.
type NotifyList struct {
	Targets []NotifyTarget `json:"targets"` // by name; empty: nobody is told
}

// NotifyTarget is one who is told. Where messages go is a secret.
type NotifyTarget struct {
	Name     string    `json:"name"`
	Kind     string    `json:"kind"`                   // how: "slack", "smtp", "webhook", "alertmanager"
	Failing  time.Time `json:"failing_since,omitzero"` // since when no message was taken; left out: the last one was, or none was sent
	Tries    int       `json:"tries"`                  // that failed since then
	Why      string    `json:"why,omitempty"`          // the last try failed
	Waiting  int       `json:"waiting"`                // incidents that something is still to be said of
	Sent     int       `json:"sent"`                   // messages that were taken since the start
	Failed   int       `json:"failed"`                 // tries that failed since the start
	Dropped  int       `json:"dropped"`                // incidents that were never told of, since too many waited, or for too long
	LastSent time.Time `json:"last_sent,omitzero"`     // message that was taken since the start
}

// NotifyTestRequest asks for a message that is about nothing.
type NotifyTestRequest struct {
	Target string `json:"target,omitempty"` // left out: all
}

// NotifyTestResult is what became of a test.
type NotifyTestResult struct {
	Targets []NotifyTried `json:"targets"`
}

// NotifyTried is what became of the message to one target.
type NotifyTried struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Sent  bool   `json:"sent"`
	Error string `json:"error,omitempty"` // why it was not taken
}
