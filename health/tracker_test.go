package health

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// step is what a tracker shows after one verdict.
type step struct {
	Status   Status
	Changed  bool
	Streak   int
	Turning  bool
	Restored bool
}

// sighting is a verdict, and whether the prober is known to have seen others at that time.
type sighting struct {
	Verdict
	sighted bool
}

func observe(t *Tracker, s sighting) step {
	changed := t.Observe(s.Verdict, s.sighted)
	return step{t.Status(), changed, t.Streak(), t.Turning(), t.Restored()}
}

// verdicts reads "P", "F" and "I", and "f" for a fail while everything else fails as well.
func verdicts(letters string) []sighting {
	var vs []sighting
	for _, l := range letters {
		vs = append(vs, map[rune]sighting{'P': {Pass, true}, 'F': {Fail, true}, 'f': {Fail, false}, 'I': {Indeterminate, true}}[l])
	}
	return vs
}

func TestTracker(t *testing.T) {
	for _, test := range []struct {
		name       string
		rise, fall int
		restored   Status
		verdicts   string
		want       []Status // after each verdict
	}{
		{"a fresh target goes by its first pass", 3, 3, Unknown, "P", []Status{Up}},
		{"a fresh target goes by its first fail", 3, 3, Unknown, "F", []Status{Down}},
		{"indeterminate is no first verdict", 3, 3, Unknown, "IIF", []Status{Unknown, Unknown, Down}},
		{"the fall-th fail turns down", 2, 3, Unknown, "PFFF", []Status{Up, Up, Up, Down}},
		{"a pass clears the fails", 2, 3, Unknown, "PFFPFFF", []Status{Up, Up, Up, Up, Up, Up, Down}},
		{"the rise-th pass turns up", 2, 3, Unknown, "FPP", []Status{Down, Down, Up}},
		{"a fail clears the passes", 2, 3, Unknown, "FPFPP", []Status{Down, Down, Down, Down, Up}},
		{"indeterminate clears nothing", 2, 3, Unknown, "PFIFIF", []Status{Up, Up, Up, Up, Up, Down}},
		{"one and one turn at once", 1, 1, Unknown, "PFPF", []Status{Up, Down, Up, Down}},
		{"thresholds below one are one", 0, -1, Unknown, "PFP", []Status{Up, Down, Up}},

		{"restored up falls at once", 2, 3, Up, "F", []Status{Down}},
		{"restored up, confirmed, falls as always", 2, 3, Up, "PFFF", []Status{Up, Up, Up, Down}},
		{"restored up stays provisional over indeterminate", 2, 3, Up, "IF", []Status{Up, Down}},
		{"restored up falls as always while everything fails", 2, 3, Up, "fff", []Status{Up, Up, Down}},
		{"restored up falls at once when others are seen", 2, 3, Up, "fF", []Status{Up, Down}},
		{"restored up, confirmed among fails, falls as always", 2, 3, Up, "fPFFF", []Status{Up, Up, Up, Up, Down}},
		{"restored up counts what failed before it could not be judged", 2, 3, Up, "fIff", []Status{Up, Up, Up, Down}},
		{"fresh falls at once, whatever others do", 2, 3, Unknown, "f", []Status{Down}},
		{"confirmed up falls no sooner for others", 2, 3, Up, "PfFf", []Status{Up, Up, Up, Down}},
		{"restored down stays down whatever others do", 2, 3, Down, "fPP", []Status{Down, Down, Up}},
		{"restored down needs every pass", 2, 3, Down, "PP", []Status{Down, Up}},
		{"restored down rises at once where one pass is enough", 1, 3, Down, "P", []Status{Up}},
		{"restored down, confirmed, rises as always", 2, 3, Down, "FPP", []Status{Down, Down, Up}},
		{"restored down stays down over indeterminate", 2, 3, Down, "IPIP", []Status{Down, Down, Down, Up}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tracker := NewTracker(test.rise, test.fall)
			tracker.Restore(test.restored)
			var got []Status
			for _, v := range verdicts(test.verdicts) {
				before := tracker.Status()
				s := observe(tracker, v)
				if s.Changed != (s.Status != before) {
					t.Errorf("%s to %s: changed is %t", before, s.Status, s.Changed)
				}
				got = append(got, s.Status)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("after %s (-want +got):\n%s", test.verdicts, diff)
			}
		})
	}
}

func TestTrackerTurning(t *testing.T) {
	tracker := NewTracker(2, 3)
	tracker.Restore(Down)
	if !tracker.Restored() || tracker.Turning() {
		t.Fatal("a restored target is provisional, and not turning")
	}
	want := []step{
		{Status: Down, Restored: true},           // I
		{Status: Down, Streak: 1, Turning: true}, // P
		{Status: Down, Streak: 1, Turning: true}, // I
		{Status: Up, Changed: true},              // P
		{Status: Up, Streak: 1, Turning: true},   // F
		{Status: Up},                             // P
	}
	var got []step
	for _, v := range verdicts("IPIPFP") {
		got = append(got, observe(tracker, v))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A target that fails now and then never fails fall times in a row.
func TestTrackerFlap(t *testing.T) {
	every := func(n int, pattern string) string { return strings.Repeat(pattern, n) }
	for _, test := range []struct {
		name     string
		flap     Flap
		verdicts string
		want     Status
		failed   int // of so many verdicts that are shown
		of       int
	}{
		{"without a flap it stays up", Flap{}, "P" + every(40, "FP"), Up, 10, 20},
		{"every second fails, and half of ten are enough", Flap{50, 10}, "P" + every(5, "FP"), Down, 5, 10},
		{"one fail less", Flap{50, 10}, "P" + every(4, "FP"), Up, 4, 9},
		{"verdicts that have not come are passes", Flap{50, 20}, "PFFPFFPFFPF", Up, 7, 11},
		{"a full record with a smaller share", Flap{50, 10}, "P" + every(9, "FPP"), Up, 3, 10},
		{"indeterminate is not counted", Flap{50, 10}, "P" + every(4, "IFIPI"), Up, 4, 9},
		{"it stays down while it goes on", Flap{40, 10}, "P" + every(30, "FP"), Down, 5, 10},
		{"up again by rise", Flap{40, 10}, "P" + every(30, "FP") + "PP", Up, 4, 10},
		{"the fails before it came up do not count again", Flap{40, 10}, "P" + every(30, "FP") + "PPF", Up, 4, 10},
		{"but those after do", Flap{40, 10}, "P" + every(30, "FP") + "PPFPFPFPF", Down, 4, 10},
		{"fall in a row is still enough", Flap{50, 20}, "PPPPPPFFF", Down, 3, 9},
		{"the longest record", Flap{100, MaxFlap}, every(100, "P") + every(MaxFlap, "FP"), Up, 32, 64},
	} {
		t.Run(test.name, func(t *testing.T) {
			tracker := NewTracker(2, 3)
			tracker.SetFlap(test.flap)
			for _, v := range verdicts(test.verdicts) {
				before, decisive := tracker.Status(), tracker.Decisive()
				changed := tracker.Observe(v.Verdict, v.sighted)
				if v.Verdict == Fail && decisive != (changed && before == Up) {
					t.Errorf("the fail was said to be decisive: %t, it changed: %t", decisive, changed)
				}
			}
			failed, of := tracker.Failures()
			if tracker.Status() != test.want || failed != test.failed || of != test.of {
				t.Errorf("%s, %d of %d failed; want %s, %d of %d", tracker.Status(), failed, of, test.want, test.failed, test.of)
			}
		})
	}
}

func TestTrackerSetThresholds(t *testing.T) {
	tracker := NewTracker(2, 5)
	for _, v := range verdicts("PFFF") {
		observe(tracker, v)
	}
	tracker.SetThresholds(2, 2)
	if tracker.Status() != Up || tracker.Streak() != 3 {
		t.Fatalf("new thresholds alone made it %s with a streak of %d", tracker.Status(), tracker.Streak())
	}
	if !tracker.Observe(Fail, true) || tracker.Status() != Down {
		t.Errorf("the next fail left it %s", tracker.Status())
	}
}

// remembered is what a tracker ought to show, judged from everything it was ever told: the
// last evidence that was enough for a status decides.
func remembered(rise, fall int, restored Status, history []sighting) step {
	var judged []Verdict
	var sighted []bool
	for _, v := range history {
		if v.Verdict != Indeterminate {
			judged, sighted = append(judged, v.Verdict), append(sighted, v.sighted)
		}
	}
	run := func(i int) (n int) { // how many verdicts up to judged[i] are like it
		for j := i; j >= 0 && judged[j] == judged[i]; j-- {
			n++
		}
		return n
	}
	status, provisional := restored, restored != Unknown
	for i, v := range judged {
		first := i == 0 && restored == Unknown
		doubted := provisional && restored == Up && v == Fail
		if v == Pass && (first || run(i) >= rise) {
			status = Up
		}
		if v == Fail && (first || doubted && sighted[i] || run(i) >= fall) {
			status = Down
		}
		provisional = doubted && status == Up
	}
	want := step{Status: status, Restored: provisional}
	if last := len(judged) - 1; last >= 0 && judged[last] != verdictFor(status) {
		want.Streak, want.Turning = run(last), true
	}
	return want
}

func TestTrackerAgainstItsHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rise, fall := rapid.IntRange(1, 4).Draw(t, "rise"), rapid.IntRange(1, 4).Draw(t, "fall")
		restored := rapid.SampledFrom([]Status{Unknown, Up, Down}).Draw(t, "restored")
		history := rapid.SliceOfN(rapid.SampledFrom(verdicts("IPFf")), 0, 40).Draw(t, "history")

		tracker := NewTracker(rise, fall)
		tracker.Restore(restored)
		before := restored
		for i, v := range history {
			got := observe(tracker, v)
			want := remembered(rise, fall, restored, history[:i+1])
			want.Changed = want.Status != before
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("after verdict %d of %v (-want +got):\n%s", i, history, diff)
			}
			before = want.Status
		}
	})
}
