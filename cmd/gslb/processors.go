package main

import "runtime"

// addProcessors adds one P to the Go scheduler (GOMAXPROCS) for every worker that reads queries,
// and for every loop that serves TCP. Otherwise a worker that wakes up in the kernel would have to
// wait until probing, publishing or a reload gives up a P, which may take 10 ms. The kernel decides
// which thread runs, and prefers those that have slept. The server has as many workers at each
// address, and as many loops, as there were Ps before.
func addProcessors(addresses int) {
	processors := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(processors * (1 + addresses + 1))
}
