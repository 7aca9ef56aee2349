package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// seen is observations a second apart, the first one a second after the fault: a letter each, "n" and "a" of the
// two regions, "." of none.
func seen(fault time.Time, letters string) []observation {
	var all []observation
	for i, letter := range letters {
		o := observation{At: fault.Add(time.Duration(i+1) * time.Second)}
		switch letter {
		case 'n':
			o.Region = "nyc"
		case 'a':
			o.Region = "ams"
		default:
			o.Err = "refused"
		}
		all = append(all, o)
	}
	return all
}

func TestMoved(t *testing.T) {
	fault := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		letters string
		want    move
	}{
		{"", move{}},
		{"nn", move{}},
		{"...", move{Failed: 3}},
		{"n..aaaa", move{After: 4 * time.Second, Made: true, Failed: 2}},
		{"n..aaa", move{Failed: 2}},                                          // not for long enough yet
		{"n.aana.aaaa", move{After: 8 * time.Second, Made: true, Failed: 2}}, // two servers turned one after the other
		{"n.aaaaaan", move{Failed: 1}},
		{"n.aaaaaa.", move{Failed: 2}},
		{"aaaa", move{Made: true}},
	} {
		all := seen(fault, test.letters)
		now := fault.Add(time.Duration(len(test.letters)) * time.Second)
		if diff := cmp.Diff(test.want, moved(all, fault, now, "ams")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.letters, diff)
		}
	}
}

// Whoever has moved was nowhere else from then on, and had been somewhere else, or nowhere, right before.
func TestMovedProperties(t *testing.T) {
	fault := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		all := seen(fault, rapid.StringMatching(`[na.]{0,20}`).Draw(t, "seen"))
		now := fault.Add(time.Duration(len(all)) * time.Second)
		m := moved(all, fault, now, "ams")
		failed := 0
		for _, o := range all {
			at := o.At.Sub(fault)
			if o.Region == "" {
				failed++
			}
			if m.Made && at >= m.After && o.Region != "ams" {
				t.Errorf("at %v it saw %q, and had moved after %v", at, o.Region, m.After)
			}
		}
		if m.Failed != failed {
			t.Errorf("%d requests failed, not %d", failed, m.Failed)
		}
		if m.Made && now.Sub(fault)-m.After < steady {
			t.Errorf("it has moved after %v of %v: that is not steady", m.After, now.Sub(fault))
		}
	})
}

func TestSpans(t *testing.T) {
	fault := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	s := time.Second
	for _, test := range []struct {
		letters string
		want    []span
	}{
		{"", nil},
		{"n", []span{{0, 9 * s, "nyc"}}},
		{"nn..aaa", []span{{0, 3 * s, "nyc"}, {3 * s, 5 * s, ""}, {5 * s, 9 * s, "ams"}}},
		{".a", []span{{0, 2 * s, ""}, {2 * s, 9 * s, "ams"}}},
	} {
		if diff := cmp.Diff(test.want, spans(seen(fault, test.letters), fault, 9*s)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.letters, diff)
		}
	}
}

func TestTrack(t *testing.T) {
	fault := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	var track track
	for _, o := range seen(fault, "nna") {
		track.add(o)
	}
	if got := len(track.between(fault.Add(2*time.Second), fault.Add(3*time.Second))); got != 1 {
		t.Errorf("%d observations from the second one on and before the third, want 1", got)
	}
	if track.forget(); len(track.all()) != 0 {
		t.Error("it does not forget")
	}
}
