package daemon

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"gslb/incident"
)

// lookAround is everything in which something may be wrong.
func (p *program) lookAround() incident.Look {
	l := incident.Look{
		Now: time.Now(), Begun: p.begun,
		Table: p.publisher.Table(), Reports: p.monitor.Reports(), Doubt: p.publisher.Doubt(), Words: p.publisher.Words(),
	}
	status := p.config.Status()
	if status.Err != nil {
		l.Refused = incident.Refusal{Path: p.config.Current().Path, Why: firstProblem(status.Err), Loaded: status.Refused.Loaded}
	}
	if w := status.Pending; w != nil {
		l.Waits = incident.Waits{Path: w.Path, Since: w.Since, Moved: w.Moved, Names: w.Names, Over: w.Over}
	}
	if cert := p.config.Admin().Certificate; cert != nil {
		l.Certificate = cert.Leaf.NotAfter
	}
	l.Faults = append(p.unsaved(), p.untold()...)
	return l
}

// unsaved is what can't be written to the directory of the state.
func (p *program) unsaved() []incident.Fault {
	dir := p.keeper.dir
	if dir == "" {
		return nil
	}
	var what []string
	var why error
	for _, file := range []struct {
		of  string
		err error
	}{
		{"the state", p.keeper.Err()}, {"overrides", p.overrides.Err()}, {"events", p.eventLog.Err()}, {"incidents", p.incidents.Err()},
		{"the past of pools", p.history.Err()}, {"what was told", p.notifier.Err()},
	} {
		if file.err != nil {
			what, why = append(what, file.of), cmp.Or(why, file.err)
		}
	}
	if len(what) == 0 {
		return nil
	}
	all := strings.Join(what, ", ")
	return []incident.Fault{{
		Kind: incident.Unsaved, Subject: dir,
		What: strings.ToUpper(all[:1]) + all[1:] + " can't be written to " + filepath.Clean(dir), Why: why.Error(),
		Do: "make room there, or make it writable: answers are not affected, but a restart will begin with older verdicts, and perhaps with other overrides", Over: "Everything is written to " + filepath.Clean(dir) + " again",
	}}
}

// untold is the targets that messages do not reach.
func (p *program) untold() []incident.Fault {
	var faults []incident.Fault
	for _, r := range p.notifier.Reports() {
		if !r.Broken(time.Now()) {
			continue
		}
		faults = append(faults, incident.Fault{
			Kind: incident.Notifying, Subject: r.Name, Since: r.Failing,
			What: fmt.Sprintf("Messages don't reach %s (%s)", r.Name, r.Kind), Why: r.Why,
			Do:   fmt.Sprintf("see whether %s takes messages; gslb notify test %s sends one", r.Name, r.Name),
			Over: fmt.Sprintf("Messages reach %s again", r.Name),
		})
	}
	return faults
}
