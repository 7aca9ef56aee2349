package parts

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ProcessorTime returns the time that a processor, counted from 0, has spent on anything since
// the machine was started, to a hundredth of a second. What a host took from a virtual machine
// counts too.
func ProcessorTime(processor int) (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("time of processor %d: %w", processor, err)
	}
	return parseProcessorTime(string(text), processor)
}

// parseProcessorTime reads a line like "cpu0 user nice system idle iowait irq softirq steal
// guest guest_nice"; the last two are part of the first two. See proc_stat(5).
func parseProcessorTime(text string, processor int) (time.Duration, error) {
	const idle, iowait, steal = 4, 5, 8
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) <= steal || fields[0] != "cpu"+strconv.Itoa(processor) {
			continue
		}
		var sum time.Duration
		for i := 1; i <= steal; i++ {
			if i == idle || i == iowait {
				continue
			}
			ticks, err := strconv.ParseInt(fields[i], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("time of processor %d: %q: %w", processor, line, err)
			}
			sum += time.Duration(ticks) * clockTick
		}
		return sum, nil
	}
	return 0, fmt.Errorf("time of processor %d: there is no such processor", processor)
}

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
