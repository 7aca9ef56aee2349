package health

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lines is a log to look into: level, message and the reason of each line.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// take returns the lines since the last take that contain part.
func (l *lines) take(part string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, part) {
			found = append(found, line)
		}
	}
	l.buf.Reset()
	return found
}

func startLogged(t *testing.T, w *world, targets ...Target) (*Monitor, *lines) {
	l := new(lines)
	m := NewMonitor(MonitorOptions{Make: w.make, Logger: l.logger()})
	mustAdd(t, m, targets, nil)
	run(t, m)
	return m, l
}

func TestEveryProbeHasItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		deadlines := make(chan time.Duration, 1)
		w.set("a", func(ctx context.Context) Result {
			deadline, _ := ctx.Deadline()
			deadlines <- time.Until(deadline)
			return hang(ctx)
		})
		m := start(t, w, newTarget("a"))
		if got := <-deadlines; got != 2*time.Second {
			t.Errorf("the probe has %s", got)
		}
		after(2500 * time.Millisecond)
		w.set("a", pass)
		if r := reportOf(t, m, "a"); r.State.Status != Down || r.Took != 2*time.Second {
			t.Errorf("after the timeout: %+v", r)
		}
	})
}

func TestAProbeThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("a", func(context.Context) Result { panic("no such luck") })
		m, log := startLogged(t, w, newTarget("a"))
		after(30 * time.Second)
		r := reportOf(t, m, "a")
		want := Result{Verdict: Indeterminate, Reason: "panic", Detail: "no such luck"}
		if r.State.Status != Unknown || r.Last != want {
			t.Errorf("it is %+v", r)
		}
		if n := w.probed("a"); n < 6 {
			t.Errorf("it was probed %d times: the schedule should go on", n)
		}
		found := log.take("level=ERROR")
		if len(found) != 1 || !strings.Contains(found[0], "flight_test.go") {
			t.Errorf("want one line with the stack, got %q", found)
		}
	})
}

func TestAnOverdueProbeIsLoud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := newWorld()
		w.set("a", deaf(release))
		m, log := startLogged(t, w, newTarget("a"))
		after(5 * time.Second)
		if found := log.take("does not end"); len(found) != 0 {
			t.Errorf("too early: %q", found)
		}
		after(2 * time.Second)
		if found := log.take(`level=WARN msg="probe does not end`); len(found) != 1 || !strings.Contains(found[0], "target=a") {
			t.Errorf("three timeouts later: %q", found)
		}
		after(time.Hour)
		if found := log.take(""); len(found) != 1 || !strings.Contains(found[0], "verdict is stale") {
			t.Errorf("an hour later, want that there is no verdict, once: %q", found)
		}
		if r := reportOf(t, m, "a"); !r.State.Stale {
			t.Error("it is not stale")
		}

		w.set("a", pass)
		close(release)
		after(10 * time.Second)
		if r := reportOf(t, m, "a"); r.State.Status != Up || w.probed("a") < 2 {
			t.Errorf("once the probe has ended, the target should be probed again: %+v", r)
		}
	})
}

func TestIndeterminateIsLoud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m, log := startLogged(t, w, newTarget("a"))
		count := func(when string, want int) {
			t.Helper()
			if found := log.take(`level=WARN msg="probe`); len(found) != want {
				t.Errorf("%s: %d warnings, want %d: %q", when, len(found), want, found)
			}
		}
		after(30 * time.Second)
		count("while it passes", 0)
		w.set("a", nothing)
		after(30 * time.Second)
		count("the first of a series", 1)
		w.set("a", always(Indeterminate, "files"))
		after(30 * time.Second)
		count("another reason", 1)
		after(310 * time.Second)
		count("five minutes more", 5)
		w.set("a", pass)
		after(10 * time.Second)
		w.set("a", nothing)
		after(10 * time.Second)
		count("the next series", 1)
		if r := reportOf(t, m, "a"); r.State.Status != Up || r.State.Turning || r.Streak != 0 {
			t.Errorf("indeterminate moved the status: %+v", r)
		}
	})
}

func TestFailsAreQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.once("a", always(Fail, "status"))
		_, log := startLogged(t, w, newTarget("a"))
		after(time.Second)
		found := log.take("")
		if len(found) != 1 || !strings.Contains(found[0], "level=DEBUG") || !strings.Contains(found[0], "reason=status") {
			t.Errorf("the log is %q", found)
		}
	})
}

func TestReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.once("b", func(context.Context) Result {
			time.Sleep(40 * time.Millisecond)
			return Result{Verdict: Fail, Reason: "status", Detail: "503"}
		})
		w.once("c", nothing)
		c, b, a := newTarget("c"), newTarget("b"), newTarget("a")
		a.Interval, a.Timeout = time.Hour, time.Minute
		w.set("a", hang)
		m := start(t, w, c, b, a)
		after(100 * time.Millisecond)

		reports := m.Reports()
		if got := idsOfReports(m); !cmp.Equal(got, []TargetID{"a", "b", "c"}) {
			t.Fatalf("reports of %v", got)
		}
		if got, want := reports[0], (Report{Target: a, State: State{Awaited: true}}); !cmp.Equal(got, want) {
			t.Errorf("before its first probe has ended: %+v", got)
		}
		last := Result{Verdict: Fail, Reason: "status", Detail: "503"}
		end := w.spans("b")[0].end
		want := Report{
			Target: b,
			State:  State{Status: Down, Since: end, Cause: last, Hearing: &Hearing{Began: w.spans("b")[0].start, First: w.spans("b")[0].start, Heard: end}},
			Failed: 1,
			Of:     1,
			Last:   last,
			Probed: end,
			Judged: end,
			Took:   40 * time.Millisecond,
			Probes: [3]uint64{Fail: 1},
		}
		if diff := cmp.Diff(want, reports[1]); diff != "" {
			t.Errorf("after a verdict (-want +got):\n%s", diff)
		}
		want = Report{
			Target: c,
			Last:   Result{Verdict: Indeterminate, Reason: "credentials"},
			Probed: w.spans("c")[0].end,
			Probes: [3]uint64{Indeterminate: 1},
		}
		if diff := cmp.Diff(want, reports[2]); diff != "" {
			t.Errorf("after an indeterminate result (-want +got):\n%s", diff)
		}

		records := m.Records()
		wantRecords := []Record{{ID: "b", Fingerprint: "1", Status: Down, Since: end, Judged: end, Reason: "status", Detail: "503"}}
		if diff := cmp.Diff(wantRecords, records); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	})
}
