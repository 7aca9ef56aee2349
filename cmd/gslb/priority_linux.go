package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// behindQueries runs work at a low scheduling priority, so that queries come first when both want
// the same processor. It returns when work has, and panics with a [crash] if work panics.
func behindQueries(work func()) {
	const (
		low = 15 // of 19 (sched(7))
		// slice is the time in nanoseconds after which a query that waits for the processor gets it. Linux
		// before 6.12 takes one of its own, of a few milliseconds.
		slice = 100_000
	)
	done := make(chan struct{})
	var panicked *crash
	go func() {
		defer close(done)
		defer func() {
			if value := recover(); value != nil {
				c := crashOf(value)
				panicked = &c
			}
		}()
		// The thread ends with the goroutine, since it is never unlocked: a priority that was
		// given up does not come back without privileges.
		runtime.LockOSThread()
		lower := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: low, Runtime: slice}
		_ = unix.SchedSetAttr(0, &lower, 0) // if it fails, the priority stays
		work()
	}()
	<-done
	if panicked != nil {
		panic(*panicked)
	}
}
