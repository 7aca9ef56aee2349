package admin

import (
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestRingKeepsTheLast holds the ring against the plain definition: all that was ever
// added, the last 200 of it, backwards.
func TestRingKeepsTheLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r ring
		var all []string
		for _, size := range rapid.SliceOfN(rapid.IntRange(0, 250), 0, 12).Draw(t, "batches") {
			batch := make([]Event, size)
			for i := range batch {
				batch[i].Subject = strconv.Itoa(len(all))
				all = append(all, batch[i].Subject)
			}
			r.add(batch)

			want := []string{}
			for i := len(all) - 1; i >= 0 && len(want) < eventsKept; i-- {
				want = append(want, all[i])
			}
			got := transform(r.latest(), func(e Event) string { return e.Subject })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("after %d events (-want +got):\n%s", len(all), diff)
			}
		}
	})
}

// TestRingTakesBatchesWhole has writers compete; what one of them adds at once stays together.
func TestRingTakesBatchesWhole(t *testing.T) {
	var r ring
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
	latest := r.latest()
	if len(latest) != eventsKept {
		t.Fatalf("%d events are kept, want %d", len(latest), eventsKept)
	}
	for i := 0; i < len(latest); i += 2 {
		if latest[i].Subject != latest[i+1].Subject {
			t.Fatalf("events %d and %d were added together, and are of %s and %s", i, i+1, latest[i].Subject, latest[i+1].Subject)
		}
	}
}
