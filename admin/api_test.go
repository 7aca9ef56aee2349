package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/admin/api"
	"gslb/health"
	"gslb/journal"
	"gslb/publish"
)

// failedOver is a world in which nyc's table stopped, so that app is answered with ams, as
// an operator would find it; with the events that led there.
func failedOver(now time.Time) (*world, []publish.Event) {
	w := newWorld(now)
	w.publish(now)
	before := w.table
	w.fail("table@us-east-1", now, "timeout", "no answer within 2s")
	w.report("web@198.51.100.10").State.Turning = true
	w.publish(now)

	at := now.Add(-90 * time.Second)
	down := w.report("table@us-east-1")
	return w, []publish.Event{
		{At: now.Add(-time.Hour), Config: w.set},
		{At: at, Target: &health.Transition{Target: down.Target, From: health.Up, To: health.Down, At: at, Lasted: time.Hour, Cause: down.Last}},
		{At: at, Pool: &publish.PoolChange{From: health.Up, Lasted: time.Hour, To: *w.table.Pools()[nyc]}},
		{At: at, Answer: &publish.AnswerChange{
			From: *before.Decisions()[0], To: *w.table.Decisions()[0], Names: w.set.Zones[0].Names[:1],
		}},
	}
}

// TestStatusJSON pins the whole document, names of fields included: programs read it.
func TestStatusJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, events := failedOver(time.Now())
		w.reload = ConfigStatus{At: time.Now().Add(-time.Minute), Err: errors.New("pools.nyc.min_up: 3 of 2 members"), Failures: 2}
		s, _ := w.server()
		record(s, events)

		response := get(t, s, "/api/status")
		if response.Code != 200 || response.Header().Get("Content-Type") != "application/json" {
			t.Errorf("status %d, Content-Type %q", response.Code, response.Header().Get("Content-Type"))
		}
		const golden = "testdata/status.json"
		if *update {
			if err := os.WriteFile(golden, response.Body.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), response.Body.String()); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
	})
}

// status asks for the status and reads it strictly.
func status(t *testing.T, s *Server, path string) Status {
	t.Helper()
	response := get(t, s, path)
	if response.Code != 200 {
		t.Fatalf("GET %s: status %d: %s", path, response.Code, response.Body)
	}
	decoder := json.NewDecoder(response.Body)
	decoder.DisallowUnknownFields()
	var st Status
	if err := decoder.Decode(&st); err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	return st
}

// TestStatusBeforePublication: the lists are there, and empty; null would break readers.
func TestStatusBeforePublication(t *testing.T) {
	w := newWorld(time.Now())
	w.reports = nil
	s, _ := w.server()
	body := get(t, s, "/api/status").Body.Bytes()
	if bytes.Contains(body, []byte("null")) {
		t.Errorf("the status contains null:\n%s", body)
	}
	st := status(t, s, "/api/status?name=app.gslb.example.com")
	if st.Ready || len(st.Names) != 0 {
		t.Errorf("ready %t with names %v, before anything was published", st.Ready, st.Names)
	}
	if diff := cmp.Diff([]string{answersMissing}, st.Waiting); diff != "" {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
}

func TestStatusSelects(t *testing.T) {
	now := time.Now()
	w, events := failedOver(now)
	s, _ := w.server()
	record(s, events)
	tests := []struct {
		query                         string
		names, pools, targets, events []string
	}{
		{
			query: "?name=APP.gslb.example.com",
			names: []string{"app.gslb.example.com."}, pools: []string{"ams", "nyc"},
			targets: []string{"table@eu-west-1", "table@us-east-1", "web@198.51.100.10", "web@2001:db8::10", "web@203.0.113.10"},
			events:  []string{"answer", "pool", "target", "config"},
		},
		{
			query: "?name=www.gslb.example.com.",
			names: []string{"www.gslb.example.com."}, pools: []string{"ams"},
			targets: []string{"table@eu-west-1", "web@198.51.100.10"},
			events:  []string{"config"},
		},
		{
			query: "?q=us-east-1",
			names: []string{"app.gslb.example.com."}, pools: []string{"nyc"}, targets: []string{"table@us-east-1"}, events: []string{"answer", "pool", "target"},
		},
		{
			query: "?q=DOWN",
			names: []string{"app.gslb.example.com."}, pools: []string{"nyc"}, targets: []string{"table@us-east-1"}, events: []string{"answer", "pool", "target"},
		},
		{
			query: "?q=198.51.100.10",
			names: []string{"app.gslb.example.com.", "www.gslb.example.com."}, pools: []string{"ams"}, targets: []string{"web@198.51.100.10"}, events: []string{"answer"},
		},
		{
			query: "?limit=1",
			names: []string{"app.gslb.example.com."}, pools: []string{"ams"}, targets: []string{"table@eu-west-1"}, events: []string{"answer"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			st := status(t, s, "/api/status"+tt.query)
			check := func(list string, want, got []string) {
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", list, diff)
				}
			}
			check("names", tt.names, transform(st.Names, func(n api.Name) string { return n.Name }))
			check("pools", tt.pools, transform(st.Pools, func(p api.Pool) string { return p.Name }))
			check("targets", tt.targets, transform(st.Targets, func(r api.Target) string { return string(r.ID) }))
			check("events", tt.events, transform(st.Events, func(e Event) string { return string(e.Kind) }))
			if st.Summary.Targets.Total != 5 || st.Summary.Targets.Down != 1 {
				t.Errorf("the summary counts %+v: it is of everything, whatever was asked", st.Summary.Targets)
			}
		})
	}
	if got, want := status(t, s, "/api/status?limit=1").Matched, (api.Matched{Names: 2, Pools: 2, Targets: 5, Events: 4}); got != want {
		t.Errorf("matched %+v, want %+v", got, want)
	}
}

func TestStatusRefuses(t *testing.T) {
	w := newWorld(time.Now())
	w.publish(time.Now())
	s, _ := w.server()
	tests := []struct {
		query string
		code  int
		want  string
	}{
		{"?name=gone.gslb.example.com", 404, `no name gone.gslb.example.com. is steered here: names are matched whole, a wildcard as "*.example.com"`},
		{"?nmae=app", 400, `parameter "nmae" is not known: want name, q or limit`},
	}
	for _, tt := range tests {
		response := get(t, s, "/api/status"+tt.query)
		var got apiError
		if err := json.Unmarshal(response.Body.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v", tt.query, err)
		}
		if response.Code != tt.code || got.Error != tt.want {
			t.Errorf("%s: %d %q, want %d %q", tt.query, response.Code, got.Error, tt.code, tt.want)
		}
	}
}

// TestAnswerEventIsBounded: an event of 100,000 names lists ten of them, and keeps nothing
// of the configuration alive.
func TestAnswerEventIsBounded(t *testing.T) {
	now := time.Now()
	w := newWorld(now)
	w.addNames(100_000, nyc)
	w.publish(now)
	s, _ := w.server()
	record(s, []publish.Event{{At: now, Answer: &publish.AnswerChange{To: *w.table.Decisions()[2], Names: w.set.Zones[0].Names[2:]}}})
	got := status(t, s, "/api/status?name=n054321.gslb.example.com").Events
	if len(got) != 1 {
		t.Fatalf("%d events, want the one that concerns the name", len(got))
	}
	if len(got[0].Names) != journal.MostNames || got[0].NamesTotal != 100_000 || got[0].Subject != "many.gslb.example.com." {
		t.Errorf("subject %s, %d of %d names", got[0].Subject, len(got[0].Names), got[0].NamesTotal)
	}
}
