package admin

import (
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestRingKeepsTheLast holds the ring against the plain definition: all that was ever added, the last of
// it that there is room for. What is shown is the last 200 of it, backwards.
func TestRingKeepsTheLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRing()
		var all []uint64
		for _, size := range rapid.SliceOfN(rapid.IntRange(0, 400), 0, 12).Draw(t, "batches") {
			changed := r.lastOf(1).changed
			batch := make([]Event, size)
			for i := range batch {
				batch[i].ID = uint64(10 * (len(all) + 1))
				all = append(all, batch[i].ID)
			}
			r.add(batch)
			select {
			case <-changed:
				if size == 0 {
					t.Fatal("a reader is woken without an event")
				}
			default:
				if size > 0 {
					t.Fatal("a reader is not woken")
				}
			}
		}
		kept := all[max(0, len(all)-eventsKept):]
		check := func(what string, got []Event, want []uint64) {
			if diff := cmp.Diff(append([]uint64{}, want...), transform(got, func(e Event) uint64 { return e.ID })); diff != "" {
				t.Fatalf("%s of %d events (-want +got):\n%s", what, len(all), diff)
			}
		}
		shown := slices.Clone(kept[max(0, len(kept)-eventsShown):])
		slices.Reverse(shown)
		check("those that are shown", r.latest(), shown)

		most := rapid.IntRange(1, 2*eventsKept).Draw(t, "most")
		check("the last", r.lastOf(most).events, kept[max(0, len(kept)-most):])
		id := uint64(rapid.IntRange(0, 10*(len(all)+2)).Draw(t, "after"))
		at, _ := slices.BinarySearch(kept, id+1)
		if len(all) > 0 && id > all[len(all)-1] {
			at = 0 // of a run whose clock was ahead: the reader begins anew
		}
		got := r.after(id, most)
		check("those after", got.events, kept[at:][:min(most, len(kept)-at)])
		if first := all[:len(all)-len(kept)]; len(first) > 0 && id < first[len(first)-1] && !got.missed {
			t.Fatalf("events after %d are forgotten, and the reader is not told", id)
		}
		if at > 0 && got.missed {
			t.Fatalf("after %d nothing is forgotten, and the reader is told that something is", id)
		}
		if len(all) > 0 && got.last != all[len(all)-1] {
			t.Fatalf("the last event is %d, want %d", got.last, all[len(all)-1])
		}
	})
}

// TestRingTakesBatchesWhole has writers compete; what one of them adds at once stays together.
func TestRingTakesBatchesWhole(t *testing.T) {
	r := newRing()
	var group sync.WaitGroup
	for writer := range 4 {
		group.Go(func() {
			for range 100 {
				e := Event{Subject: strconv.Itoa(writer)}
				r.add([]Event{e, e})
				r.latest()
			}
		})
	}
	group.Wait()
	latest := r.lastOf(eventsKept).events
	if want := 4 * 100 * 2; len(latest) != want {
		t.Fatalf("%d events are kept, want %d", len(latest), want)
	}
	for i := 0; i < len(latest); i += 2 {
		if latest[i].Subject != latest[i+1].Subject {
			t.Fatalf("events %d and %d were added together, and are of %s and %s", i, i+1, latest[i].Subject, latest[i+1].Subject)
		}
	}
}
