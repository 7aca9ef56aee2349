package operate

import (
	"fmt"
	"strings"

	"gslb/admin/api"
	"gslb/internal/plural"
	"gslb/steer"
	"gslb/zones"
)

// planText is a plan for people: what is added begins with +, what changes with ~, what is removed with -,
// and what stands in the way with !.
func planText(p *api.Plan) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if p.Nothing {
		line("No changes: %s would answer as the configuration that is live.", p.Path)
		planWarnings(line, p.Warnings)
		return b.String()
	}
	line("%s would change this:", p.Path)
	section := func(any bool) {
		if any {
			line("")
		}
	}
	section(len(p.Added) > 0)
	for _, n := range p.Added {
		line("  + %s is answered with %s", zones.Plain(n.Name), answered(n.Pool, n.Mode))
	}
	more(line, "+", p.AddedTotal-len(p.Added), "name")
	section(len(p.Changes) > 0)
	for i := range p.Changes {
		planChange(line, &p.Changes[i])
	}
	more(line, "~", p.ChangesTotal-len(p.Changes), "change")
	section(len(p.Removed) > 0)
	for _, n := range p.Removed {
		line("  - %s was answered with %s", zones.Plain(n.Name), answered(n.Pool, n.Mode))
	}
	more(line, "-", p.RemovedTotal-len(p.Removed), "name")
	section(len(p.Targets)+len(p.RemovedTargets) > 0)
	for i := range p.Targets {
		t := &p.Targets[i]
		line("  + target %s: %s", t.ID, verdict(t))
	}
	more(line, "+", p.TargetsTotal-len(p.Targets), "target")
	for _, id := range p.RemovedTargets {
		line("  - target %s", id)
	}
	more(line, "-", p.RemovedTargetsTotal-len(p.RemovedTargets), "target")
	section(len(p.Other) > 0)
	for _, text := range p.Other {
		line("  ~ %s", text)
	}
	section(len(p.Restart) > 0)
	for _, text := range p.Restart {
		line("  ! %s: a reload is refused", text)
	}
	planWarnings(line, p.Warnings)
	line("")
	line("Plan: %s to add, %s to change, %s to remove.%s", plural.Of(p.AddedTotal, "name", "names"), plural.Of(p.Moved, "name", "names"), plural.Of(p.RemovedTotal, "name", "names"), passing(p))
	return b.String()
}

func planChange(line func(string, ...any), c *api.Change) {
	line("  ~ %s", spoken(c.Names, c.NamesTotal, 3))
	if len(c.Views) > 0 {
		line("      for clients in %s", strings.Join(c.Views, ", "))
	}
	from := "nothing"
	if c.FromMode != "" {
		from = answered(c.From, c.FromMode)
	}
	to := answered(c.To, c.ToMode)
	if from == to {
		to += ", with other addresses"
	}
	line("      %s -> %s", from, to)
	line("      since %s", c.Why)
	if c.LeavesNothing {
		line("      ! nothing that is up is left")
	}
}

// answered is pools that are answered, and how if that is not as usual.
func answered(pool string, mode steer.Mode) string {
	if pool == "" {
		pool = "no pool"
	}
	if mode == steer.Normal {
		return pool
	}
	return fmt.Sprintf("%s (%s)", pool, mode)
}

func verdict(t *api.PlannedTarget) string {
	if t.Verdict == "" {
		return "was not probed: there are too many, or they take too long"
	}
	if t.Detail == "" {
		return t.Verdict + ", " + t.Reason
	}
	return t.Verdict + ", " + t.Detail
}

// passing says how many new targets pass.
func passing(p *api.Plan) string {
	if p.TargetsTotal == 0 {
		return ""
	}
	passed := 0
	for i := range p.Targets {
		if p.Targets[i].Verdict == "pass" {
			passed++
		}
	}
	return fmt.Sprintf(" Of %s %d pass.", plural.Of(len(p.Targets), "new target", "new targets"), passed)
}

func more(line func(string, ...any), sign string, n int, noun string) {
	if n > 0 {
		line("  %s and %s", sign, plural.Of(n, "more "+noun, "more "+noun+"s"))
	}
}

func planWarnings(line func(string, ...any), warnings []string) {
	if len(warnings) > 0 {
		line("")
	}
	for _, text := range warnings {
		line("  warning: %s", text)
	}
}

// are is a number of things and the verb that follows.
func are(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return fmt.Sprintf("%d %ss are", n, noun)
}

// spoken is the first of so many names, as people write them, and how many others there are.
func spoken(names []string, total, most int) string {
	list := make([]string, 0, most)
	for _, n := range names[:min(most, len(names))] {
		list = append(list, zones.Plain(n))
	}
	text := strings.Join(list, ", ")
	if others := total - len(list); others > 0 {
		text += " and " + plural.Of(others, "other", "others")
	}
	return text
}
