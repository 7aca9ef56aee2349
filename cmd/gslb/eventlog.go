package main

import (
	"log/slog"
	"strings"

	"gslb/health"
	"gslb/publish"
	"gslb/steer"
	"gslb/zones"
)

// logEvents writes a line for every change that is served: what changed, from what to
// what, and why.
func logEvents(logger *slog.Logger) func([]publish.Event) {
	return func(events []publish.Event) {
		for _, e := range events {
			switch {
			case e.Config != nil:
				logger.Info("configuration in use", "config", e.Config.Path, "hash", e.Config.Hash, "what", summary(e.Config))
				for _, warning := range e.Config.Warnings {
					logger.Warn("the configuration is hardly meant as it is written", "warning", warning)
				}
			case e.Target != nil:
				logTarget(logger, e.Target)
			case e.Pool != nil:
				logPool(logger, e.Pool)
			case e.Answer != nil:
				logAnswer(logger, e.Answer)
			}
		}
	}
}

func logTarget(logger *slog.Logger, t *health.Transition) {
	log := logger.Info
	if t.To == health.Down {
		log = logger.Warn
	}
	log("target "+t.To.String(), "target", t.Target.ID, "check", t.Target.Check, "from", t.From.String(),
		"reason", t.Cause.Reason, "detail", t.Cause.Detail, "at", t.At)
}

func logPool(logger *slog.Logger, p *publish.PoolChange) {
	log := logger.Info
	if p.To.Status == health.Down {
		log = logger.Warn
	}
	log("pool "+p.To.Status.String(), "pool", p.To.Pool.Name, "region", p.To.Pool.Region,
		"from", p.From.String(), "why", p.To.Why)
}

func logAnswer(logger *slog.Logger, a *publish.AnswerChange) {
	log := logger.Info
	switch a.To.Mode {
	case steer.AssumeUp, steer.LastGood, steer.Fallback, steer.ServFail:
		log = logger.Error
	}
	log("answer changed", "names", nameList(a.Names), "mode", string(a.To.Mode), "pool", a.To.PoolName(), "from", a.From.PoolName(),
		"addresses", addresses(a.To.Addresses), "ttl", a.To.TTL, "why", why(a.To))
}

// maxListed bounds how many names a line lists: thousands may be steered alike.
const maxListed = 5

func nameList(names []*zones.Name) string {
	var b strings.Builder
	for i, n := range names {
		if i == maxListed {
			b.WriteString(" and " + count(len(names)-i, "other"))
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(n.Name)
	}
	return b.String()
}

// why is the whole decision in one line: every pool in order, and what was made of it.
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
