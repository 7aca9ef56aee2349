package admin

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/history"
)

func TestBars(t *testing.T) {
	const slot = history.SlotTime
	down := func(d time.Duration) history.Slot { return history.Slot{Down: d} }
	unknown := func(d time.Duration) history.Slot { return history.Slot{Unknown: d} }
	tests := map[string]struct {
		strip []history.Slot
		want  []bar
	}{
		"well":       {[]history.Slot{{}, {}}, nil},
		"a moment":   {[]history.Slot{{}, down(1)}, []bar{{1, 1, 5, "down"}}},
		"three down": {[]history.Slot{down(slot), down(slot), down(slot), {}}, []bar{{0, 3, 20, "down"}}},
		"other heights": {[]history.Slot{down(slot), down(slot / 2), down(slot)},
			[]bar{{0, 1, 20, "down"}, {1, 1, 10, "down"}, {2, 1, 20, "down"}}},
		"not next to each other": {[]history.Slot{unknown(slot), {}, unknown(slot)}, []bar{{0, 1, 20, "unknown"}, {2, 1, 20, "unknown"}}},
		"both":                   {[]history.Slot{{Down: slot / 2, Unknown: slot / 2}, {Down: slot / 2, Unknown: slot / 2}}, []bar{{0, 2, 10, "unknown"}, {0, 2, 10, "down"}}},
		"a clock that jumped":    {[]history.Slot{down(9 * slot)}, []bar{{0, 1, 20, "down"}}},
	}
	for name, tt := range tests {
		if diff := cmp.Diff(tt.want, bars(tt.strip)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSpark(t *testing.T) {
	const ms = time.Millisecond
	tests := map[string]struct {
		values []time.Duration
		want   string
		peak   time.Duration
	}{
		"none":     {nil, "", 0},
		"unknown":  {[]time.Duration{-1, -1}, "", 0},
		"a line":   {[]time.Duration{10 * ms, 20 * ms, 0}, "M0 10.0L1 1.0L2 19.0", 20 * ms},
		"a gap":    {[]time.Duration{-1, 20 * ms, 10 * ms, -1, 20 * ms, 20 * ms}, "M1 1.0L2 10.0M4 1.0L5 1.0", 20 * ms},
		"a point":  {[]time.Duration{-1, 20 * ms, -1}, "M1 1.0h1", 20 * ms},
		"the last": {[]time.Duration{-1, 20 * ms}, "M1 1.0h1", 20 * ms},
	}
	for name, tt := range tests {
		if path, peak := spark(tt.values); path != tt.want || peak != tt.peak {
			t.Errorf("%s: %q up to %v, want %q up to %v", name, path, peak, tt.want, tt.peak)
		}
	}
}

// TestPastOfPools: a pool shows its last day, how fast its probes are, and how long it was down.
func TestPastOfPools(t *testing.T) {
	w := newWorld(time.Now())
	w.publish(time.Now())
	s, _ := w.server()
	s.options.History = func() []history.Report {
		return []history.Report{{
			Pool: "nyc", Strip: func() []history.Slot { return []history.Slot{{Down: history.SlotTime}} }, Failed: 0.004,
			P50: 21400 * time.Microsecond, P99: 1300 * time.Millisecond, Spark: []time.Duration{time.Second},
			Day:   history.Downtime{Down: 23 * time.Minute, Known: 24 * time.Hour, Turns: 2},
			Month: history.Downtime{Down: 50 * time.Hour, Known: 240 * time.Hour, Turns: 9},
		}}
	}
	page := render(t, s, "/")
	wantText(t, "the row of nyc", page.rows["nyc"],
		"The last 24 hours: down for 23 min 0 s, 2 turns", "p50, p99 21 ms 1.3 s", "failures < 1 %", "down 23 min 2 d",
		"2 turns between up and down in the last 24 hours, 9 in 30 days")
	wantText(t, "the row of ams", page.rows["ams"], "––––")
}
