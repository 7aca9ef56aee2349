package simulate

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// mutation is a rule broken in a copy of one file.
type mutation struct {
	broken   string // what is wrong then
	file     string // from the root of the repository
	old, new string // old stands once in it
}

var mutations = []mutation{
	{"a drain of a pool is ignored", "steer/usable.go", "p.drained = p.Drain != nil || drained > 0", "p.drained = drained > 0"},
	{"a drain of a member is ignored", "steer/usable.go", "if (withDrained || m.Drain == nil) && m.Status == status", "if m.Status == status"},
	{"nothing is answered when everything is drained", "steer/usable.go", "return state.drained && !w.allDrained", "return state.drained"},
	{"a force of a pool is ignored", "steer/assess.go", "state.Status, all = words.Force.Status, signs{}", "all = signs{}"},
	{"a force of a member is ignored", "steer/assess.go", "j = judgement{status: m.Force.Status, force: m.Force}", "j = judgement{status: j.status, force: m.Force}"},
	{"a pin is weaker than a drain", "steer/apart.go", "case state.Status == health.Down && !pin.Anyway:", "case (state.Status == health.Down || state.drained) && !pin.Anyway:"},
	{"a pin holds whatever its pool is", "steer/apart.go", "case state.Status == health.Down && !pin.Anyway:", "case state.Status == health.Down && false:"},
	{"overrides do not end", "override/book.go", "if b.due.IsZero() || now.Before(b.due) {", "if b.due.IsZero() || !now.Before(time.Time{}) {"},
	{"overrides end a moment late", "override/override.go", "|| now.Before(o.Until) }", "|| now.Before(o.Until.Add(2*time.Second)) }"},
	{"blind is ignored", "safety/guard.go", "		g.hold(fallen)\n		return\n", "		return\n"},
	{"suspicion is ignored", "safety/tally.go", "		return suspected\n", "		return believed\n"},
	{"suspicion is too eager", "safety/tally.go", "return places >= suspectPlaces && silent >= min(suspectTargets, all) && silent*100 >= share*all", "return silent*300 >= share*all"},
	{"suspicion does not end", "safety/settings.go", "return now.Add(s.SuspectHold)", "return now.Add(24 * s.SuspectHold)"},
	{"nobody has time to show that it is up", "safety/tally.go", "return time.Duration(max(t.Rise, 1)+1)*max(each, t.Timeout) + slack", "return 0"},
	{"a network that was away for a moment is not noticed", "safety/tally.go", "		return shaken\n", "		return believed\n"},
	{"what is held is forgotten by a restart", "safety/memory.go", "`json:\"held,omitempty\"`", "`json:\"-\"`"},
	{"velocity is off", "steer/velocity.go", "if len(ends) < w.policy.MaxDown {", "if len(ends) < 9+w.policy.MaxDown {"},
	{"velocity is forgotten by a restart", "steer/memory.go", "`json:\"gone,omitempty\"`", "`json:\"-\"`"},
	{"failback is never manual", "steer/failback.go", "	if w.policy.Failback == zones.FailbackManual {\n		if !slices", "	if false {\n		if !slices"},
	{"a pool that is drained waits no longer", "steer/decide.go", "|| w.stillWaits(state))", "|| false && w.stillWaits(state))"},
	{"who waits is forgotten by a restart", "steer/memory.go", "`json:\"waiting,omitempty\"`", "`json:\"-\"`"},
	{"a ramp goes backwards", "steer/failback.go", "return rampBegin + (1-rampBegin)*", "return 1 - (1-rampBegin)*"},
	{"a ramp begins with too much", "steer/failback.go", "= 0.05\n", "= 0.5\n"},
	{"a recovery is forgotten by a restart", "steer/memory.go", "`json:\"recovered,omitzero\"`", "`json:\"-\"`"},
	{"failover_after is twice as long", "steer/decide.go", "until := state.Since.Add(w.policy.FailoverAfter)", "until := state.Since.Add(2 * w.policy.FailoverAfter)"},
	{"what is calculated is not held", "safety/guard.go", "for _, id := range g.derived.Affected(maps.Keys(keeps)) {", "for _, id := range g.derived.Affected(maps.Keys(g.waited)) {"},
	{"all is any", "health/calculated.go", "		return len(c.Of)\n", "		return 1\n"},
	{"one more fail is needed", "health/tracker.go", "	if t.streak < needed {", "	if t.streak < needed+1 && says == Down {"},
	{"what persons say is not looked at again", "steer/next.go", "if len(targets)+len(hosts)+len(copies)+len(spokenOf) == 0 {", "if len(targets)+len(hosts)+len(copies) == 0 {"},
	{"a decision is not revisited", "steer/next.go", "return o.in.Now.Before(before.Decisions[i].Revisit)", "return true"},
	{"a copy that is late is not degraded", "replication/edge.go", "case !e.missing.IsZero() && began.Sub(e.missing) > maxLag:", "case !e.missing.IsZero() && began.Sub(e.missing) > 3*maxLag:"},
	{"a copy is late too soon", "replication/edge.go", "case !e.missing.IsZero() && began.Sub(e.missing) > maxLag:", "case !e.missing.IsZero() && began.Sub(e.missing) > maxLag/2:"},
	{"what a dead region has not sent is held against others", "replication/edge.go", "			if x := &r.writes[i]; !x.ended.IsZero() && x.ended.Before(r.out) {", "			if x := &r.writes[i]; false {"},
	{"a write without an acknowledgement is expected", "replication/book.go", "		written.ended = time.Time{}\n", "		written.ended = began\n"},
	{"a network that was away is held against a region", "replication/book.go", "r.unread.IsZero() && !r.read.IsZero() && now.Sub(r.read) <= 2*g.Interval {", "!r.read.IsZero() {"},
	{"a region that cannot be read is not degraded", "replication/view.go", "	case Unread:\n		s.Degraded = true\n", "	case Unread:\n"},
	{"counters begin anew with the clock", "replication/book.go", "	b.counter = max(b.counter, counter) // the clock", "	_ = max(b.counter, counter) // the clock"},
	{"that a copy is degraded is forgotten by a restart", "replication/view.go", "`json:\"degraded,omitempty\"`", "`json:\"-\"`"},
	{"doubt ends that a copy is degraded", "replication/view.go", "	s.Good = time.Time{}\n	return s\n", "	s.Good = time.Time{}\n	if c == Ambiguous || c == Silent {\n		s.Degraded, s.Proven = false, false\n	}\n	return s\n"},
	{"a silent region is behind", "replication/judge.go", "			now[x] = Silent\n", "			now[x] = Behind\n"},
	{"a copy is behind without a reason", "replication/book.go", "				why = state.Why\n", "				why = \"\"\n"},
	{"clients are led to a copy that is behind", "steer/degraded.go", "	if state.Degraded.IsZero() || w.degradedToo {", "	if !state.Degraded.IsZero() || w.degradedToo {"},
	{"clients are led away from a copy that is behind", "steer/degraded.go", "		return serving != nil\n	})\n	return serving\n", "		return serving != nil\n	})\n	return nil\n"},
	{"a copy is used at once when it is current", "steer/degraded.go", "		m.Degraded, m.CaughtUp = time.Time{}, good\n", "		m.Degraded, m.CaughtUp = time.Time{}, time.Time{}\n"},
	{"a copy that is current is never used again", "steer/degraded.go", "	case !m.Degraded.IsZero(), recent && good.After(m.CaughtUp):\n", "	case recent && good.After(m.CaughtUp):\n"},
	{"since when a copy is behind is forgotten by a restart", "steer/memory.go", "`json:\"degraded,omitzero\"`", "`json:\"-\"`"},
	{"nothing is used while all copies are behind", "steer/decide.go", "	case w.anyAside:\n", "	case w.anyAside && len(r.Tiers) == 0:\n"},
	{"on_degraded is ignored", "steer/assess.go", "if pool.DownDegraded && state.Copy.Proven &&", "if false && state.Copy.Proven &&"},
	{"a copy that has changed is not looked at", "steer/next.go", "		again.add(o.dependents.copies[copy])\n", "		_ = copy\n"},
	{"a pool that is down is not told of", "incident/judge.go", "		f.kind = PoolDown\n", "		return finding{}, false\n"},
	{"data that is behind is not told of", "incident/judge.go", "	case !state.Degraded.IsZero():\n", "	case false:\n"},
	{"an emergency is not told of", "incident/judge.go", "	case d.Mode == steer.Panic, d.Mode.IsEmergency():\n", "	case d.Mode == steer.Panic:\n"},
	{"incidents do not end", "incident/book.go", "		case keys[key]:\n", "		case keys[key], true:\n"},
	{"what is up is passed over", "steer/assess.go", "t[0].up >= t[0].needed", "t[0].up > t[0].needed"},
}

var (
	mutants        = flag.Int("mutants", 3, "how many of the mutations are tried, from all over the list; 0: none, -1: all")
	mutantRuns     = "4000"
	mutantRealRuns = "300"
	mutantsOnce    = 2 // at a time
)

// TestMutations breaks rules one by one, and has runs notice each.
func TestMutations(t *testing.T) {
	t.Parallel()
	if *one != 0 || *mutants == 0 {
		return
	}
	list := mutations
	if n := min(*mutants, len(mutations)); n > 0 {
		list = nil
		for i := range n {
			list = append(list, mutations[i*len(mutations)/n])
		}
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	room := make(chan struct{}, mutantsOnce)
	var all sync.WaitGroup
	for i := range list {
		all.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			list[i].try(t, root)
		})
	}
	all.Wait()
}

// Every mutation can be made.
func TestMutationsApply(t *testing.T) {
	for i := range mutations {
		m := &mutations[i]
		if text, err := os.ReadFile(filepath.Join("..", m.file)); err != nil || strings.Count(string(text), m.old) != 1 {
			t.Errorf("%s: %q does not stand once in %s (%v)", m.broken, m.old, m.file, err)
		}
	}
}

// try makes runs with the mutation, one of which must fail.
func (m *mutation) try(t *testing.T, root string) {
	dir := t.TempDir()
	path := filepath.Join(root, m.file)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return
	}
	broken := filepath.Join(dir, "broken.go")
	overlay, _ := json.Marshal(map[string]map[string]string{"Replace": {path: broken}})
	for name, content := range map[string]string{broken: strings.Replace(string(text), m.old, m.new, 1), filepath.Join(dir, "overlay.json"): string(overlay)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Error(err)
			return
		}
	}
	program := filepath.Join(dir, "simulate.test")
	build := exec.Command("go", "test", "-c", "-vet=off", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, "gslb/simulate")
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("%s: it cannot be built: %v\n%s", m.broken, err, out)
		return
	}
	begun := time.Now()
	tests, option, runs := "TestRuns", "-runs", mutantRuns
	if strings.HasPrefix(m.file, "incident/") { // other runs have none
		tests, option, runs = "TestRealRuns", "-real", mutantRealRuns
	}
	out, err := exec.Command(program, "-test.run", tests, option, runs).CombinedOutput()
	switch {
	case err == nil:
		t.Errorf("%s (%s), and no run of %s notices", m.broken, m.file, runs)
	case !strings.Contains(string(out), "the run with seed"):
		t.Errorf("%s (%s): the runs have not failed as they should: %v\n%s", m.broken, m.file, err, out)
	default:
		_, why, _ := strings.Cut(string(out), "the run with seed")
		why, _, _ = strings.Cut(why, "\n")
		t.Logf("%s: noticed after %s: seed%.150s", m.broken, time.Since(begun).Round(time.Millisecond), why)
	}
}
