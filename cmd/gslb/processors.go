package main

import "runtime"

// addProcessors gives the Go scheduler, for every worker that reads queries at one of so many
// addresses, a further processor to run goroutines on: a worker that wakes up in the kernel
// must not have to wait until probing, publishing or a reload gives one back, which may take
// 10 ms. Which of them really runs is left to the kernel, which prefers whoever has slept. The
// server has as many workers at each address as there are processors before.
func addProcessors(addresses int) {
	processors := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(processors * (1 + addresses))
}
