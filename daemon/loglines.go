package daemon

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"gslb/health"
	"gslb/incident"
	"gslb/internal/plural"
	"gslb/override"
	"gslb/publish"
	"gslb/replication"
	"gslb/steer"
	"gslb/zones"
)

// Bounds of what a line lists: thousands of names may be steered alike, and a pool may have thousands
// of addresses.
const (
	maxListed    = 5 // names, views
	maxWhy       = 10
	maxAddresses = 20
)

// logEvents writes a line for every change that is served: what changed, from what to what, and
// why. Causes come first.
func logEvents(logger *slog.Logger) func([]publish.Event) {
	l := eventLines{logger}
	return func(events []publish.Event) {
		for _, e := range events {
			switch {
			case e.Override != nil:
				l.override(e.Override)
			case e.Copy != nil:
				l.copy(e.Copy)
			case e.Hold != nil:
				l.hold(e.Hold)
			case e.Config != nil:
				l.config(e.Config, e.Census)
			case e.Target != nil:
				l.target(e.Target)
			case e.Expiry != nil:
				l.expiry(e.Expiry)
			case e.Pool != nil:
				l.pool(e.Pool)
			case e.Answer != nil:
				l.answer(e.At, e.Answer)
			}
		}
	}
}

// eventLines writes events to the log of the program. Events as data, in events.log, are of package journal.
type eventLines struct{ logger *slog.Logger }

func (l eventLines) line(level slog.Level, msg string, attributes ...any) {
	l.logger.Log(context.Background(), level, msg, attributes...)
}

func (l eventLines) config(set *zones.Set, census *publish.Census) {
	l.line(slog.LevelInfo, "configuration in use", "config", set.Path, "hash", set.Hash, "what", set.String(),
		"targets_up", census.Up, "targets_down", len(census.Down), "targets_unknown", len(census.Unknown))
	for _, warning := range set.Warnings {
		l.line(slog.LevelWarn, "part of the configuration is probably a mistake", "warning", warning)
	}
}

// override logs what a person said, or that it has ended. One without an end is a warning: what
// everybody forgot is an outage of its own.
func (l eventLines) override(c *override.Change) {
	attributes := []any{"override", c.ID(), "what", c.String()}
	if c.By != "" {
		attributes = append(attributes, "by", c.By)
	}
	switch {
	case c.Gone:
		l.line(slog.LevelInfo, "override ended", append(attributes, "why", c.Why)...)
	case c.Until.IsZero():
		l.line(slog.LevelWarn, "override in force, and it has no end", attributes...)
	default:
		l.line(slog.LevelInfo, "override in force", append(attributes, "until", c.Until)...)
	}
}

// copy logs what is known of the data behind pools. That it is degraded is an error: what protects it from
// losing writes may keep clients from the region for long.
func (l eventLines) copy(c *replication.Change) {
	level, msg := slog.LevelWarn, "copy "+c.To.Condition.String()
	switch {
	case c.To.Degraded && !c.From.Degraded:
		level, msg = slog.LevelError, "copy "+c.To.Condition.String()+": no clients are moved to its region"
	case c.To.Condition == replication.Current:
		level = slog.LevelInfo
	}
	l.line(level, msg, "replication", c.Group, "region", c.Region.Region, "from", c.From.Condition.String(), "why", c.To.Why, "lags", c.Lags.String(), "at", c.At)
}

// hold logs that a rule keeps statuses or answers as they were, against what the probes say.
func (l eventLines) hold(h *publish.HoldChange) {
	attributes := []any{"rule", h.Rule}
	if !h.Since.IsZero() {
		attributes = append(attributes, "since", h.Since)
	}
	if !h.Until.IsZero() {
		attributes = append(attributes, "until", h.Until)
	}
	if len(h.Targets) > 0 {
		attributes = append(attributes, "targets", firstOf(texts(h.Targets), maxListed))
	}
	if len(h.Pools) > 0 {
		attributes = append(attributes, "pools", firstOf(h.Pools, maxListed))
	}
	if h.Why != "" {
		attributes = append(attributes, "why", h.Why)
	}
	switch {
	case h.Over:
		l.line(slog.LevelInfo, "hold ended", attributes...)
	case h.Rule == steer.FailbackManual:
		l.line(slog.LevelWarn, "a preferred pool is up again, and waits for a person", attributes...)
	default:
		l.line(slog.LevelError, "probes are not believed: what was answered is held", attributes...)
	}
}

func texts(ids []health.TargetID) []string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = string(id)
	}
	return list
}

func (l eventLines) target(t *health.Transition) {
	l.line(levelOf(t.To), "target "+t.To.String(), "target", t.Target.ID, "check", t.Target.Check,
		"from", t.From.String(), lasted(t.From, t.Lasted), "reason", t.Cause.Reason, "detail", t.Cause.Detail, "at", t.At)
}

// expiry logs that somebody must renew a certificate, or has done so.
func (l eventLines) expiry(x *publish.Expiry) {
	if x.Until.IsZero() {
		l.line(slog.LevelInfo, "certificate renewed", "target", x.Target)
		return
	}
	l.line(slog.LevelWarn, "certificate must be renewed", "target", x.Target, "valid_until", x.Until.UTC())
}

func (l eventLines) pool(p *publish.PoolChange) {
	l.line(levelOf(p.To.Status), "pool "+p.To.Status.String(), "pool", p.To.Pool.Name, "region", p.To.Pool.Region,
		"from", p.From.String(), lasted(p.From, p.Lasted), "why", p.To.Why)
}

// lasted is the attribute that says how long a status had lasted: down_for, when it is up again.
// It is left out of the line if that is not known.
func lasted(from health.Status, d time.Duration) slog.Attr {
	if d <= 0 || from == health.Unknown {
		return slog.Attr{}
	}
	return slog.Duration(from.String()+"_for", d.Round(time.Millisecond))
}

func levelOf(s health.Status) slog.Level {
	if s == health.Down {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// answer logs why some names answer something else, what they answer, and by when the clients have it.
func (l eventLines) answer(at time.Time, a *publish.AnswerChange) {
	attributes := []any{"why", why(a), "names", nameList(a.Names)}
	if views := a.Views(); len(views) > 0 {
		attributes = append(attributes, "views", firstOf(views, maxListed))
	}
	msg, difference := "first answer", a.Difference()
	if difference != publish.FirstAnswer {
		msg = "answer changed"
		attributes = append(attributes, changed(a, difference)...)
	}
	attributes = append(attributes, "pool", a.To.Described(), "mode", string(a.To.Mode),
		"addresses", firstOf(answered(&a.To), maxAddresses), "ttl", a.To.TTL)
	if cached := a.Cached(); cached > 0 && (difference == publish.OtherPool || difference == publish.OtherAddresses) {
		attributes = append(attributes, "clients_moved_by", at.Add(cached).UTC())
	}
	l.line(levelOfMode(&a.To), msg, attributes...)
}

// logIncidents writes what the lines of events amount to, in one line for people: what is wrong, since when, why,
// and what is answered instead.
func logIncidents(logger *slog.Logger) func([]incident.Change) {
	return func(changes []incident.Change) {
		for _, c := range changes {
			level := slog.LevelWarn
			switch {
			case c.What == incident.Paused, c.What == incident.Resumed:
				continue // the lines of its targets and pools say it
			case c.What == incident.Ended:
				level = slog.LevelInfo
			case c.Incident.Critical:
				level = slog.LevelError
			}
			attributes := []any{"what", c.Incident.Text}
			if c.What != incident.Ended && c.Incident.Do != "" {
				attributes = append(attributes, "do", c.Incident.Do)
			}
			logger.Log(context.Background(), level, "incident "+string(c.What), append(attributes, "kind", string(c.Incident.Kind), "incident", c.Incident.ID)...)
		}
	}
}

// levelOfMode is how loud an answer is: an error if it leads clients to what is not up, or nowhere.
// A route without tiers leads nowhere because the configuration says so.
func levelOfMode(d *steer.Decision) slog.Level {
	switch d.Mode {
	case steer.Panic, steer.AssumeUp, steer.LastGood, steer.Fallback, steer.All, steer.NoData, steer.ServFail:
		if len(d.Route.Tiers) > 0 {
			return slog.LevelError
		}
	case steer.Held:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// changed is the attributes that say what differs from the answer before.
func changed(a *publish.AnswerChange, difference publish.Difference) []any {
	attributes := []any{"changed", string(difference)}
	switch difference {
	case publish.OtherPool, publish.OtherWeights:
		attributes = append(attributes, "from", a.From.Described())
	case publish.OtherAddresses:
		attributes = append(attributes, "added", without(&a.To, &a.From), "removed", without(&a.From, &a.To))
	}
	if a.From.Mode != a.To.Mode {
		attributes = append(attributes, "from_mode", string(a.From.Mode))
	}
	return attributes
}

// answered is the addresses and CNAMEs of a decision.
func answered(d *steer.Decision) []string {
	list := addresses(d.Addresses())
	for i := range d.Shares {
		if name := d.Shares[i].Pool.CNAME; name != "" {
			list = append(list, name)
		}
	}
	return list
}

// without is what one decision answers and another does not.
func without(d, other *steer.Decision) []string {
	theirs := answered(other)
	return firstOf(slices.DeleteFunc(answered(d), func(a string) bool { return slices.Contains(theirs, a) }), maxAddresses)
}

// firstOf is so many of a list at most, and how many others there are.
func firstOf(list []string, most int) []string {
	shown := list[:min(most, len(list))]
	return andOthers(shown, len(list)-len(shown))
}

func nameList(names []*zones.Name) []string {
	shown := names[:min(maxListed, len(names))]
	list := make([]string, len(shown))
	for i, n := range shown {
		list[i] = n.Name
	}
	return andOthers(list, len(names)-len(shown))
}

// andOthers adds to a list how many there are that it does not list.
func andOthers(list []string, others int) []string {
	if others == 0 {
		return list
	}
	return append(slices.Clip(list), "and "+plural.Of(others, "other", "others"))
}

// why is the reasons in one line: of the pools that explain the change, then of the others that are
// answered. The API has those of all pools.
func why(a *publish.AnswerChange) string {
	pools, causes := a.Why()
	var parts []string
	for i, r := range pools {
		part := r.Pool + " " + r.Status.String()
		if r.Chosen {
			part += ", chosen"
		}
		if i < causes || r.Chosen {
			parts = append(parts, part+" ("+r.Why+")")
		}
	}
	return strings.Join(firstOf(parts, maxWhy), "; ")
}
