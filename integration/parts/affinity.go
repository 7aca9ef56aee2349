package parts

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// boundTo runs f with the calling thread, and so every process that it starts, bound to
// these processors; none: to those it is bound to already. The goroutine is locked to its
// thread.
func boundTo(processors []int, f func() error) error {
	if len(processors) == 0 {
		return f()
	}
	var before, during unix.CPUSet
	for _, processor := range processors {
		during.Set(processor)
	}
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("processors that this program is bound to: %w", err)
	}
	if err := unix.SchedSetaffinity(0, &during); err != nil {
		return fmt.Errorf("bind to the processors %v: %w", processors, err)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }() // it was in force a moment ago
	return f()
}
