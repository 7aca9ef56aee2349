package load

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// onProcessor runs f on a thread that is bound to a processor, and which ends with f.
func onProcessor(processor int, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: nobody else gets a thread that is bound
		var set unix.CPUSet
		set.Set(processor)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			done <- fmt.Errorf("load: bind to processor %d: %w", processor, err)
			return
		}
		done <- f()
	}()
	return <-done
}
