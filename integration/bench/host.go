package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// host describes the machine, and how busy it has been over the last five minutes: on one
// that does other work too, the figures are not worth keeping.
func host() string {
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
	return fmt.Sprintf("%d processors, %s, %s; load average %s.", runtime.NumCPU(), kernel, runtime.Version(), load)
}
