package admin

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/admin/api"
	"gslb/health"
	"gslb/history"
)

func TestHistory(t *testing.T) {
	now := time.Now().Round(0)
	w := newWorld(now)
	w.publish(now)
	s, _ := w.server()
	from := now.UTC().Truncate(time.Minute).Add(-24 * time.Hour)
	slots := make([]history.Slot, 3)
	for i := range slots {
		slots[i].Start = from.Add(time.Duration(i) * history.SlotTime)
	}
	slots[1].Down, slots[1].Turns = 90*time.Second, 2
	slots[2].Unknown = 400 * time.Millisecond
	w.history = []history.Report{
		{Pool: "ams", Failed: -1, Spark: []time.Duration{-1, -1}},
		{
			Pool: "nyc", Strip: func() []history.Slot { return slots }, P50: 12 * time.Millisecond, P99: time.Second, Failed: 0.25, Spark: []time.Duration{-1, 11 * time.Millisecond, -1},
			Day:   history.Downtime{Down: 90 * time.Second, Known: 900 * time.Second, Turns: 2},
			Month: history.Downtime{Down: time.Hour, Known: 10 * time.Hour, Turns: 7},
		},
	}
	want := api.History{
		Pool: "nyc", Status: health.Up, From: from,
		Slots: []api.HistorySlot{
			{Start: from.Add(15 * time.Minute), Down: 90, Turns: 2},
			{Start: from.Add(30 * time.Minute), Unknown: 0.4},
		},
		Day:   api.Downtime{Down: 90, Known: 900, Turns: 2, Up: new(0.9)},
		Month: api.Downtime{Down: 3600, Known: 36000, Turns: 7, Up: new(0.9)},
		P50:   new(0.012), P99: new(1.0), Failed: new(0.25),
		Latency: []api.MinuteLatency{{Start: now.UTC().Truncate(time.Minute).Add(-time.Minute), Median: 0.011}},
	}
	of := func(query string) api.HistoryList {
		t.Helper()
		var list api.HistoryList
		if err := json.Unmarshal(get(t, s, "/api/v1/history"+query).Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	list := of("?pool=nyc")
	if diff := cmp.Diff([]api.History{want}, list.History); diff != "" || list.Total != 1 {
		t.Errorf("%d in all (-want +got):\n%s", list.Total, diff)
	}
	if list := of("?limit=1"); list.Total != 2 || len(list.History) != 1 || list.History[0].Failed != nil || list.History[0].Day.Up != nil {
		t.Errorf("%+v", list)
	}
	if list := of("?pool=ny"); list.Total != 0 || list.History == nil {
		t.Errorf("of a pool that there is not: %+v", list)
	}
	if got := get(t, s, "/api/v1/history?poll=nyc").Code; got != http.StatusBadRequest {
		t.Errorf("a mistyped parameter: %d", got)
	}
	s.options.History = nil
	if got := get(t, s, "/api/v1/history").Code; got != http.StatusServiceUnavailable {
		t.Errorf("without a history: %d", got)
	}
}
