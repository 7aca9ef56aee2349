package main

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gslb/health"
	"gslb/publish"
	"gslb/zones"
)

// A start with thousands of targets says how many there are, and lists a few, however long they take
// to be judged.
func TestManyEventsAreFewLines(t *testing.T) {
	const targets, took = 5000, 25 * time.Second
	for _, test := range []struct {
		level string
		lines int
	}{
		// Of two kinds, within three times linesWithin.
		{"info", 1 + 2*3*(maxLines+1)},
		{"debug", 1 + targets + 2*3},
	} {
		synctest.Test(t, func(t *testing.T) {
			var out strings.Builder
			logger, err := newLogger(&out, "text", test.level, false)
			must(t, err)
			tell := logEvents(fewLines(logger))
			tell([]publish.Event{{Config: &zones.Set{}, Census: &publish.Census{Up: 4500, Down: make([]health.TargetID, 500)}}})
			more := map[health.Status]int{health.Up: -3 * maxLines, health.Down: -3 * maxLines}
			for i := range targets {
				to := health.Up
				if i%10 == 0 {
					to = health.Down
				}
				more[to]++
				tell([]publish.Event{{Target: &health.Transition{Target: health.Target{ID: health.TargetID(fmt.Sprint(i))}, To: to}}})
				time.Sleep(took / targets)
			}
			time.Sleep(linesWithin) // the last lines are then told of
			synctest.Wait()
			if n := strings.Count(out.String(), "\n"); n != test.lines {
				t.Errorf("%d lines with --log-level=%s, want %d", n, test.level, test.lines)
			}
			told := make(map[health.Status]int)
			for line := range strings.Lines(out.String()) {
				for to, level := range map[health.Status]string{health.Up: "INFO", health.Down: "WARN"} {
					var n int
					_, rest, _ := strings.Cut(line, fmt.Sprintf(`level=%s msg="target %s: more of these are not listed" `, level, to))
					if _, err := fmt.Sscanf(rest, "more=%d within=10s", &n); err == nil {
						told[to] += n
					}
				}
			}
			for to, n := range more {
				if told[to] != n {
					t.Errorf("%d more are told of to be %s, want %d", told[to], to, n)
				}
			}
		})
	}
}
