package main

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// garbageMost is how much may come together before it is collected: a reload of some hundred
	// thousand names.
	garbageMost = 512 << 20
	// garbageShare is the part of the memory that is free which may be taken for that.
	garbageShare = 4
	// garbageLook is how often the heap is looked at meanwhile.
	garbageLook = 10 * time.Millisecond
)

// postponeCollection has no garbage collected until resume is called, or the heap has grown by so
// many bytes. What reads a large configuration leaves much of it, and who collects has as many
// threads as there are processors in the eyes of the Go scheduler, which queries would have to
// wait for, tens of milliseconds at a time. A memory limit (GOMEMLIMIT) is kept all the same.
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

// heapSize is what objects in use, and those not collected yet, take, in bytes.
func heapSize() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// garbageBudget is how much garbage may come together, by the memory that is free.
func garbageBudget() uint64 { return min(freeMemory()/garbageShare, garbageMost) }
