package admin

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"
	"pgregory.net/rapid"

	"gslb/journal"
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

// fakeLog has events with the IDs 1 to its length. A log whose disk hangs waits for the context.
type fakeLog struct {
	written int
	hangs   bool
}

func (l fakeLog) Latest(ctx context.Context, before uint64, n int) ([]journal.Event, error) {
	if l.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	var list []journal.Event
	for id := uint64(l.written); id > 0 && len(list) < n; id-- {
		if before == 0 || id < before {
			list = append(list, journal.Event{ID: id})
		}
	}
	return list, nil
}

func (l fakeLog) After(ctx context.Context, id uint64, n int) ([]journal.Event, error) {
	if l.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	var list []journal.Event
	for id++; id <= uint64(l.written) && len(list) < n; id++ {
		list = append(list, journal.Event{ID: id})
	}
	return list, nil
}

// Events that are not remembered any more come from the log, without a gap and none twice. What is not
// written yet is remembered.
func TestEventsOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{events: newRing(), recalls: rate.NewLimiter(rate.Inf, 0)}
		for id := range uint64(3000) {
			s.events.add([]Event{{ID: id + 1}})
		}
		for _, test := range []struct {
			what        string
			log         fakeLog
			after       bool
			id          uint64
			most        int
			first, last uint64
			missed      bool
		}{
			{"the last that are remembered", fakeLog{written: 2990}, false, 0, 1000, 2001, 3000, false},
			{"more than are remembered", fakeLog{written: 2990}, false, 0, 1500, 1501, 3000, false},
			{"more than there are", fakeLog{written: 2990}, false, 0, 5000, 1, 3000, false},
			{"from the beginning", fakeLog{written: 2990}, true, 0, 10, 1, 10, false},
			{"all from the beginning", fakeLog{written: 2990}, true, 0, 5000, 1, 3000, false},
			{"after one that is not remembered", fakeLog{written: 2990}, true, 1500, 100, 1501, 1600, false},
			{"after one that is remembered", fakeLog{hangs: true}, true, 2500, 100, 2501, 2600, false},
			{"the log is behind", fakeLog{written: 1700}, true, 1500, 5000, 1501, 3000, true},
			{"the disk hangs", fakeLog{hangs: true}, false, 0, 1500, 2001, 3000, true},
			{"the disk hangs, after one", fakeLog{hangs: true}, true, 1500, 5000, 2001, 3000, true},
		} {
			s.options.EventLog = test.log
			var got some
			if test.after {
				got = s.eventsAfter(t.Context(), test.id, test.most)
			} else {
				got = s.lastEvents(t.Context(), test.most)
			}
			n := len(got.events)
			if n == 0 || got.events[0].ID != test.first || got.events[n-1].ID != test.last || got.missed != test.missed || got.last != 3000 {
				t.Errorf("%s: %d events, missed %v: %+v", test.what, n, got.missed, got.events[:min(n, 1)])
			}
			for i := 1; i < n; i++ {
				if got.events[i].ID <= got.events[i-1].ID {
					t.Fatalf("%s: %d follows %d", test.what, got.events[i].ID, got.events[i-1].ID)
				}
			}
		}
	})
}

// Nobody who is not known can have the log read more often than it may take of the processor.
func TestLogIsReadSeldomForStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newWorld(time.Now()).server()
		s.options.EventLog = &fakeLog{written: 100}
		began := time.Now()
		for range recallsAtOnce + 3 {
			get(t, s, "/api/v1/events?after=0")
		}
		if took := time.Since(began); took != 3*time.Second/recallsPerSecond {
			t.Errorf("it took %v", took)
		}
		began = time.Now()
		for range 10 {
			asAda(t, s, http.MethodGet, "/api/v1/events?after=0", "")
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("for somebody who is known it took %v", took)
		}
	})
}
