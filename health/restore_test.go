package health

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAddRestores(t *testing.T) {
	since := time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)
	record := Record{Fingerprint: "1", Status: Up, Since: since, Judged: since.Add(time.Hour), Reason: "ok", Detail: "200"}
	with := func(change func(*Record)) Record {
		r := record
		change(&r)
		return r
	}
	for _, test := range []struct {
		name   string
		record Record
		probe  Probe
		before State // until the first probe
		want   Status
		moved  bool
	}{
		{"up, and it passes", record, pass,
			State{Status: Up, Awaited: true, Since: since, Cause: Result{Verdict: Pass, Reason: "ok", Detail: "200"}}, Up, false},
		{"up, but it fails", record, fail,
			State{Status: Up, Awaited: true, Since: since, Cause: Result{Verdict: Pass, Reason: "ok", Detail: "200"}}, Down, true},
		{"down, and one probe passes", with(func(r *Record) { r.Status = Down }), pass,
			State{Status: Down, Since: since, Cause: Result{Verdict: Fail, Reason: "ok", Detail: "200"}}, Down, false},
		{"another fingerprint is another target", with(func(r *Record) { r.Fingerprint = "2" }), pass,
			State{Awaited: true}, Up, true},
		{"unknown is nothing to start from", with(func(r *Record) { r.Status = Unknown }), fail,
			State{Awaited: true}, Down, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.set("a", test.probe)
				m := NewMonitor(MonitorOptions{Make: w.make})
				// Another that passes shows that it is not the network.
				mustAdd(t, m, []Target{newTarget("a"), newTarget("b")}, map[TargetID]Record{"a": test.record})

				snapshot, transitions := m.Take()
				if diff := cmp.Diff(test.before, snapshot.State("a")); diff != "" {
					t.Errorf("before the first probe (-want +got):\n%s", diff)
				}
				if len(transitions) != 0 {
					t.Errorf("restoring is told as a change: %v", transitions)
				}
				restored := test.before.Status != Unknown
				if r := reportOf(t, m, "a"); r.Restored != restored {
					t.Errorf("Restored is %t", r.Restored)
				}
				if records := m.Records(); restored && !cmp.Equal(records, []Record{with(func(r *Record) {
					*r = test.record
					r.ID = "a"
				})}) || !restored && len(records) > 0 {
					t.Errorf("records: %+v", records)
				}

				run(t, m)
				after(100 * time.Millisecond)
				snapshot, transitions = m.Take()
				transitions = slices.DeleteFunc(transitions, func(tr Transition) bool { return tr.Target.ID == "b" })
				if got := snapshot.State("a").Status; got != test.want {
					t.Errorf("after the first probe it is %s, want %s", got, test.want)
				}
				if test.moved != (len(transitions) == 1) {
					t.Errorf("transitions: %+v", transitions)
				}
				if reportOf(t, m, "a").Restored {
					t.Error("it is still said to be restored")
				}
			})
		})
	}
}

func TestOneGoodProbeDoesNotBringBackWhatWasDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := NewMonitor(MonitorOptions{Make: w.make})
		mustAdd(t, m, []Target{newTarget("a")}, map[TargetID]Record{"a": {Fingerprint: "1", Status: Down}})
		run(t, m)
		after(500 * time.Millisecond)
		if r := reportOf(t, m, "a"); r.State.Status != Down || !r.State.Turning {
			t.Errorf("after one pass: %+v", r.State)
		}
		after(time.Second) // the fast interval
		if r := reportOf(t, m, "a"); r.State.Status != Up {
			t.Errorf("after two: %+v", r.State)
		}
	})
}
