package admin

import (
	"fmt"
	"time"

	"gslb/admin/api"
	"gslb/health"
	"gslb/incident"
	"gslb/internal/plural"
	"gslb/steer"
)

// alarms lists what this server doubts, and what waits for a person, but for what incidents say already.
func (s *Server) alarms(m *moment, st *api.Status, told told) []api.Trouble {
	var all []api.Trouble
	report := func(critical bool, format string, args ...any) {
		all = append(all, api.Trouble{Critical: critical, Text: fmt.Sprintf(format, args...)})
	}
	for _, h := range st.Held {
		if told[incident.Kind(h.Rule)] {
			continue
		}
		text := fmt.Sprintf("Held by rule %s for %s: the last statuses of %s stay, whatever the probes say", h.Rule, duration(m.now.Sub(h.Since)), plural.Of(len(m.doubt.Targets), "target", "targets"))
		switch {
		case h.Rule == "blind":
			text = fmt.Sprintf("This server is blind for %s: its own failing verdicts do not count, statuses and answers stay", duration(m.now.Sub(h.Since)))
		case !h.Until.IsZero():
			text += ", until " + when(h.Until)
		}
		if h.Why != "" {
			text += " (" + cut(h.Why, longestError) + ")"
		}
		report(true, "%s", text)
	}
	if p := st.Config.Pending; p != nil && !told[incident.Pending] {
		report(true, "A configuration waits for gslb apply since %s: it answers %d of %s otherwise, which is more than %d %%", when(p.Since), p.Moved, plural.Of(p.Names, "name", "names"), p.Over)
	}
	var first, slowest *health.Report
	expiring, late := 0, 0
	for r := range m.targets() {
		if slow(r) {
			late++
			if slowest == nil || r.Took > slowest.Took {
				slowest = r
			}
		}
		if until := r.State.Expiring; !until.IsZero() {
			expiring++
			if first == nil || until.Before(first.State.Expiring) {
				first = r
			}
		}
	}
	if first != nil && !told[incident.Expiry] {
		report(false, "The certificate of %s must be renewed: the first, of %s, ends at %s", plural.Of(expiring, "target", "targets"), first.Target.ID, when(first.State.Expiring))
	}
	if slowest != nil {
		report(false, "%s slow: the slowest, %s, took %s at the last probe, more than %s",
			plural.Of(late, "target is", "targets are"), slowest.Target.ID, slowest.Took.Round(time.Millisecond), slowest.Target.Slow.After)
	}
	return all
}

// sayHold is a rule that holds something in the answers of a name, in words.
func (m *moment) sayHold(h api.Hold) string {
	var text string
	switch h.Rule {
	case steer.FailoverAfter:
		text = h.Pool + " is answered although it is down, because of failover_after"
	case steer.FailbackAfter:
		text = h.Pool + " has recovered and is not answered yet, because of failback_after"
	case steer.FailbackManual:
		text = h.Pool + " has recovered and waits for gslb failback"
	case steer.FailbackRamp:
		text = h.Pool + " has recovered, and its part of the clients grows"
	case steer.Degraded:
		text = h.Pool + " is not moved to, because of data that is behind"
	case steer.Velocity:
		text = h.Pool + " is down and taken for up, since others went down before (velocity)"
	default:
		text = h.Pool + " keeps its status by rule " + h.Rule
	}
	if !h.Until.IsZero() {
		text += ", until " + when(h.Until)
	}
	return text
}
