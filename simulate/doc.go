// Package simulate holds the whole of a decision, from probes to answers, to what must be true of it
// always. It runs random schedules: targets that fail in every way, a network of this host that is cut,
// copies of the data that are late, vanish or cannot be read, reloads, kills and restarts, what persons say, and clocks that are set. It consists of tests alone.
//
//	seed ─► plan ─► stack: prober ─► safety.Guard ─► steer.Step, Next ─► checker
//	       beats ─► replication.Book ────────────────────▲   └► state as JSON ─► the next process
//	                       book of overrides ────────────┘
//
// # The two stacks
//
// Most runs have a stack of values: the parts are the program's, and time is a number, so that a run
// takes less than a millisecond. Only package health's monitor is replaced by a plain one, since it needs
// goroutines. Some runs have the real monitor, publisher and book of overrides, in a bubble of
// testing/synctest.
//
// # Runs, and what fails
//
// A run is made from its seed alone. One that fails prints it, and
//
//	go test ./simulate -run TestRuns -seed N -v
//
// runs it again and says what happened. `make test` makes 100,000 runs, `make simulate` ten million.
//
// # What is promised
//
// Some runs are chaos, and what is answered must be right at each moment: rules_test.go has the
// invariants, and copyrules_test.go those of data. In the others nothing changes but one thing: this host's network is cut, a pool fails
// alone, a copy of the data does, or the process is killed. Then also holds that no answer moves, or within the bound. A cut is
// not seen as one, so that an answer may move, if one fail is enough (fall = 1), or if it is so short
// that not most of a vantage has missed it.
//
// # Mutations
//
// Each rule is broken in turn in a copy of the program (mutation_test.go), and a few thousand runs must
// notice. `make test` tries a part of them, by the day, and `make simulate` all.
package simulate
