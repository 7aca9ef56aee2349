package publish

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/health"
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

// Certificates that must be renewed are told of once, and again when another one comes.
func TestExpiries(t *testing.T) {
	at := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	soon, later := at.Add(time.Hour), at.Add(48*time.Hour)
	first := health.NewSnapshot(at, map[health.TargetID]health.State{
		"a": {Status: health.Up, Expiring: soon}, "b": {Status: health.Up}, "c": {Status: health.Down, Expiring: later}, "d": {Status: health.Up, Expiring: soon},
	})
	second := first.With(at.Add(time.Second), map[health.TargetID]health.State{
		"a": {Status: health.Down, Expiring: soon}, "b": {Status: health.Up, Expiring: later}, "c": {Status: health.Up}, "d": {},
	})
	for _, test := range []struct {
		old, snapshot *health.Snapshot
		want          []Expiry
	}{
		{nil, first, []Expiry{{"a", soon}, {"c", later}, {"d", soon}}},
		{first, first, nil},
		{first, second, []Expiry{{"b", later}, {"c", time.Time{}}}},
	} {
		var got []Expiry
		for _, e := range expiries(test.old, test.snapshot) {
			if !e.At.Equal(test.snapshot.At) {
				t.Errorf("it is told of at %v", e.At)
			}
			got = append(got, *e.Expiry)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}
