package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// collections is how many there have been.
func collections() uint32 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.NumGC
}

// litter leaves so many MiB of garbage.
func litter(mebibytes int) {
	for range mebibytes {
		garbage = make([]byte, 1<<20)
	}
}

var garbage []byte

func TestPostponeCollection(t *testing.T) {
	before := debug.SetGCPercent(50)
	defer debug.SetGCPercent(before)
	runtime.GC()

	resume := postponeCollection(1 << 30)
	began := collections()
	litter(100)
	if n := collections() - began; n > 0 {
		t.Errorf("%d collections, of 100 MiB with room for 1 GiB", n)
	}
	resume()
	litter(100)
	if collections() == began {
		t.Error("no collection afterwards")
	}

	resume = postponeCollection(10 << 20)
	began = collections()
	for end := time.Now().Add(10 * time.Second); collections() == began && time.Now().Before(end); {
		litter(5)
		time.Sleep(time.Millisecond)
	}
	if collections() == began {
		t.Error("no collection once the room was used")
	}
	resume()
	if percent := debug.SetGCPercent(50); percent != 50 {
		t.Errorf("afterwards, a collection comes at %d %%", percent)
	}
}
