package server

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// TestWaitQueue compares two queues, between which connections move, with lists.
func TestWaitQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		queues := [2]waitQueue{{limit: time.Second}, {limit: 3 * time.Second}}
		var want [2][]int32
		var places [6]waiting
		for i := range places {
			places[i].conn = &loopConn{slot: int32(i)}
		}
		now := time.Unix(1000, 0)
		leave := func(slot int32) {
			for i := range want {
				want[i] = slices.DeleteFunc(want[i], func(other int32) bool { return other == slot })
			}
		}
		place := rapid.Int32Range(0, int32(len(places)-1))
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				slot, to := place.Draw(t, "place"), rapid.IntRange(0, 1).Draw(t, "queue")
				now = now.Add(time.Millisecond)
				queues[to].push(&places[slot], now)
				leave(slot)
				want[to] = append(want[to], slot)
			},
			"leave": func(t *rapid.T) {
				slot := place.Draw(t, "place")
				places[slot].leave()
				leave(slot)
			},
			"": func(t *rapid.T) {
				for i := range queues {
					var got []int32
					for w := queues[i].first; w != nil; w = w.next {
						got = append(got, w.conn.slot)
						if w.next != nil && w.next.by.Before(w.by) {
							t.Errorf("queue %d is out of order", i)
						}
					}
					if diff := cmp.Diff(want[i], got, cmpopts.EquateEmpty()); diff != "" {
						t.Errorf("queue %d (-want +got):\n%s", i, diff)
					}
				}
			},
		})
	})
}
