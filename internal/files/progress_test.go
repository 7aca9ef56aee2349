package files

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A write that fails is known until one succeeds, and one that takes long counts as one that fails.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Progress
		full := errors.New("no space left")
		hanging := make(chan struct{})
		for _, step := range []struct {
			write               func() error
			before, during, end error
		}{
			{func() error { return nil }, nil, nil, nil},
			{func() error { return full }, nil, nil, full},
			{func() error { <-hanging; return full }, full, full, full},
			{func() error { <-hanging; return nil }, full, full, nil},
			{func() error { <-hanging; return nil }, nil, errLate, nil},
		} {
			done := make(chan struct{})
			go func() {
				defer close(done)
				if before, err := p.Write(step.write); before != step.before || err != step.end {
					t.Errorf("before %v, then %v; want %v and %v", before, err, step.before, step.end)
				}
			}()
			synctest.Wait()
			time.Sleep(writeLate)
			select {
			case <-done:
			default:
				if err := p.Err(); err != step.during {
					t.Errorf("while it hangs: %v, want %v", err, step.during)
				}
				hanging <- struct{}{}
				<-done
			}
			if err := p.Err(); err != step.end {
				t.Errorf("at the end: %v, want %v", err, step.end)
			}
		}
	})
}
