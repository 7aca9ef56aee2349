package main

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestBehindQueries(t *testing.T) {
	priority := func() int {
		// The system call returns 20 less the nice value (getpriority(2)).
		raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
		if err != nil {
			t.Fatal(err)
		}
		return 20 - raw
	}
	before, during := priority(), 0
	behindQueries(func() { during = priority() })
	if during <= before {
		t.Errorf("nice value %d, want more than %d", during, before)
	}
	if after := priority(); after != before {
		t.Errorf("afterwards %d, was %d", after, before)
	}
}
