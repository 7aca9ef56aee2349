package publish

import (
	"context"
	"strings"
	"testing"
)

// A pool that comes with a reload is told of, and moves the places of those that stay.
func TestEventsOfAReloadGoByName(t *testing.T) {
	perform(t, func(th *theatre) {
		th.forget()
		more := parse(t, strings.Replace(twoPools, `[pools.nyc]`, "[pools.abroad]\nmembers = [\"203.0.113.10\"]\nchecks = [\"web\"]\n[pools.nyc]", 1)+
			"[zones.\"gslb.example.com\".names.another]\npools = [\"abroad\"]\n")
		if err := th.Use(context.Background(), more); err != nil {
			t.Fatal(err)
		}
		th.expect(t, "203.0.113.10", "config", "pool abroad unknown→up", "answer →abroad another.gslb.example.com.")
	})
}

func TestFeedIsBounded(t *testing.T) {
	var heard, lost int
	f := newFeed([]func([]Event){func(events []Event) { heard += len(events) }})
	for range maxWaiting + 5 {
		f.put(make([]Event, 1))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.run(ctx, func(n int) { lost += n })
	if heard != maxWaiting || lost != 5 {
		t.Errorf("%d heard, %d lost; want %d and 5", heard, lost, maxWaiting)
	}
}
