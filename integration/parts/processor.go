package parts

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
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
