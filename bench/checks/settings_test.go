package checks

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestBound compares the bound with the latest end of a schedule, acted out.
func TestBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		duration := func(name string) time.Duration {
			return time.Duration(rapid.IntRange(0, 5000).Draw(t, name)) * time.Millisecond
		}
		s := settings{Interval: duration("interval"), Fast: duration("fast"), Fall: rapid.IntRange(1, 5).Draw(t, "fall")}
		failing := duration("failing")

		now := s.Interval // a probe has passed at 0, just before the fault
		for fails := 0; ; {
			started := now
			now = now + failing
			if fails++; fails == s.Fall {
				break
			}
			now = max(now, started+s.Fast)
		}
		if got := s.bound(failing); got != now {
			t.Errorf("bound = %v, acted out %v", got, now)
		}
	})
}
