package zones

import (
	"encoding/json"
	"fmt"
	"time"
)

// Notify is the [notify] table: who is told of incidents.
type Notify struct {
	Page    string         // the URL of the status page, for links; empty: none is given
	Runbook string         // the URL of the runbook, to which the anchor of a kind is added; empty: none is given
	Targets []NotifyTarget // by name
}

// NotifyTarget is one who is told.
type NotifyTarget struct {
	Name string
	Type NotifyType
	URL  Secret
	Key  Secret // messages to a webhook are signed with it; empty: those of this type are not signed

	Kinds        []string // of incident.Kind, that are told; none: all are
	CriticalOnly bool
	Resolved     bool // the end of an incident is told too

	GroupWait   time.Duration  // how long a message waits for others to go with it
	RepeatAfter time.Duration  // an incident that lasts is told again after so long; 0: it is not
	Rate        int            // messages an hour, at most
	Quiet       *Quiet         // nil: there is no quiet time
	Location    *time.Location // of times in messages, and of the quiet time
}

// NotifyType is how a target is spoken to.
type NotifyType string

const (
	NotifyShoutrrr     NotifyType = "shoutrrr"     // a service of github.com/nicholas-fedor/shoutrrr
	NotifyWebhook      NotifyType = "webhook"      // signed JSON
	NotifyAlertmanager NotifyType = "alertmanager" // API v2 of a Prometheus Alertmanager
)

// NotifyKinds is what a target can be told of: each incident.Kind. The types of incidents know the
// configuration, so that it can't import them.
func NotifyKinds() []string {
	return []string{
		"all-down", "blind", "certificate", "degraded", "failback-waits", "failover", "held", "member-down", "notify-failing",
		"override-ending", "pool-down", "reload-pending", "reload-refused", "stale", "suspect", "unjudged", "unsaved",
	}
}

// Quiet is the time of each day in which only what is critical is told.
type Quiet struct {
	From, To time.Duration // since midnight; To before From: it ends on the next day
	Critical bool          // what is critical waits too
}

// Until is when the quiet time ends that a moment lies in, by the clock of its own location; zero: it lies
// in none.
//
//	from    to      quiet
//	22:00   07:00   from 22:00 to midnight, and to 07:00
//	12:00   13:00   from 12:00 to 13:00
//
// On a day when that clock is set, the quiet time is longer or shorter.
func (q *Quiet) Until(now time.Time) time.Time {
	hour, minute, second := now.Clock()
	at := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
	overnight := q.To < q.From
	if within := at >= q.From && at < q.To || overnight && (at >= q.From || at < q.To); !within {
		return time.Time{}
	}
	day := now.Day()
	if overnight && at >= q.From {
		day++
	}
	minutes := int(q.To / time.Minute)
	end := time.Date(now.Year(), now.Month(), day, minutes/60, minutes%60, 0, 0, now.Location())
	if !end.After(now) { // the clock was set back across the end: the second time counts
		end = now.Add(time.Minute)
	}
	return end
}

// Secret is a text that is never printed: only Reveal gives it away.
type Secret string

const hidden = "(secret)"

// Reveal is the text itself, for those who need it.
func (s Secret) Reveal() string { return string(s) }

// Format implements fmt.Formatter.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.shown())) }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.shown()) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.shown()), nil }

func (s Secret) shown() string {
	if s == "" {
		return ""
	}
	return hidden
}
