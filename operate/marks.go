package operate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"gslb/health"
	"gslb/override"
	"gslb/replication"
)

// Marks writes and reads the marks of fenced moves: a [probe.Marks].
type Marks interface {
	Put(ctx context.Context, mark health.Mark, value string) error
	Get(ctx context.Context, mark health.Mark) (value string, err error)
}

const (
	markEvery    = 200 * time.Millisecond // between two looks for a mark
	markCallTime = 3 * time.Second        // a call of DynamoDB
	markRetry    = time.Second            // after a call that failed
)

// deadline is when the marks must have been written and seen.
func (f *fencer) deadline() time.Time {
	fence := f.now.Switch.Fence
	return fence.Began(override.WritesMarks).Add(time.Duration(fence.Wait * float64(time.Second)))
}

// writeMarks writes a mark through each region that is left, with a value that is larger than any that was
// written there before.
func (f *fencer) writeMarks(ctx context.Context, group *replication.Group) error {
	fence := *f.now.Switch.Fence
	fence.Marks = make(map[string]uint64, len(fence.From))
	for _, region := range fence.From {
		mark := group.Mark(region, region)
		err := f.insist(ctx, func(ctx context.Context) (bool, error) {
			before, err := f.value(ctx, mark)
			if err != nil {
				return false, err
			}
			fence.Marks[region] = max(before+1, uint64(f.op.now().UnixNano()))
			return true, f.op.marks.Put(ctx, mark, fmt.Sprint(fence.Marks[region]))
		})
		if err != nil {
			return fmt.Errorf("the mark could not be written in %s within %s: %w", region, f.wait(), err)
		}
	}
	move := *f.now.Switch
	move.Fence = &fence
	o := *f.now
	o.Switch, f.now = &move, &o
	return nil
}

// awaitMarks looks for the marks in the new region, until each or a later one is there.
func (f *fencer) awaitMarks(ctx context.Context, group *replication.Group) error {
	fence := f.now.Switch.Fence
	for _, region := range slices.Sorted(maps.Keys(fence.Marks)) {
		err := f.insist(ctx, func(ctx context.Context) (bool, error) {
			value, err := f.value(ctx, group.Mark(region, fence.To))
			return value >= fence.Marks[region], err
		})
		if err != nil {
			return fmt.Errorf("what was written in %s has not arrived in %s within %s: %w", region, fence.To, f.wait(), err)
		}
	}
	if len(fence.Marks) < len(fence.From) {
		return errors.New("not every region has a mark")
	}
	return nil
}

// wait is the time for the marks, in words.
func (f *fencer) wait() time.Duration {
	return time.Duration(f.now.Switch.Fence.Wait * float64(time.Second)).Round(time.Millisecond)
}

// value is that of a mark; 0: it has none.
func (f *fencer) value(ctx context.Context, mark health.Mark) (value uint64, err error) {
	text, err := f.op.marks.Get(ctx, mark)
	if err != nil || text == "" {
		return 0, err
	}
	if _, err := fmt.Sscan(text, &value); err != nil {
		return 0, fmt.Errorf("the mark in %s has the value %q, which gslb has not written", mark.Region, text)
	}
	return value, nil
}

// insist tries something until it is done, or the time for marks is over.
func (f *fencer) insist(ctx context.Context, try func(context.Context) (done bool, err error)) error {
	last := errors.New("the time was over")
	for f.op.now().Before(f.deadline()) && ctx.Err() == nil {
		call, cancel := context.WithTimeout(ctx, min(markCallTime, f.deadline().Sub(f.op.now())))
		done, err := try(call)
		cancel()
		switch {
		case err != nil:
			last = err
			sleep(ctx, markRetry)
		case done:
			return nil
		default:
			last = errors.New("an older mark is there")
			sleep(ctx, markEvery)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return last
}

// sleep waits, unless ctx ends before.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
