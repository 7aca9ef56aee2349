package admin

import (
	"fmt"
	"strings"
	"time"

	"gslb/admin/api"
	"gslb/incident"
	"gslb/internal/plural"
	"gslb/steer"
)

// waitingLines is how many of the things that readiness waits for are named.
const waitingLines = 5

// unready lists what readiness waits for.
func unready(st api.Status) []api.Trouble {
	var all []api.Trouble
	report := func(critical bool, format string, args ...any) {
		all = append(all, api.Trouble{Critical: critical, Text: fmt.Sprintf(format, args...)})
	}
	for i, line := range st.Waiting {
		if i == waitingLines {
			report(false, "Not ready: %d more", len(st.Waiting)-i)
			break
		}
		report(line == answersMissing, "Not ready: %s", line)
	}
	return all
}

// downKinds is of incidents that say which pools are down.
var downKinds = []incident.Kind{incident.AllDown, incident.Held, incident.Failover, incident.PoolDown}

// modeProblems says what each mode other than normal means, after "N names".
var modeProblems = []struct {
	mode     steer.Mode
	critical bool
	text     string
	kinds    []incident.Kind // that say it
}{
	{steer.ServFail, true, "answered SERVFAIL: no pool is left", []incident.Kind{incident.AllDown}},
	{steer.NoData, true, "answered with no address: no pool is left", []incident.Kind{incident.AllDown}},
	{steer.All, true, "answered with every address: no pool is left", []incident.Kind{incident.AllDown}},
	{steer.AssumeUp, true, "answered as if all were up: no pool is left", []incident.Kind{incident.AllDown}},
	{steer.LastGood, true, "answered with what was last good: no pool is left", []incident.Kind{incident.AllDown}},
	{steer.Fallback, true, "answered with the fallback: no pool is left", []incident.Kind{incident.AllDown}},
	{steer.Panic, true, "answered with pools that are down too: the rest of the tier would be overrun", []incident.Kind{incident.AllDown}},
	{steer.Pinned, false, "answered with the pool that a person wants", nil},
	{steer.Ramped, false, "answered with a pool that returns step by step", []incident.Kind{incident.Failover}},
	{steer.Held, false, "answered with a pool that is down, by failover_after", []incident.Kind{incident.Held}},
	{steer.Untested, false, "answered with a pool that has had no verdict yet: none is up", nil},
}

// problems lists what is wrong, but for what incidents say already.
func problems(st api.Status, told told) []api.Trouble {
	var all []api.Trouble
	report := func(critical bool, format string, args ...any) {
		all = append(all, api.Trouble{Critical: critical, Text: fmt.Sprintf(format, args...)})
	}
	if first, _, more := strings.Cut(st.Config.LastReloadError, "\n"); first != "" && !told[incident.Refused] {
		if more {
			first += " (more under Configuration)"
		}
		report(true, "The last reload of the configuration failed: %s", first)
	}
	names, pools, targets := st.Summary.Names, st.Summary.Pools, st.Summary.Targets
	for _, m := range modeProblems {
		n := names.Modes[m.mode]
		if m.mode == steer.Held {
			n -= names.Slowed // of which more is said below
		}
		if n > 0 && !told.any(m.kinds...) {
			report(m.critical, "%s %s", plural.Of(n, "name is", "names are"), m.text)
		}
	}
	if targets.Stale > 0 && !told.any(incident.Stale, incident.Unjudged) {
		report(true, "%s no fresh verdict: the status is a guess", plural.Of(targets.Stale, "target has", "targets have"))
	}
	if targets.Indeterminate > 0 && !told[incident.Unjudged] {
		report(false, "%s not be judged: see the reason of its last probe", plural.Of(targets.Indeterminate, "target could", "targets could"))
	}
	if pools.Down > 0 && !told.any(downKinds...) {
		report(false, "%s down", plural.Of(pools.Down, "pool is", "pools are"))
	}
	if pools.Unknown > 0 {
		report(false, "%s unknown", plural.Of(pools.Unknown, "pool is", "pools are"))
	}
	if names.Waiting > 0 && !told[incident.Waiting] {
		report(false, "%s for gslb failback: the preferred pool has recovered", plural.Of(names.Waiting, "name waits", "names wait"))
	}
	if names.Slowed > 0 && !told[incident.Held] {
		report(true, "%s answered with a pool that is down, since too many others went down before (velocity): gslb force down POOL, if it is right", plural.Of(names.Slowed, "name is", "names are"))
	}
	if n := names.Modes[steer.Normal] - names.Preferred; n > 0 && !told.any(incident.Failover, incident.Waiting) {
		report(false, "%s not answered with the preferred pool", plural.Of(n, "name is", "names are"))
	}
	if targets.Down > 0 && !told.any(downKinds...) && !told[incident.MemberDown] {
		report(false, "%s down", plural.Of(targets.Down, "target is", "targets are"))
	}
	if targets.Unknown > 0 {
		report(false, "%s no verdict yet", plural.Of(targets.Unknown, "target has", "targets have"))
	}
	if targets.Failing > 0 {
		report(false, "%s failed its last probe without being down", plural.Of(targets.Failing, "target has", "targets have"))
	}
	return all
}

// Bounds on what is said of the configuration, and how early of a certificate.
const (
	warningLines = 5
	renewBefore  = 7 * 24 * time.Hour
)

// warnings lists what is probably a mistake in the configuration, or will be.
func (s *Server) warnings(m *moment) []api.Trouble {
	var all []api.Trouble
	report := func(format string, args ...any) {
		all = append(all, api.Trouble{Text: fmt.Sprintf(format, args...)})
	}
	if cert := s.options.Settings().Certificate; cert != nil {
		switch left := cert.Leaf.NotAfter.Sub(m.now); {
		case left <= 0:
			report("The certificate of this server has expired at %s: clients refuse it", when(cert.Leaf.NotAfter))
		case left < renewBefore:
			report("The certificate of this server expires in %s", duration(left))
		}
	}
	if m.table == nil {
		return all
	}
	lines := m.table.Set().Warnings
	for i, line := range lines {
		if i == warningLines {
			report("Configuration: %d more warnings, which gslb check lists", len(lines)-i)
			break
		}
		report("Configuration: %s", cut(line.Error(), longestError))
	}
	return all
}
