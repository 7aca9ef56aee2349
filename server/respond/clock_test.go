package respond

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c clock
		for _, step := range []time.Duration{0, time.Microsecond, 999 * time.Millisecond, time.Second, time.Hour} {
			time.Sleep(step)
			if got, want := c.now(), time.Now(); !got.Equal(want) || got.Unix() != want.Unix() {
				t.Errorf("%v later it is %v, want %v", step, got, want)
			}
		}
	})
}
