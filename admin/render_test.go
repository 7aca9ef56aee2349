package admin

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestSharedIsShared: at the same moment one value is made for everybody, a later one is
// fresh, and one that nobody uses is dropped.
func TestSharedIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShared[string, int]()
		made := 0
		make := func() int {
			time.Sleep(5 * time.Millisecond)
			made++
			return made
		}
		take := func(key string) (int, func()) {
			value, _, release, err := s.take(t.Context(), key, make)
			if err != nil {
				t.Fatal(err)
			}
			return value, release
		}
		first, release := take("a")
		again, release2 := take("a")
		other, release3 := take("b")
		if first != 1 || again != 1 || other != 2 {
			t.Errorf("values %d, %d and %d of a, a and b, want 1, 1 and 2", first, again, other)
		}
		release()
		release2()
		release3()
		time.Sleep(shareFactor * 5 * time.Millisecond)
		synctest.Wait()
		if len(s.alive) != 0 {
			t.Errorf("%d values are kept that nobody uses", len(s.alive))
		}
		if later, release := take("a"); later != 3 {
			t.Errorf("a later value is %d, want 3", later)
		} else {
			release()
		}
	})
}

// TestSharedIsBounded: whoever uses the oldest value when there are too many must stop, and
// who waits too long for a turn is told so.
func TestSharedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShared[int, int]()
		var lent []context.Context
		for key := range renderingsAlive + 2 {
			_, ctx, release, err := s.take(t.Context(), key, func() int { return key })
			if err != nil {
				t.Fatal(err)
			}
			defer release()
			lent = append(lent, ctx)
		}
		for i, ctx := range lent {
			if got, want := context.Cause(ctx) == errCut, i < 2; got != want {
				t.Errorf("reader %d is cut off: %t, want %t", i, got, want)
			}
		}
		go s.take(t.Context(), 100, func() int { time.Sleep(2 * turnLength); return 0 })
		synctest.Wait()
		begun := time.Now()
		if _, _, _, err := s.take(t.Context(), 101, func() int { return 0 }); err != errBusy || time.Since(begun) != turnLength {
			t.Errorf("error %v after %s, want %v after %s", err, time.Since(begun), errBusy, turnLength)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, _, err := s.take(gone, 102, func() int { return 0 }); err != context.Canceled {
			t.Errorf("error %v of a client that is gone, want %v", err, context.Canceled)
		}
		time.Sleep(2 * turnLength)
	})
}
