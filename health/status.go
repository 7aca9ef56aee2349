package health

import (
	"fmt"
	"time"
)

// Status is the status of a target, a member or a pool. The zero value is Unknown: neither up nor
// down.
type Status uint8

const (
	Unknown Status = iota
	Up
	Down
)

var statusNames = [...]string{Unknown: "unknown", Up: "up", Down: "down"}

func (s Status) String() string { return statusNames[s] }

// Gauge is the value of the status in metrics: 1 up, 0 down, -1 unknown.
func (s Status) Gauge() float64 {
	switch s {
	case Up:
		return 1
	case Down:
		return 0
	default:
		return -1
	}
}

// MarshalText writes the status as the word that the configuration, the metrics and the
// API use for it.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Status) UnmarshalText(text []byte) error {
	for i, name := range statusNames {
		if name == string(text) {
			*s = Status(i)
			return nil
		}
	}
	return fmt.Errorf("status %q is not one of unknown, up, down", text)
}

// Verdict is what one probe concluded. The zero value is Indeterminate.
type Verdict uint8

const (
	// Indeterminate says that the probe could not judge because of a fault of the prober (refused
	// credentials, no file descriptor left). It never changes a status.
	Indeterminate Verdict = iota
	Pass
	Fail
)

var verdictNames = [...]string{Indeterminate: "indeterminate", Pass: "pass", Fail: "fail"}

func (v Verdict) String() string { return verdictNames[v] }

// MarshalText writes the verdict as a word.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Result is the outcome of one probe.
type Result struct {
	Verdict Verdict
	// Blank says of a fail that nothing came back from the target, as it would be if the network of this
	// host were dead: a timeout, an unreachable network, a name that was not found.
	Blank bool
	// Reason is one word of a small set, fit for a metric label: "ok", "timeout",
	// "refused", "status", "body", "tls", "name", "throttled", "credentials", ….
	Reason string
	// Detail is one line for an operator, without the target's name. It may be empty.
	Detail string
	// Notes is what was found beside the verdict; nil: nothing.
	Notes *Notes
}

// Notes is what a probe found beside its verdict. It is never changed once it is in a Result.
type Notes struct {
	Slow     bool      // it passed, but took longer than the check calls slow
	Expires  time.Time // when the first of the certificates that were shown ends; zero: none was
	Expiring bool      // that is nearer than the check wants: a person must renew it
	Load     *Load     // what the target says of its pool's load or weight; nil: nothing
	// Until is when the verdict is to be looked at again; zero: when the target is due anyway.
	Until    time.Time
	Answered bool // it has answered something, although what failed was not answered
}
