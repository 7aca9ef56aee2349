package journal

import (
	"encoding/json"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/health"
	"gslb/publish"
	"gslb/replication"
)

// IDs rise whatever the clock does, and over a restart that remembers nothing.
func TestIDsRise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last uint64
		rising := func(events []Event) {
			for _, e := range events {
				if e.ID <= last {
					t.Errorf("event %d after %d", e.ID, last)
				}
				last = e.ID
			}
		}
		j := New(0, rising)
		j.Add(make([]Event, 1000)...) // more than one a millisecond
		time.Sleep(10 * time.Second)
		j.Add(Event{Kind: Switch}, Event{Kind: Hold})
		time.Sleep(time.Second)
		New(0, rising).Add(Event{Kind: Hold})
		future := last + 1e9 // the clock was set back since
		last = future
		New(future, rising).Add(Event{Kind: Hold})
	})
}

// Writers that compete never hand events on in another order than that of their IDs.
func TestEventsComeInOrder(t *testing.T) {
	var last uint64
	j := New(0, func(events []Event) {
		for _, e := range events {
			if e.ID <= last {
				t.Errorf("event %d after %d", e.ID, last)
			}
			last = e.ID
		}
	})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 200 {
				j.Add(Event{Kind: Switch}, Event{Kind: Hold})
			}
		})
	}
	group.Wait()
}

// A census is whole in the log, and short in memory and on the page.
func TestShortCensus(t *testing.T) {
	down := make([]health.TargetID, 5000)
	e := Event{Kind: Config, Census: &Census{Up: 7, Down: len(down), DownTargets: down}}
	short := e.Short()
	if len(short.Census.DownTargets) != MostNames || short.Census.Down != 5000 || len(e.Census.DownTargets) != 5000 {
		t.Errorf("short: %d of %d listed, the event itself %d", len(short.Census.DownTargets), short.Census.Down, len(e.Census.DownTargets))
	}
}

func TestEventOfTarget(t *testing.T) {
	at := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	e, ok := Of(publish.Event{At: at.Add(time.Millisecond), Target: &health.Transition{
		Target: health.Target{ID: "web@192.0.2.1", Check: "web"}, From: health.Up, To: health.Down, At: at, Lasted: time.Hour, First: at.Add(-3 * time.Second),
		Cause: health.Result{Verdict: health.Fail, Reason: "timeout", Detail: "no answer within 2s"},
	}})
	got, err := json.Marshal(e)
	want := `{"id":0,"at":"2026-01-02T12:00:00.001Z","kind":"target","subject":"web@192.0.2.1","from":"up","to":"down","why":"no answer within 2s","lasted_seconds":3600,"first_failed":"2026-01-02T11:59:57Z",` +
		`"verdict":{"at":"2026-01-02T12:00:00Z","check":"web","reason":"timeout"}}`
	if !ok || err != nil || string(got) != want {
		t.Errorf("got  %s (%v)\nwant %s", got, err, want)
	}
	if _, ok := Of(publish.Event{}); ok {
		t.Error("an event of nothing was made")
	}
}

func TestEventOfExpiry(t *testing.T) {
	until := time.Date(2026, 1, 9, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		until time.Time
		want  Event
	}{
		{until, Event{Kind: Expiry, Subject: "web@192.0.2.1", To: "expiring", Why: "the certificate is valid until 2026-01-09T12:00:00Z: renew it"}},
		{time.Time{}, Event{Kind: Expiry, Subject: "web@192.0.2.1", From: "expiring", To: "renewed"}},
	} {
		e, ok := Of(publish.Event{Expiry: &publish.Expiry{Target: "web@192.0.2.1", Until: test.until}})
		if diff := cmp.Diff(test.want, e); !ok || diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

func TestEventOfCopy(t *testing.T) {
	at := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	e, ok := Of(publish.Event{At: at, Copy: &replication.Change{
		Region: replication.Region{Group: "orders", Region: "eu-west-1"},
		From:   replication.State{Condition: replication.Current},
		To:     replication.State{Condition: replication.Behind, Degraded: true, Why: "late"},
		Lags:   replication.Lags{{From: "a", To: "eu-west-1", Lag: 45 * time.Second, Known: true}, {From: "eu-west-1", To: "a"}},
	}})
	want := Event{
		At: at, Kind: Copy, Subject: "orders@eu-west-1", From: "current", To: "behind", Degraded: true,
		Why: "late (a → eu-west-1 45s, eu-west-1 → a unknown)",
	}
	if diff := cmp.Diff(want, e); !ok || diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
