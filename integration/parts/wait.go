package parts

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pause is how long Until waits between two tries.
const pause = 10 * time.Millisecond

// finalError is one that no further try would mend.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

func final(err error) error { return finalError{err} }

// Until calls try again and again until it returns nil. When ctx ends first, the error
// says what was awaited and wraps the context's, and that of the last try that the context did not end.
func Until(ctx context.Context, what string, try func(context.Context) error) error {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	var last error
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if f := (finalError{}); errors.As(err, &f) {
			return fmt.Errorf("waiting until %s: %w", what, err)
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w (last: %w)", what, context.Cause(ctx), last)
		}
	}
}
