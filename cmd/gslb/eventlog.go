package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gslb/health"
	"gslb/publish"
	"gslb/steer"
	"gslb/zones"
)

// maxListed bounds how many names a line lists: thousands may be steered alike.
const maxListed = 5

// logEvents writes a line for every change that is served: what changed, from what to what, and
// why. Causes come first.
func logEvents(logger *slog.Logger) func([]publish.Event) {
	l := eventLog{logger}
	return func(events []publish.Event) {
		for _, e := range events {
			switch {
			case e.Config != nil:
				l.config(e.Config, e.Census)
			case e.Target != nil:
				l.target(e.Target)
			case e.Pool != nil:
				l.pool(e.Pool)
			case e.Answer != nil:
				l.answer(e.Answer)
			}
		}
	}
}

type eventLog struct{ logger *slog.Logger }

func (l eventLog) line(level slog.Level, msg string, attributes ...any) {
	l.logger.Log(context.Background(), level, msg, attributes...)
}

func (l eventLog) config(set *zones.Set, census *publish.Census) {
	l.line(slog.LevelInfo, "configuration in use", "config", set.Path, "hash", set.Hash, "what", summary(set),
		"targets_up", census.Up, "targets_down", len(census.Down), "targets_unknown", len(census.Unknown))
	for _, warning := range set.Warnings {
		l.line(slog.LevelWarn, "part of the configuration is probably a mistake", "warning", warning)
	}
}

func (l eventLog) target(t *health.Transition) {
	l.line(levelOf(t.To), "target "+t.To.String(), "target", t.Target.ID, "check", t.Target.Check,
		"from", t.From.String(), lasted(t.From, t.Lasted), "reason", t.Cause.Reason, "detail", t.Cause.Detail, "at", t.At)
}

func (l eventLog) pool(p *publish.PoolChange) {
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

// answer logs what a steering answers, and what has changed.
func (l eventLog) answer(a *publish.AnswerChange) {
	level := slog.LevelInfo
	switch a.To.Mode {
	case steer.AssumeUp, steer.LastGood, steer.Fallback, steer.ServFail:
		level = slog.LevelError
	}
	attributes := []any{"names", nameList(a.Names), "why", why(a.To)}
	msg := "first answer"
	if a.From.Route != nil {
		msg = "answer changed"
		attributes = append(attributes, difference(&a.From, &a.To)...)
	}
	l.line(level, msg, append(attributes, "pool", a.To.PoolName(), "mode", string(a.To.Mode),
		"addresses", addresses(a.To.Addresses()), "ttl", a.To.TTL)...)
}

// difference is the attributes that say what differs between two decisions: the pool, otherwise the
// mode, otherwise the addresses.
func difference(from, to *steer.Decision) (attributes []any) {
	switch {
	case from.PoolName() != to.PoolName():
		attributes = append(attributes, "changed", "pool", "from", from.PoolName())
	case from.Mode != to.Mode:
		attributes = append(attributes, "changed", "mode")
	default:
		attributes = append(attributes, "changed", "addresses", "added", without(to.Addresses(), from.Addresses()),
			"removed", without(from.Addresses(), to.Addresses()))
	}
	if from.Mode != to.Mode {
		attributes = append(attributes, "from_mode", string(from.Mode))
	}
	return attributes
}

// without is the addresses that are in one list and not in another.
func without(list, other []netip.Addr) []string {
	return addresses(slices.DeleteFunc(slices.Clone(list), func(a netip.Addr) bool { return slices.Contains(other, a) }))
}

func nameList(names []*zones.Name) []string {
	list := make([]string, 0, maxListed+1)
	for i, n := range names {
		if i == maxListed {
			return append(list, fmt.Sprintf("and %s", count(len(names)-i, "other")))
		}
		list = append(list, n.Name)
	}
	return list
}

// why is the whole decision in one line: every pool in order, with its status and reason.
func why(d steer.Decision) string {
	parts := make([]string, len(d.Reasons))
	for i, r := range d.Reasons {
		parts[i] = r.Pool + " " + r.Status.String()
		if r.Chosen {
			parts[i] += ", chosen"
		}
		parts[i] += " (" + r.Why + ")"
	}
	return strings.Join(parts, "; ")
}
