package admin

import (
	"fmt"
	"slices"
	"strings"

	"gslb/steer"
)

// problem is one line at the top of the page: what a person should know first.
type problem struct {
	Critical bool // answers are, or may be, wrong; otherwise: something is failing, and handled
	Text     string
}

// waitingLines is how many of the things that readiness waits for are named.
const waitingLines = 5

// modeProblems says what each mode other than normal means, after "N names".
var modeProblems = []struct {
	mode     steer.Mode
	critical bool
	text     string
}{
	{steer.ServFail, true, "answered SERVFAIL: no pool is left"},
	{steer.AssumeUp, true, "answered as if all were up: no pool is left"},
	{steer.LastGood, true, "answered with what was last good: no pool is left"},
	{steer.Fallback, true, "answered with the fallback: no pool is left"},
	{steer.Untested, false, "answered with a pool that has had no verdict yet: none is up"},
}

// problems lists what is wrong, the critical first.
func problems(st Status) []problem {
	var all []problem
	report := func(critical bool, format string, args ...any) {
		all = append(all, problem{critical, fmt.Sprintf(format, args...)})
	}
	for i, line := range st.Waiting {
		if i == waitingLines {
			report(false, "Not ready: %d more", len(st.Waiting)-i)
			break
		}
		report(line == answersMissing, "Not ready: %s", line)
	}
	if first, _, more := strings.Cut(st.Config.LastReloadError, "\n"); first != "" {
		if more {
			first += " (more under Configuration)"
		}
		report(true, "The last reload of the configuration failed: %s", first)
	}
	names, pools, targets := st.Summary.Names, st.Summary.Pools, st.Summary.Targets
	for _, m := range modeProblems {
		if n := names.Modes[m.mode]; n > 0 {
			report(m.critical, "%s %s", counted(n, "name is", "names are"), m.text)
		}
	}
	if targets.Stale > 0 {
		report(true, "%s no fresh verdict: the status is a guess", counted(targets.Stale, "target has", "targets have"))
	}
	if targets.Indeterminate > 0 {
		report(false, "%s not be judged: see the reason of its last probe", counted(targets.Indeterminate, "target could", "targets could"))
	}
	if pools.Down > 0 {
		report(false, "%s down", counted(pools.Down, "pool is", "pools are"))
	}
	if pools.Unknown > 0 {
		report(false, "%s unknown", counted(pools.Unknown, "pool is", "pools are"))
	}
	if n := names.Modes[steer.Normal] - names.Preferred; n > 0 {
		report(false, "%s not answered with the preferred pool", counted(n, "name is", "names are"))
	}
	if targets.Down > 0 {
		report(false, "%s down", counted(targets.Down, "target is", "targets are"))
	}
	slices.SortStableFunc(all, func(a, b problem) int {
		switch {
		case a.Critical == b.Critical:
			return 0
		case a.Critical:
			return -1
		default:
			return 1
		}
	})
	return all
}

// counted puts a number before the form of the words that goes with it.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
