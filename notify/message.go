package notify

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gslb/incident"
	"gslb/internal/shout"
	"gslb/zones"
)

// source is what a message says of where it comes from.
type source struct {
	host          string // of this server
	page, runbook string // URLs; empty: there is none
}

// fullIncidents is how many incidents a message tells everything of. Of the others it has a line each.
const fullIncidents = 10

// compose makes the text of a message.
//
//	[WARNING] nyc is out: ams is answered instead, for app.gslb.example.com and 1 more (ns1)
//
//	nyc is down: load balancer times out
//
//	Since:   2026-11-28 01:06:02 UTC
//	Answer:  app.gslb.example.com, www.gslb.example.com: ams (198.51.100.10) instead of nyc
//	Clients: have moved by 01:07:10 UTC
//	Do:      see whether the load balancer of nyc runs
//	Runbook: https://wiki.example.com/gslb/runbook#failover
//	Page:    https://ns1.example.com:8053/
func compose(items []item, from source, in *time.Location) shout.Text {
	// What is wrong comes before what is over.
	slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(rank(a), rank(b)) })
	first := items[0]
	t := shout.Text{Source: from.host, Link: from.page, Ended: true}
	for _, i := range items {
		t.Critical = t.Critical || i.incident.Critical
		t.Ended = t.Ended && !i.incident.Until.IsZero()
	}
	if len(items) == 1 {
		t.ID = first.incident.ID
	}
	more := ""
	if n := len(items) - 1; n > 0 {
		more = fmt.Sprintf(", and %d more", n)
	}
	t.Title = fmt.Sprintf("[%s] %s%s (%s)", state(first), title(&first), more, from.host)

	var b strings.Builder
	for n, i := range items {
		if n >= fullIncidents {
			fmt.Fprintf(&b, "[%s] %s\n", state(i), title(&i))
			continue
		}
		if len(items) > 1 {
			fmt.Fprintf(&b, "[%s] %s\n", state(i), title(&i))
		}
		describe(&b, i, from, in)
		if len(items) > 1 {
			b.WriteByte('\n')
		}
	}
	if from.page != "" {
		fmt.Fprintf(&b, "Page:    %s\n", from.page)
	}
	t.Body = strings.TrimSpace(b.String()) + "\n"
	return t
}

func rank(i item) int {
	switch over := !i.incident.Until.IsZero(); {
	case !over && i.incident.Critical:
		return 0
	case !over:
		return 1
	}
	return 2
}

// state is the first word of a message, by which people sort them.
func state(i item) string {
	switch {
	case i.what == test:
		return "TEST"
	case i.what == ended, i.what == was:
		return "RESOLVED"
	case i.incident.Critical:
		return "CRITICAL"
	}
	return "WARNING"
}

// title is an item in so few words that a phone shows them.
func title(i *item) string {
	if i.incident.Until.IsZero() {
		return headline(&i.incident)
	}
	return cmp.Or(i.incident.Outcome, headline(&i.incident))
}

// describe writes what is known of one incident, each thing once.
func describe(b *strings.Builder, i item, from source, in *time.Location) {
	n := &i.incident
	over := i.what == ended || i.what == was
	summary := cmp.Or(n.Summary, n.Text, headline(n)) // what an older gslb has left in state_dir has no summary
	if over && n.Outcome != "" {
		summary = "It was: " + summary
	}
	fmt.Fprintf(b, "%s\n\n", summary)
	line := func(label, format string, args ...any) {
		fmt.Fprintf(b, "%-9s%s\n", label+":", fmt.Sprintf(format, args...))
	}
	switch {
	case i.what == lasts:
		line("Since", "%s, and it lasts", moment(n.Since, in))
	case over:
		line("From", "%s", moment(n.Since, in))
		line("Until", "%s, after %s", moment(n.Until, in), span(n.Until.Sub(n.Since)))
	default:
		line("Since", "%s", moment(n.Since, in))
	}
	if n.Summary == "" && n.Why != "" && !strings.Contains(summary, n.Why) {
		line("Why", "%s", n.Why)
	}
	if !over {
		for at := range n.Moves {
			line("Answer", "%s", move(&n.Moves[at]))
		}
		if more := n.MovesTotal - len(n.Moves); more > 0 {
			line("Answer", "and %d more", more)
		}
		if !n.Moved.IsZero() {
			line("Clients", "have moved by %s", n.Moved.In(in).Format("15:04:05 MST"))
		}
		if n.Do != "" {
			line("Do", "%s", n.Do)
		}
		if from.runbook != "" && i.what != test {
			line("Runbook", "%s", from.runbook+"#"+string(n.Kind))
		}
	}
}

// move is what names are answered instead.
func move(m *incident.Move) string {
	names := make([]string, len(m.Names))
	for i, name := range m.Names {
		names[i] = zones.Plain(name)
	}
	text := strings.Join(names, ", ")
	if more := m.NamesTotal - len(m.Names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	text += ": " + cmp.Or(m.To, "nothing")
	if len(m.Addresses) > 0 {
		text += " (" + joined(m.Addresses) + ")"
	}
	if m.From == m.To {
		return text + ", as before"
	}
	return text + " instead of " + cmp.Or(m.From, "nothing")
}

func joined(addresses []netip.Addr) string {
	texts := make([]string, len(addresses))
	for i, a := range addresses {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

func moment(t time.Time, in *time.Location) string { return t.In(in).Format("2006-01-02 15:04:05 MST") }

// span is a time as people say it: "12m", "3h5m", "9s".
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		d = d.Round(time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	default:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return d.String()
}

// concerned is the names that an incident moves, or its subject if there are none.
func concerned(i *incident.Incident) string {
	names := 0
	for _, m := range i.Moves {
		names += m.NamesTotal
	}
	if names == 0 || len(i.Moves[0].Names) == 0 {
		return "the names of " + zones.Plain(i.Subject)
	}
	first := zones.Plain(i.Moves[0].Names[0])
	if names > 1 {
		first += fmt.Sprintf(" and %d more", names-1)
	}
	return first
}

// headline is what is wrong, in as few words.
func headline(i *incident.Incident) string {
	of := zones.Plain(i.Subject)
	switch i.Kind {
	case incident.Failover:
		if len(i.Moves) == 1 && i.MovesTotal == 1 {
			return of + " is out: " + cmp.Or(i.Moves[0].To, "nothing") + " is answered instead, for " + concerned(i)
		}
		return of + " is out, and its names answer something else"
	case incident.PoolDown:
		return of + " is down, and no answer has changed"
	case incident.MemberDown:
		return of + " is partly down: its other members are answered"
	case incident.AllDown:
		if what, _, _ := strings.Cut(i.Summary, ":"); what != "" {
			return what // that no pool is left, or too little is up
		}
		return "no pool is left, or too little is up, for " + concerned(i)
	case incident.Held:
		return of + " is down, and still answered"
	case incident.Blind:
		return "this server can't see anything"
	case incident.Suspect:
		return "many targets went silent together"
	case incident.Degraded:
		return "the data behind " + of + " is behind"
	case incident.Stale:
		return "verdicts are too old: " + of
	case incident.Unjudged:
		return "probes can't judge " + of
	case incident.Refused:
		return "the configuration was not reloaded"
	case incident.Pending:
		return "a configuration waits for gslb apply"
	case incident.Expiry:
		return "a certificate ends: " + of
	case incident.OverrideBy:
		return "the override " + of + " is about to end"
	case incident.Waiting:
		return of + " has recovered, and waits for gslb failback"
	case incident.Unsaved:
		return of + " can't be written"
	case incident.Notifying:
		return "messages don't reach " + of
	case trialKind:
		return "this is a test"
	}
	return strings.TrimSpace(string(i.Kind) + " " + of)
}
