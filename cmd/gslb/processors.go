package main

import "runtime"

// addProcessors gives the Go scheduler, for every worker that reads queries at one of so many
// addresses, and for every loop that serves TCP, a further processor to run goroutines on: one
// that wakes up in the kernel must not have to wait until probing, publishing or a reload gives a
// processor back, which may take 10 ms. Which of them really runs is left to the kernel, which
// prefers whoever has slept. The server has as many workers at each address, and as many loops,
// as there are processors before.
func addProcessors(addresses int) {
	processors := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(processors * (1 + addresses + 1))
}
