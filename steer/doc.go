// Package steer is the policy: from the health of targets it decides what each name answers, and
// says why. It is pure: no clock, no goroutine, no input or output. What it must remember from
// one decision to the next is handed in and handed back.
//
//	health.Snapshot ─► Assess ─► PoolState, one a pool ─► Decide ─► Decision, one a route ─► Apart, for
//	alias.Addresses ─┤                                      ▲                │           names pinned
//	override.Words ──┘                                      └──── Memory ◄───┘
//
// # From targets to an answer
//
// [Assess] decides from the targets of a pool whether it is up, down or unknown. [Decide] decides
// which pools the clients of a route are answered with. The truth table of each stands above it
// (assess.go, decide.go). [Step] does both for a whole configuration. [Outcome.Next] gives the same
// result as Step, but looks only at what has changed. This keeps a failover fast with a hundred
// thousand names: the cost of a failing target depends only on the number of pools and routes that
// use it.
//
// A route is tiers in order, and a tier is pools that share clients. The first tier that has a pool
// left is taken. An ordered policy (failover, nearest) takes the first of its pools, the others take
// all of them: which client gets which of these is for package answer. A steering has a route for
// each class of clients, and all names that are configured alike share it. Names themselves matter
// only in messages to the operator, and to find what is remembered.
//
// # What a person says
//
// A pin of a name is stronger than a drain of a pool or member, that than a force, and that than the
// probes. A force is a status, and so a matter of Assess; a drain is one of Decide, which passes over
// what is drained. A pin concerns one name, while decisions are shared by all names that are steered
// alike: a pinned name has decisions of its own ([Apart]), made from the shared ones.
//
// # What is remembered
//
// [Memory] has two parts. For a pool: its status, since when it has had it, and when it last came
// up after it had been down, from where failback_after counts; and the same of the data behind it. For a route: the pools that were
// answered last while they were up. An answer without such a pool, by when_all_down or because
// nothing is known, is a guess and is not remembered. A prober that loses its network for a moment
// sees every region fail. This must not move clients, and the guess must not last when the network
// is back. Neither is remembered what failover_after, panic_below and the growing part of a pool that
// returns add. With failback = "manual" a route remembers the pools that wait for a person, and with
// max_down when each pool went down, and of pools with watermarks what they have given up.
//
// Memory outlives the process. It also outlives a change of the configuration that keeps the order
// of the pools (heirs.go). A new order is the operator's decision and takes effect at once.
//
// # Files
//
//	assess.go    a pool's status, from its targets
//	usable.go    its addresses that may be answered
//	decide.go    a route's answer, from its pools
//	failback.go  how pools are returned to that are up again
//	degraded.go  who is not moved to a pool whose data is behind, or away from one
//	velocity.go  how many may go down at a time
//	load.go      what pools say of their weight and their load
//	shed.go      when clients are given up by load, and balance.go: how many
//	alldown.go   the same when no pool of it is up
//	apart.go     the answers of a name that is pinned
//	decision.go  the result, and parts.go: in numbers and words
//	step.go      all pools and routes of a configuration
//	next.go      those for which something has changed
//	memory.go    what one decision leaves to the next
//	heirs.go     whose memory a route takes over when the configuration changes
//
// # Times
//
// The current time is an argument. A decision that can change by time alone says when to decide
// again ([Decision.Revisit]). Times that a run measures itself have a monotonic reading (package
// time), so that setting the clock does not change them. Package state converts those of the run
// before.
package steer
