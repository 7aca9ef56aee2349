package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// behindQueries runs work at a low scheduling priority, so that where it and the answering
// of queries want the same processor, the queries have it. It returns when work has, and panics
// with a [crash] if work panics.
func behindQueries(work func()) {
	const low = 15 // of 19 (sched(7))
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
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), low) // at the usual one otherwise
		work()
	}()
	<-done
	if panicked != nil {
		panic(*panicked)
	}
}
