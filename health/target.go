package health

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// TargetID names a target within one configuration: "web@203.0.113.10", "table@us-east-1".
// It is the same over reloads and restarts as long as the configuration means the same.
type TargetID string

// Target is one check applied to one address, or once to a whole pool, with every
// placeholder filled in. Pools that apply the same check to the same address share it.
// A Target is never changed after it was built.
type Target struct {
	ID      TargetID
	Check   string // the check's name in the configuration
	Subject string // what it is applied to: an address, a region, or a pool's name
	Spec    Spec

	Interval     time.Duration // between the starts of two probes
	FastInterval time.Duration // the same, while the target is turning
	Timeout      time.Duration // of one probe, shorter than Interval
	Rise         int           // consecutive passes that turn it up
	Fall         int           // consecutive fails that turn it down
	Flap         Flap          // what turns it down although it does not fail Fall times in a row

	// Place is what the target fails together with: a region, or a pool without one. It is empty if no
	// pool has the target.
	Place string
	// Vantage says that the target fails together with no region: it shows whether this host sees
	// anything.
	Vantage bool

	// Fingerprint is a digest of Spec: two targets with the same one probe the same thing
	// in the same way, so that a verdict outlives a reload or a restart.
	Fingerprint string
}

// Flap turns a target down that fails now and then: Percent of its last Of probes. The zero value turns
// none.
type Flap struct{ Percent, Of int }

// MaxFlap is the largest Flap.Of.
const MaxFlap = 64

// staleIntervals is how many intervals, and a timeout, a verdict may be old before it is stale. So
// one or two probes may fail to judge.
const staleIntervals = 3

// StaleAfter is the age above which the target's verdict is too old to be relied on.
func (t *Target) StaleAfter() time.Duration { return staleIntervals*t.Interval + t.Timeout }

// Spec is what a probe needs to know of its kind: [HTTP], [TCP] or [DynamoDB].
type Spec interface {
	// Kind is the check's type as the configuration writes it: "http", "tcp", "dynamodb".
	Kind() string
}

// HTTP is a request and what must come back. A new connection is made for each probe.
type HTTP struct {
	URL        string // absolute; the scheme says whether it is TLS
	Method     string
	Host       string // Host header and TLS server name; empty: the URL's
	ServerName string // TLS server name where it differs from Host
	Headers    map[string]string
	Body       string // of the request

	Status          []StatusRange  // any of them passes
	Pattern         *regexp.Regexp // the response's body must match; nil: not read
	MaxBody         int64          // bytes of the response's body that are looked at
	FollowRedirects bool           // at most ten, never to another address
	SkipVerify      bool           // of the server's certificate
	RootsFile       string         // PEM file of the roots to verify by; empty: the system's
	CompatibleTLS   bool           `json:",omitempty"` // with what servers spoke in 2020
}

// StatusRange is a range of HTTP status codes, both ends included.
type StatusRange struct{ From, To int }

// StatusText writes a list of status codes as the configuration does.
func StatusText(list []StatusRange) string {
	words := make([]string, len(list))
	for i, r := range list {
		if r.From == r.To {
			words[i] = fmt.Sprint(r.From)
		} else {
			words[i] = fmt.Sprintf("%d-%d", r.From, r.To)
		}
	}
	return strings.Join(words, ", ")
}

// TCP is a connection that must open and, where asked, a short exchange on it.
type TCP struct {
	Address string         // host:port, IPv6 in brackets
	Send    string         // written once connected; empty: nothing
	Pattern *regexp.Regexp // what is read must match; nil: nothing is read
}

// DynamoDB is an eventually consistent GetItem of one small key against a region's own
// endpoint.
type DynamoDB struct {
	Table       string
	Region      string
	Endpoint    string                  // base URL; empty: the region's own
	Key         map[string]KeyAttribute // by attribute name
	RequireItem bool                    // a key that is not there fails

	// Verdicts that an operator may choose.
	Throttling   Verdict // Pass or Fail
	MissingTable Verdict // Indeterminate or Fail
}

// KeyAttribute is the value of a key attribute. DynamoDB keys are strings or numbers here
// (binary keys cannot be written in TOML).
type KeyAttribute struct {
	Value  string
	Number bool // DynamoDB type N rather than S; Value is its decimal form
}

// Kind returns "http".
func (*HTTP) Kind() string { return "http" }

// Kind returns "tcp".
func (*TCP) Kind() string { return "tcp" }

// Kind returns "dynamodb".
func (*DynamoDB) Kind() string { return "dynamodb" }

// Probe executes one probe. It ends soon after ctx does. A probe that is cut short by the context's
// deadline is a Fail with reason "timeout". A Probe is never called twice at once.
type Probe func(ctx context.Context) Result

// Maker makes the probe of a target. It does no input or output that can block, except for reading
// local files, and fails only for errors in the configuration.
type Maker func(Target) (Probe, error)
