// Package steer is the policy: from the health of targets it decides what each name answers, and
// says why. It is pure: no clock, no goroutine, no input or output. What it must remember from
// one decision to the next is handed in and handed back.
//
//	health.Snapshot ─► Assess ─► PoolState, one a pool ─► Decide ─► Decision, one a steering
//	                                                        ▲                │
//	                                                        └──── Memory ◄───┘
//
// # From targets to an answer
//
// [Assess] makes of the targets of a pool whether it is up, down or unknown. [Decide] makes of the
// pools of a steering which of them is answered. Both are functions with their truth table above
// them (assess.go, decide.go). [Step] does that for a whole configuration; [Outcome.Next] comes
// to what Step would, but looks only at what has changed. That is what keeps a failover quick
// where there are a hundred thousand names: a failing target costs as much as the pools and the
// steerings that depend on it.
//
// A steering is shared by all names that are configured alike, and a name is only mentioned where
// an operator is told of it.
//
// # What is remembered
//
// [Memory] has two parts. Of a pool: since when it is what it is, and when it last came up after
// it had been down, since failback_after counts from there. Of a steering: the pool that was
// answered last while it was up. What is answered for want of such a pool, by when_all_down or
// because nothing is known, is a guess and is not remembered. A prober that loses its network for
// a moment takes every region for dead; it must neither move clients by that nor stay with its
// guess afterwards.
//
// Memory outlives the process. It also outlives an edit of the configuration that leaves the
// order of pools as it was; another order is an operator's word and takes effect at once.
//
// # Times
//
// Now is an argument. A decision that time alone may change says when to look again
// ([Decision.Revisit]). Times that a run measures itself carry a monotonic reading (package
// time), so that setting the clock moves none of them; package state sees to it for those that
// come from the run before.
package steer
