package daemon

import (
	"bufio"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// What is heavy runs behind queries: at a low priority, and with the collection of its garbage postponed as far as the
// memory of the machine and of its control group allows.

// behindQueries runs work at a low scheduling priority, so that queries come first when both want
// the same processor. It returns when work has, and panics with a [crash] if work panics.
func behindQueries(work func()) {
	const (
		low = 15 // of 19 (sched(7))
		// slice is the time in nanoseconds after which a query that waits for the processor gets it. Linux
		// before 6.12 takes one of its own, of a few milliseconds.
		slice = 100_000
	)
	done := make(chan struct{})
	var panicked *crash
	go func() {
		defer close(done)
		defer func() {
			if value := recover(); value != nil {
				c := crashOf(value)
				panicked = &c
			}
		}()
		// The thread ends with the goroutine, since it is never unlocked: a priority that was
		// given up does not come back without privileges.
		runtime.LockOSThread()
		lower := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: low, Runtime: slice}
		_ = unix.SchedSetAttr(0, &lower, 0) // if it fails, the priority stays
		work()
	}()
	<-done
	if panicked != nil {
		panic(*panicked)
	}
}

// crash is a panic that is passed to another goroutine, with its stack.
type crash struct {
	value any
	stack string
}

// crashOf makes a crash of what recover has returned. It is to be called in the deferred
// function, where the stack is still that of the panic.
func crashOf(value any) crash {
	if c, ok := value.(crash); ok {
		return c
	}
	const most = 16 << 10 // bytes of a log line
	stack := debug.Stack()
	return crash{value, string(stack[:min(len(stack), most)])}
}

// addProcessors adds one P to the Go scheduler (GOMAXPROCS) for every worker that reads queries,
// and for every loop that serves TCP. Otherwise a worker that wakes up in the kernel would have to
// wait until probing, publishing or a reload gives up a P, which may take 10 ms. The kernel decides
// which thread runs, and prefers those that have slept. The server has as many workers at each
// address, and as many loops, as there were Ps before.
func addProcessors(addresses int) {
	processors := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(processors * (1 + addresses + 1))
}

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

// freeMemory is how much memory this process could still take, in bytes: what the host has, and
// what the control groups that it is in leave it. 0: not known.
func freeMemory() uint64 { return freeMemoryIn(os.DirFS("/")) }

func freeMemoryIn(root fs.FS) uint64 {
	free := available(root)
	for group := range groups(root) {
		limit, limited := readNumber(root, path.Join(group, "memory.max"))
		used, _ := readNumber(root, path.Join(group, "memory.current"))
		if limited {
			free = min(free, limit-min(used, limit))
		}
	}
	return free
}

// available is the host's memory that is free or can be freed (proc_meminfo(5)).
func available(root fs.FS) uint64 {
	const key, unit = "MemAvailable:", 1 << 10
	for line := range lines(root, "proc/meminfo") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == key {
			kib, _ := strconv.ParseUint(fields[1], 10, 64)
			return kib * unit
		}
	}
	return 0
}

// groups yields the folders of the control group (version 2) that the process is in, and of all
// that this one is in. In a container, that is the root alone.
func groups(root fs.FS) func(yield func(string) bool) {
	const mount, prefix = "sys/fs/cgroup", "0::/"
	return func(yield func(string) bool) {
		group := ""
		for line := range lines(root, "proc/self/cgroup") {
			if own, found := strings.CutPrefix(line, prefix); found {
				group = path.Clean("/" + own)[1:]
			}
		}
		for ; yield(path.Join(mount, group)) && group != ""; group = strings.TrimPrefix(path.Dir(group), ".") {
		}
	}
}

// lines yields the lines of a file; none if it cannot be read.
func lines(root fs.FS, name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		file, err := root.Open(name)
		if err != nil {
			return
		}
		defer file.Close()
		for scanner := bufio.NewScanner(file); scanner.Scan() && yield(scanner.Text()); {
		}
	}
}

// readNumber reads a file of one number; "max" is none.
func readNumber(root fs.FS, name string) (n uint64, ok bool) {
	for line := range lines(root, name) {
		n, err := strconv.ParseUint(line, 10, 64)
		return n, err == nil && n < math.MaxInt64
	}
	return 0, false
}
