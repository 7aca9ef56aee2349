package figures

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Host describes the machine in a sentence, and how busy it has been over the last five minutes:
// figures from a busy machine are not reliable.
func Host() string {
	var name unix.Utsname
	kernel := "an unknown kernel"
	if err := unix.Uname(&name); err == nil {
		kernel = "Linux " + unix.ByteSliceToString(name.Release[:])
	}
	load := "unknown"
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			load = fields[1]
		}
	}
	count, model := processors()
	return fmt.Sprintf("%d processors (%s), %s, %s; load average %s.", count, model, kernel, runtime.Version(), load)
}

// processors are how many the machine has, whichever this program may use, and their model.
func processors() (count int, model string) {
	model = runtime.GOARCH
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.NumCPU(), model
	}
	for line := range strings.Lines(string(text)) {
		switch key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) {
		case "processor":
			count++
		case "model name":
			model = strings.TrimSpace(value)
		}
	}
	return count, model
}
