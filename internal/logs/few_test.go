package logs

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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
			logger, err := New(&out, "text", test.level, false)
			if err != nil {
				t.Fatal(err)
			}
			few := Few(logger)
			few.Info("configuration in use")
			more := map[slog.Level]int{slog.LevelInfo: -3 * maxLines, slog.LevelWarn: -3 * maxLines}
			for i := range targets {
				level := slog.LevelInfo
				if i%10 == 0 {
					level = slog.LevelWarn
				}
				more[level]++
				few.Log(t.Context(), level, "first verdict", "target", i)
				time.Sleep(took / targets)
			}
			time.Sleep(linesWithin) // the last lines are then told of
			synctest.Wait()
			if n := strings.Count(out.String(), "\n"); n != test.lines {
				t.Errorf("%d lines with --log-level=%s, want %d", n, test.level, test.lines)
			}
			told := make(map[slog.Level]int)
			for line := range strings.Lines(out.String()) {
				for level := range more {
					var n int
					_, rest, _ := strings.Cut(line, fmt.Sprintf(`level=%s msg="first verdict: more of these are not listed" `, level))
					if _, err := fmt.Sscanf(rest, "more=%d within=10s", &n); err == nil {
						told[level] += n
					}
				}
			}
			for level, n := range more {
				if told[level] != n {
					t.Errorf("%d more are told of with level %s, want %d", told[level], level, n)
				}
			}
		})
	}
}
