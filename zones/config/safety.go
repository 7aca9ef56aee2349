package config

import (
	"cmp"
	"slices"
	"time"

	"gslb/health"

	"gslb/zones/problem"
)

// Limits of the [safety] table.
const (
	defaultSuspectShare = 80
	maxSuspect          = 24 * time.Hour // of both durations

	defaultDownWithin = 5 * time.Minute
	maxDownWithin     = 7 * 24 * time.Hour
	maxMaxDown        = 1000
)

// velocity reads how many pools of a name may go down by probes within which time.
func (l *loader) velocity(raw *rawSafety) {
	at := problem.Top("safety")
	if raw.MaxDown == nil {
		if raw.Within != nil {
			l.Add(at.Key("within"), "is the time in which max_down pools of a name may go down, which is not set; set it, or remove this")
		}
		return
	}
	l.maxDown, l.downWithin = l.within(at.Key("max_down"), *raw.MaxDown, 1, maxMaxDown), defaultDownWithin
	if raw.Within != nil {
		l.downWithin = raw.Within.Duration
		l.durationWithin(at.Key("within"), *raw.Within, time.Second, maxDownWithin)
	}
}

// doubt reads when this server does not believe its own probes. Pools are read after it, since a check
// of the vantage may be theirs too.
func (l *loader) doubt(raw *rawSafety) {
	s, at := &l.set.Safety, problem.Top("safety")
	l.vantage(at.Key("vantage"), raw.Vantage)
	s.SuspectWindow, s.SuspectHold = raw.SuspectWindow.Duration, raw.SuspectHold.Duration
	l.durationWithin(at.Key("suspect_window"), raw.SuspectWindow, 100*time.Millisecond, maxSuspect)
	l.durationWithin(at.Key("suspect_hold"), raw.SuspectHold, time.Second, maxSuspect)
	s.SuspectShare = defaultSuspectShare
	if raw.SuspectShare == nil {
		return
	}
	share, ok := percentage(*raw.SuspectShare)
	if !ok {
		l.Add(at.Key("suspect_share"), `found %q; expected a share of the targets from "1%%" to "100%%", or "0%%" for none`, *raw.SuspectShare)
	} else if len(raw.Vantage) > 0 {
		l.Add(at.Key("suspect_share"), "has no effect beside vantage, which says what this server sees; remove one of the two")
	}
	s.SuspectShare = share
}

// vantage makes a target of each check that is named.
func (l *loader) vantage(at *problem.Place, names []string) {
	if names != nil && len(names) == 0 {
		l.Add(at, "found an empty list; expected at least one check, or no such key")
	}
	seen := make(map[string]bool)
	for i, name := range names {
		c, at := l.checks[name], at.Index(i)
		switch {
		case c == nil:
			l.Add(at, "there is no check %q; %s", name, meantKey(name, l.checks))
		case seen[name]:
			l.Add(at, "%q is given twice", name)
		case c.of != nil:
			l.Add(at, "check %q is calculated from others; expected checks that are made themselves", name)
			c.used = true
		case c.isFilledIn():
			l.Add(at, "check %q has placeholders, which only a pool fills in; expected a check of one thing that no region fails together with", name)
			c.used = true
		case c.spec != nil:
			t := l.target(c, &filling{values: make(map[string]string)})
			t.Vantage = true
			l.targets.add(t, "", &l.set.Safety.Vantage)
			c.used = true
		default:
			c.used = true // what is wrong with it is reported elsewhere
		}
		seen[name] = true
	}
}

// isFilledIn reports whether the check holds any placeholder.
func (c *check) isFilledIn() bool {
	return slices.ContainsFunc(c.texts, func(t *text) bool { return len(t.names()) > 0 })
}

// place is what the targets of a pool fail together with.
func (p *pool) place(t health.Target) health.Target {
	t.Place = cmp.Or(p.Region, p.Name)
	return t
}
