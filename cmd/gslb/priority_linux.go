package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// behindQueries runs work at a low scheduling priority, so that where it and the answering
// of queries want the same processor, the queries have it. It returns when work has.
func behindQueries(work func()) {
	const low = 15 // of 19 (sched(7))
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread ends with the goroutine, since it is never unlocked: a priority that was
		// given up does not come back without privileges.
		runtime.LockOSThread()
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), low) // at the usual one otherwise
		work()
	}()
	<-done
}
