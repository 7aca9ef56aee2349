package parts

import (
	"testing"
	"time"
)

func TestParseProcessorTime(t *testing.T) {
	const text = "cpu  600 20 400 5000 60 5 70 8 9 1\n" +
		"cpu0 100 10 200 3000 50 1 30 4 5 6\n" +
		"cpu1 500 10 200 2000 10 4 40 x 4 0\n" +
		"cpu2 500 10\n" +
		"intr 1 2 3\n"
	if got, err := parseProcessorTime(text, 0); err != nil || got != 3450*time.Millisecond {
		t.Errorf("of processor 0: %v, %v; want 3.45s", got, err)
	}
	for processor := 1; processor < 4; processor++ {
		if got, err := parseProcessorTime(text, processor); err == nil {
			t.Errorf("of processor %d: %v, want an error", processor, got)
		}
	}
}

func TestProcessorTime(t *testing.T) {
	processor := allowed(t, 0)[0]
	before, err := ProcessorTime(processor)
	if err != nil {
		t.Fatal(err)
	}
	lab := ForTest(t)
	lab.Bind(processor)
	busy := mustStart(t, lab, "busy", "echo ready; while :; do :; done")
	for usage := (Usage{}); usage.CPU() < 20*clockTick; {
		if usage, err = busy.Usage(); err != nil {
			t.Fatal(err)
		}
	}
	after, err := ProcessorTime(processor)
	// The kernel samples the one, and counts the other exactly.
	if err != nil || after-before < 10*clockTick {
		t.Errorf("it has spent %v meanwhile, %v; want most of 200ms, at least", after-before, err)
	}
}
