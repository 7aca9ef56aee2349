package health

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// statuses writes operands as letters: u up, d down, ? unknown; after each a mark: ~ turning, ! awaited, @ stale.
func operandsOf(text string) []State {
	var list []State
	for _, c := range text {
		last := len(list) - 1
		switch c {
		case 'u', 'd', '?':
			list = append(list, State{Status: map[rune]Status{'u': Up, 'd': Down, '?': Unknown}[c]})
		case '~':
			list[last].Turning = true
		case '!':
			list[last].Awaited = true
		case '@':
			list[last].Stale = true
		}
	}
	return list
}

func calculation(op string, count, operands int) *Calculated {
	return &Calculated{Op: op, Count: count, Of: []TargetID{"a", "b", "c"}[:operands]}
}

func TestCalculatedState(t *testing.T) {
	for _, c := range []struct {
		op    string
		count int
		of    string
		want  string // a status, and its marks
	}{
		{All, 0, "uuu", "u"}, {All, 0, "uu?", "?"}, {All, 0, "u?d", "d"}, {All, 0, "u", "u"},
		{Any, 0, "ddd", "d"}, {Any, 0, "dd?", "?"}, {Any, 0, "u?d", "u"}, {Any, 0, "d", "d"},
		{AtLeast, 2, "uud", "u"}, {AtLeast, 2, "udd", "d"}, {AtLeast, 2, "u?d", "?"}, {AtLeast, 2, "d?d", "d"}, {AtLeast, 2, "uu?", "u"},
		{Not, 0, "u", "d"}, {Not, 0, "d", "u"}, {Not, 0, "?", "?"},

		// What can't change the status is no sign.
		{All, 0, "u~u", "u~"}, {All, 0, "d~d", "d"}, {All, 0, "d~u", "d~"}, {Any, 0, "u~u", "u"}, {Any, 0, "u~d", "u~"},
		{Any, 0, "d~d", "d~"}, {Any, 0, "u~u~", "u~"}, {AtLeast, 2, "u~uu", "u"}, {AtLeast, 2, "u~u~u", "u~"}, {Not, 0, "u~", "d~"},
		{All, 0, "u!d", "d"}, {All, 0, "?!u", "?!"}, {Any, 0, "?!u", "u"}, {Any, 0, "u!d", "u!"}, {Not, 0, "?!", "?!"},
		{All, 0, "u@u", "u@"}, {Any, 0, "u@u", "u"}, {Any, 0, "d@d", "d@"}, {Not, 0, "d@", "u@"},
	} {
		operands := operandsOf(c.of)
		got := calculation(c.op, c.count, len(operands)).State(State{}, operands, time.Unix(9, 0))
		want := operandsOf(c.want)[0]
		if got.Status != want.Status || got.Turning != want.Turning || got.Awaited != want.Awaited || got.Stale != want.Stale {
			t.Errorf("%s of %s is %s, turning %t, awaited %t, stale %t; want %s", c.op, c.of, got.Status, got.Turning, got.Awaited, got.Stale, c.want)
		}
	}
}

// The cause is that of the moment when the status turned, and says which operand speaks for it.
func TestCalculatedCause(t *testing.T) {
	up, down := State{Status: Up}, State{Status: Down, Cause: Result{Verdict: Fail, Reason: "refused", Detail: "connection refused"}}
	first, later := time.Unix(1, 0), time.Unix(2, 0)
	for _, c := range []struct {
		op    string
		count int
		of    []State
		want  string
	}{
		{Any, 0, []State{down, down}, "fail operands 0 of 2 up, 1 needed: a is down: connection refused"},
		{All, 0, []State{up, down, up}, "fail operands 2 of 3 up, 3 needed: b is down: connection refused"},
		{All, 0, []State{up, {}, up}, "  "},
		{AtLeast, 2, []State{up, down, up}, "pass ok 2 of 3 up, 2 needed"},
		{Not, 0, []State{up}, "fail operands a is up"},
		{Not, 0, []State{down}, "pass ok a is down: connection refused"},
	} {
		s := calculation(c.op, c.count, len(c.of)).State(State{}, c.of, first)
		verdict := s.Cause.Verdict.String()
		if s.Cause.Reason == "" {
			verdict = ""
		}
		if got := verdict + " " + s.Cause.Reason + " " + s.Cause.Detail; got != c.want {
			t.Errorf("%s: %q, want %q", c.op, got, c.want)
		}
		again := calculation(c.op, c.count, len(c.of)).State(s, c.of, later)
		if again != s {
			t.Errorf("%s: calculated again it is %+v, not %+v", c.op, again, s)
		}
	}
	long := State{Status: Down, Cause: Result{Detail: strings.Repeat("ü", 400)}}
	if s := calculation(Any, 0, 1).State(State{}, []State{long}, first); len(s.Cause.Detail) > mostDetail+5 {
		t.Errorf("the detail has %d bytes", len(s.Cause.Detail))
	}
}

// A calculated target turns, is awaited and is stale exactly if some other status of the operands that are so
// would give it another status. So is the age of what it rests on.
func TestCalculatedSigns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "operands")
		c := &Calculated{Op: rapid.SampledFrom([]string{All, Any, AtLeast, Not}).Draw(t, "op"), Count: rapid.IntRange(1, n).Draw(t, "count")}
		if c.Op == Not {
			n = 1
		}
		operands, judged := make([]State, n), make([]time.Time, n)
		for i := range operands {
			c.Of = append(c.Of, TargetID(rune('a'+i)))
			operands[i] = State{Status: Status(rapid.IntRange(0, 2).Draw(t, "status")), Turning: rapid.Bool().Draw(t, "turning")}
			judged[i] = time.Unix(int64(rapid.IntRange(1, 9).Draw(t, "judged")), 0)
		}
		is := c.State(State{}, operands, time.Unix(10, 0))
		other := false
		for set := range 1 << n {
			other = other || is.Status != c.status(func(i int) Status {
				switch {
				case !operands[i].Turning:
					return operands[i].Status
				case set>>i&1 == 1:
					return Up
				}
				return Down
			})
		}
		if is.Turning != other {
			t.Fatalf("%+v of %+v: turning %t, and another status is possible: %t", c, operands, is.Turning, other)
		}
		if is.Status == Unknown {
			return
		}
		known := func(since time.Time) bool {
			return Unknown != c.status(func(i int) Status {
				if judged[i].Before(since) {
					return Unknown
				}
				return operands[i].Status
			})
		}
		if at := c.judged(operands, judged); !known(at) || known(at.Add(time.Nanosecond)) {
			t.Fatalf("%+v of %+v, judged at %v, rests on a verdict of %v", c, operands, judged, at)
		}
	})
}

// derivedTarget is a target of a calculated check.
func derivedTarget(id TargetID, op string, of ...TargetID) Target {
	t := newTarget(id)
	t.Spec, t.Rise, t.Fall, t.Fingerprint = &Calculated{Op: op, Of: of}, 1, 1, op
	return t
}

func TestCalculationOrder(t *testing.T) {
	c := NewCalculation([]Target{
		derivedTarget("a", All, "b", "x"), derivedTarget("b", Any, "c", "y"), derivedTarget("c", Not, "z"), newTarget("x"), newTarget("y"), derivedTarget("d", Not, "x"),
	})
	if got := c.Targets(); !slices.Equal(got, []TargetID{"c", "b", "a", "d"}) {
		t.Errorf("order %v", got)
	}
	for _, want := range [][2]string{{"x", "a d"}, {"z", "c b a"}, {"y", "b a"}, {"b", "b a"}, {"a", "a"}, {"y x z", "c b a d"}, {"w", ""}} {
		var ids []TargetID
		for id := range strings.FieldsSeq(want[0]) {
			ids = append(ids, TargetID(id))
		}
		var got []string
		for _, id := range c.Affected(slices.Values(ids)) {
			got = append(got, string(id))
		}
		if strings.Join(got, " ") != want[1] {
			t.Errorf("%s affects %v, want %s", want[0], got, want[1])
		}
	}
	if NewCalculation([]Target{newTarget("x")}) != nil {
		t.Error("a calculation of nothing")
	}
}

// A calculated target turns at the moment in which its operands turn it, is told of after them, and is never
// probed.
func TestMonitorCalculates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := NewMonitor(MonitorOptions{Make: w.make})
		targets := append(newTargets(2), derivedTarget("any", Any, newTargets(2)[0].ID, newTargets(2)[1].ID), derivedTarget("not", Not, "any"))
		a, b := targets[0].ID, targets[1].ID
		mustAdd(t, m, targets, nil)
		run(t, m)
		if missing := m.Wait(t.Context(), []TargetID{"not"}); missing != nil {
			t.Fatalf("missing %v", missing)
		}
		told := func() string {
			synctest.Wait()
			var list []string
			_, transitions := m.Take()
			for _, tr := range transitions {
				list = append(list, string(tr.Target.ID)+" "+tr.From.String()+"-"+tr.To.String())
			}
			return strings.Join(list, ", ")
		}
		settle := func(id TargetID, says Probe) {
			w.set(id, says)
			time.Sleep(4 * targets[0].Interval)
		}
		if got := told(); !strings.HasSuffix(got, "any unknown-up, not unknown-down") && !strings.Contains(got, "any unknown-up, not unknown-down, ") {
			t.Errorf("at first: %s", got)
		}
		settle(a, fail)
		if got := told(); got != string(a)+" up-down" {
			t.Errorf("with one down: %s", got)
		}
		settle(b, fail)
		if got := told(); got != string(b)+" up-down, any up-down, not down-up" {
			t.Errorf("with both down: %s", got)
		}
		snapshot, _ := m.Take()
		if any, last := snapshot.State("any"), snapshot.State(b); any.Since.Before(last.Since) || any.Since.Sub(last.Since) > time.Millisecond {
			t.Errorf("any is down since %s, its operand since %s", any.Since, last.Since)
		}
		for _, r := range m.Reports() {
			if !r.Target.IsCalculated() {
				continue
			}
			if r.Probed.IsZero() || time.Since(r.Judged) > targets[0].Interval || r.Last.Verdict != verdictFor(r.State.Status) || r.Probes != [3]uint64{} {
				t.Errorf("%s is shown as %+v", r.Target.ID, r)
			}
		}
		if w.made["any"]+w.made["not"] > 0 {
			t.Error("a probe was made of what is calculated")
		}
	})
}

// Only an operand that fails next to the last one that is up makes the target turn.
func TestMonitorCalculatesTurning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := NewMonitor(MonitorOptions{Make: w.make})
		targets := newTargets(2)
		a := targets[0].ID
		targets = append(targets, derivedTarget("any", Any, a, targets[1].ID), derivedTarget("all", All, a, targets[1].ID))
		mustAdd(t, m, targets, nil)
		run(t, m)
		m.Wait(t.Context(), []TargetID{"all"})
		w.set(a, fail)
		for {
			<-m.Changed()
			if snapshot, _ := m.Take(); snapshot.State(a).Turning {
				if snapshot.State("any").Turning || !snapshot.State("all").Turning {
					t.Errorf("any is turning: %t, all: %t", snapshot.State("any").Turning, snapshot.State("all").Turning)
				}
				return
			}
		}
	})
}

// The first verdict that decides is enough, and a run that goes on from an earlier one keeps since when.
func TestMonitorCalculatesAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := NewMonitor(MonitorOptions{Make: w.make})
		targets := newTargets(3)
		up, hangs, down := targets[0].ID, targets[1].ID, targets[2].ID
		w.set(hangs, func(ctx context.Context) Result { <-ctx.Done(); return fail(ctx) })
		since := time.Now().Add(-time.Hour)
		prior := map[TargetID]Record{
			hangs: {ID: hangs, Fingerprint: targets[1].Fingerprint, Status: Up, Since: since, Judged: time.Now()},
			down:  {ID: down, Fingerprint: targets[2].Fingerprint, Status: Down, Since: since, Judged: time.Now()},
			"any": {ID: "any", Fingerprint: Any, Status: Up, Since: since, Judged: time.Now(), Reason: "ok"},
		}
		targets = append(targets, derivedTarget("any", Any, up, hangs), derivedTarget("all", All, up, hangs), derivedTarget("none", All, hangs, down))
		mustAdd(t, m, targets, prior)
		snapshot, _ := m.Take()
		for id, want := range map[TargetID]State{"any": {Status: Up, Awaited: true}, "all": {Status: Unknown, Awaited: true}, "none": {Status: Down}} {
			if got := snapshot.State(id); got.Status != want.Status || got.Awaited != want.Awaited {
				t.Errorf("%s begins as %s, awaited %t", id, got.Status, got.Awaited)
			}
		}
		run(t, m)
		m.Wait(t.Context(), []TargetID{up})
		synctest.Wait()
		snapshot, transitions := m.Take()
		if any := snapshot.State("any"); any.Awaited || any.Status != Up || !any.Since.Equal(since) {
			t.Errorf("with one up, any is %+v", any)
		}
		if all := snapshot.State("all"); !all.Awaited {
			t.Errorf("with one up, all is %+v", all)
		}
		if slices.ContainsFunc(transitions, func(tr Transition) bool { return tr.Target.ID == "any" }) {
			t.Error("a restored status was told as a change")
		}
		var record Record
		for _, r := range m.Records() {
			if r.ID == "any" {
				record = r
			}
		}
		if record.Status != Up || !record.Since.Equal(since) || record.Judged.Before(since.Add(time.Hour)) {
			t.Errorf("the next run is told %+v", record)
		}
	})
}

// A reload may change what a target is calculated from, or probe it instead, and back.
func TestMonitorCalculatesOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := NewMonitor(MonitorOptions{Make: w.make})
		targets := newTargets(2)
		a, b := targets[0].ID, targets[1].ID
		w.set(a, fail)
		mustAdd(t, m, append(targets, derivedTarget("x", Any, a, b)), nil)
		run(t, m)
		m.Wait(t.Context(), []TargetID{"x"})
		status := func() Status {
			synctest.Wait()
			snapshot, _ := m.Take()
			return snapshot.State("x").Status
		}
		if got := status(); got != Up {
			t.Fatalf("any is %s", got)
		}
		mustAdd(t, m, []Target{derivedTarget("x", All, a, b)}, nil)
		if got := status(); got != Down {
			t.Fatalf("all is %s", got)
		}
		probed := newTarget("x")
		w.set("x", pass)
		mustAdd(t, m, []Target{probed}, nil)
		time.Sleep(3 * probed.Interval)
		if got := status(); got != Up || w.made["x"] != 1 {
			t.Fatalf("probed instead it is %s, %d probes made", got, w.made["x"])
		}
		w.set("x", func(ctx context.Context) Result { <-ctx.Done(); return fail(ctx) }) // under way when it is replaced
		time.Sleep(2 * probed.Interval)
		mustAdd(t, m, []Target{derivedTarget("x", Not, a)}, nil)
		synctest.Wait()
		flights := w.probes("x")
		time.Sleep(5 * probed.Interval)
		if got := status(); got != Up || w.probes("x") > flights {
			t.Fatalf("calculated again it is %s", got)
		}
		m.Retain(append(newTargets(2)[1:], derivedTarget("x", Not, a)))
		if got := status(); got != Unknown {
			t.Fatalf("without its operand it is %s", got)
		}
	})
}

func TestMonitorRefusesCircles(t *testing.T) {
	m := NewMonitor(MonitorOptions{Make: newWorld().make})
	err := m.Add([]Target{derivedTarget("a", Any, "b"), derivedTarget("b", All, "a")}, nil)
	if err == nil || !strings.Contains(err.Error(), `target "a": is calculated from itself`) {
		t.Errorf("got %v", err)
	}
}
