package admin

import (
	"testing"
	"testing/synctest"
	"time"

	"gslb/health"
)

func TestStale(t *testing.T) {
	const threshold = 3*5*time.Second + 2*time.Second
	tests := []struct {
		name   string
		change func(w *world, r *health.Report, now time.Time)
		want   bool
	}{
		{"judged a moment ago", func(*world, *health.Report, time.Time) {}, false},
		{"judged just in time", func(_ *world, r *health.Report, now time.Time) { r.Judged = now.Add(-threshold) }, false},
		{"judged too long ago", func(_ *world, r *health.Report, now time.Time) { r.Judged = now.Add(-threshold - 1) }, true},
		{"probed, but not judged, for too long", func(_ *world, r *health.Report, now time.Time) {
			r.Judged = now.Add(-threshold - 1)
			r.Last = health.Result{Verdict: health.Indeterminate, Reason: "credentials"}
		}, true},
		{"never judged since a start an hour ago", func(_ *world, r *health.Report, _ time.Time) { r.Judged = time.Time{} }, true},
		{"never judged since a start a moment ago", func(w *world, r *health.Report, now time.Time) {
			r.Judged, w.started, w.set.Loaded = time.Time{}, now.Add(-time.Second), now.Add(-time.Hour)
		}, false},
		{"never judged since a reload a moment ago", func(w *world, r *health.Report, now time.Time) {
			r.Judged, w.set.Loaded = time.Time{}, now.Add(-time.Second)
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(time.Now())
				tt.change(w, w.report("web@203.0.113.10"), time.Now())
				w.publish(time.Now())
				s, _ := w.server()
				st := status(t, s, "/api/status?q=web@203.0.113.10")
				if got := st.Targets[0].Stale; got != tt.want {
					t.Errorf("stale is %t, want %t", got, tt.want)
				}
				if got := st.Summary.Targets.Stale == 1; got != tt.want {
					t.Errorf("the summary counts %d stale", st.Summary.Targets.Stale)
				}
				if got := st.Targets[0].StaleAfter; got != threshold.Seconds() {
					t.Errorf("stale after %v s, want %v", got, threshold.Seconds())
				}
			})
		})
	}
}
