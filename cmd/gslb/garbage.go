package main

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// garbageMost is how much garbage may accumulate before it is collected: that of a reload of
	// some hundred thousand names.
	garbageMost = 512 << 20
	// garbageShare: garbage may take one part in so many of the free memory.
	garbageShare = 4
	// garbageLook is how often the heap is looked at meanwhile.
	garbageLook = 10 * time.Millisecond
)

// postponeCollection stops garbage collection until resume is called, or the heap has grown by
// budget bytes. Reading a large configuration makes much garbage. The collector runs on as many
// threads as the Go scheduler has processors, and queries would wait for it for tens of
// milliseconds at a time. A memory limit (GOMEMLIMIT) still applies.
func postponeCollection(budget uint64) (resume func()) {
	percent := debug.SetGCPercent(-1)
	restore := sync.OnceFunc(func() { debug.SetGCPercent(percent) })
	limit := heapSize() + budget
	done, watching := make(chan struct{}), sync.WaitGroup{}
	watching.Go(func() {
		look := time.NewTicker(garbageLook)
		defer look.Stop()
		for heapSize() < limit {
			select {
			case <-done:
				return
			case <-look.C:
			}
		}
		restore()
	})
	return func() {
		close(done)
		watching.Wait()
		restore()
	}
}

// heapSize is the size in bytes of all objects, in use or not collected yet.
func heapSize() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// garbageBudget is how much garbage may accumulate, given the free memory.
func garbageBudget() uint64 { return min(freeMemory()/garbageShare, garbageMost) }
