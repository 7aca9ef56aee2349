package health

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// slowly is a probe that ends after a time.
func slowly(d time.Duration, p Probe) Probe {
	return func(ctx context.Context) Result {
		time.Sleep(d)
		return p(ctx)
	}
}

// moment is what is to be believed of the targets a and b at some time after a restart.
type moment struct {
	at      time.Duration
	a, b    Status
	awaited []TargetID
}

// restart is a run of a monitor that begins from what the run before knew: that a and b were
// up, if not said otherwise. Things happen to the world at certain times after the start.
type restart struct {
	name   string
	prior  map[TargetID]Status // of another status than up; Unknown: no verdict was kept
	change func(*Target)       // of both targets
	at     map[time.Duration]func(*world)
	want   []moment
}

func (r restart) run(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := NewMonitor(MonitorOptions{Make: w.make})
		targets, prior := []Target{newTarget("a"), newTarget("b")}, map[TargetID]Record{}
		for i := range targets {
			if r.change != nil {
				r.change(&targets[i])
			}
			status, other := r.prior[targets[i].ID]
			if !other {
				status = Up
			}
			prior[targets[i].ID] = Record{ID: targets[i].ID, Fingerprint: "1", Status: status}
		}
		mustAdd(t, m, targets, prior)
		begun := time.Now()
		for at, happen := range r.at {
			time.AfterFunc(at-1, func() { happen(w) }) // just before
		}
		synctest.Wait()
		if happen := r.at[0]; happen != nil {
			happen(w)
		}
		run(t, m)
		for _, want := range r.want {
			after(want.at - time.Since(begun))
			snapshot, _ := m.Take()
			got := moment{want.at, snapshot.State("a").Status, snapshot.State("b").Status, m.Awaited()}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(moment{})); diff != "" {
				t.Errorf("%s after the start (-want +got):\n%s", want.at, diff)
			}
			for _, id := range []TargetID{"a", "b"} {
				if snapshot.State(id).Awaited != contains(want.awaited, id) {
					t.Errorf("%s after the start: %s is %+v in the snapshot", want.at, id, snapshot.State(id))
				}
			}
		}
	})
}

func contains(ids []TargetID, id TargetID) bool {
	for _, have := range ids {
		if have == id {
			return true
		}
	}
	return false
}

// TestRestart holds a start to two rules: what died meanwhile is not offered, and what only the
// prober can't see is not given up sooner than ever.
func TestRestart(t *testing.T) {
	const second, instant = time.Second, 10 * time.Millisecond
	unreachable := always(Fail, "unreachable")
	for _, test := range []restart{
		{name: "all is well",
			want: []moment{{at: 0, a: Up, b: Up, awaited: []TargetID{"a", "b"}}, {at: instant, a: Up, b: Up}}},
		{name: "one died meanwhile",
			at:   map[time.Duration]func(*world){0: func(w *world) { w.set("a", fail) }},
			want: []moment{{at: instant, a: Down, b: Up}}},
		{name: "one died meanwhile, and the other takes its time",
			at: map[time.Duration]func(*world){0: func(w *world) { w.set("a", fail); w.set("b", slowly(300*time.Millisecond, pass)) }},
			want: []moment{
				{at: instant, a: Up, b: Up, awaited: []TargetID{"a", "b"}},
				{at: 310 * time.Millisecond, a: Down, b: Up},
			}},
		{name: "one died meanwhile so that it hangs",
			change: func(t *Target) { t.Interval, t.Timeout = 12*second, 8*second },
			at:     map[time.Duration]func(*world){0: func(w *world) { w.set("a", hang) }},
			want: []moment{
				{at: instant, a: Up, b: Up, awaited: []TargetID{"a"}},
				{at: 8*second + instant, a: Down, b: Up},
			}},
		{name: "both died meanwhile",
			at: map[time.Duration]func(*world){0: func(w *world) { w.set("a", fail); w.set("b", fail) }},
			want: []moment{
				{at: 1500 * time.Millisecond, a: Up, b: Up, awaited: []TargetID{"a", "b"}},
				{at: 2*second + instant, a: Down, b: Down},
			}},
		{name: "the network is not there yet",
			at: map[time.Duration]func(*world){
				0:                       func(w *world) { w.cutOff(unreachable) },
				1900 * time.Millisecond: func(w *world) { w.cutOff(nil) },
			},
			want: []moment{
				{at: 1800 * time.Millisecond, a: Up, b: Up, awaited: []TargetID{"a", "b"}},
				{at: 2*second + instant, a: Up, b: Up},
				{at: 10 * second, a: Up, b: Up},
			}},
		{name: "the network is not there yet, and one died meanwhile",
			at: map[time.Duration]func(*world){
				0:                       func(w *world) { w.cutOff(unreachable); w.set("a", fail) },
				1900 * time.Millisecond: func(w *world) { w.cutOff(nil) },
			},
			want: []moment{
				{at: 1800 * time.Millisecond, a: Up, b: Up, awaited: []TargetID{"a", "b"}},
				{at: 2*second + instant, a: Down, b: Up},
			}},
		{name: "the network is not there yet, which the probes can tell",
			at: map[time.Duration]func(*world){
				0:          func(w *world) { w.cutOff(always(Indeterminate, "no route")) },
				7 * second: func(w *world) { w.cutOff(nil) },
			},
			want: []moment{{at: instant, a: Up, b: Up}, {at: 6 * second, a: Up, b: Up}, {at: 20 * second, a: Up, b: Up}}},
		{name: "the network comes while probes wait for it",
			at: map[time.Duration]func(*world){
				0:      func(w *world) { w.cutOff(hang) },
				second: func(w *world) { w.cutOff(nil) },
			},
			want: []moment{{at: 2*second + instant, a: Up, b: Up}, {at: 10 * second, a: Up, b: Up}}},
		{name: "what was down is not awaited",
			prior: map[TargetID]Status{"a": Down},
			want:  []moment{{at: 0, a: Down, b: Up, awaited: []TargetID{"b"}}, {at: instant, a: Down, b: Up}, {at: 2 * second, a: Up, b: Up}}},
		{name: "nothing is known",
			prior: map[TargetID]Status{"a": Unknown, "b": Unknown},
			at:    map[time.Duration]func(*world){0: func(w *world) { w.set("a", fail) }},
			want:  []moment{{at: 0, awaited: []TargetID{"a", "b"}}, {at: instant, a: Down, b: Up}}},
		{name: "later, all fall as ever",
			at: map[time.Duration]func(*world){10 * second: func(w *world) { w.cutOff(unreachable) }},
			want: []moment{
				{at: 9 * second, a: Up, b: Up},
				{at: 11500 * time.Millisecond, a: Up, b: Up},
				{at: 17*second + instant, a: Down, b: Down},
			}},
	} {
		t.Run(test.name, test.run)
	}
}

// Settle ends the waiting, whatever is still under way.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("a", hang)
		m := start(t, w, newTarget("a"))
		after(time.Second)
		if got := m.Awaited(); !cmp.Equal(got, []TargetID{"a"}) {
			t.Errorf("awaited are %v", got)
		}
		m.Take()
		m.Settle()
		if !ready(m) || len(m.Awaited()) > 0 {
			t.Error("it is still awaited, or nobody is told that it is not")
		}
		if snapshot, _ := m.Take(); snapshot.State("a") != (State{}) {
			t.Errorf("it is %+v", snapshot.State("a"))
		}
		mustAdd(t, m, []Target{newTarget("a"), newTarget("b")}, nil)
		if got := m.Awaited(); len(got) > 0 {
			t.Errorf("a reload has %v awaited, while there is something to answer by", got)
		}
	})
}
