// Package health decides, from repeated probes, which targets are up. It imports nothing of this
// project: the probes themselves are made by package health/probe and handed in as a [Maker].
//
//	Monitor: when ─► Probe ─► Result ─► Tracker ─► State ─► Take: Snapshot, Transitions ─► steering
//	    ▲                        │
//	    └──── when to probe next ┘
//
// A [Target] is one check applied to one address or to one pool. The [Monitor] probes every target
// on its schedule (schedule.go says when, flight.go what becomes of one probe), a [Tracker] for
// each turns results into a status that does not flap, and a [Snapshot] is an immutable picture of
// all of them, from which steering decides.
//
// # What a probe can say
//
// It passes, it fails, or it is indeterminate: the prober itself had a fault and could not judge.
// An indeterminate result changes no status. A status that nothing has confirmed for
// [Target.StaleAfter] is stale: it is still used, and shown to be old.
//
// # When a status turns
//
// The truth table stands above [Tracker.Observe]. In short: fall fails in a row turn a target down,
// rise passes in a row turn it up, the first verdict on a fresh target decides. While the last
// results disagree with the status, the target is probed at its fast interval.
//
// # Starting
//
// A target that was up in an earlier run starts as up, provisionally. It is awaited ([State]):
// nothing should be decided by it before its first verdict. A pass confirms it. A fail turns it
// down at once if another target had passed before the failing probe was half over, since the
// network of this host works then. As long as nothing has passed, this network may not be up yet,
// and it takes fall fails, as usual. At the first pass of a run, every target that has failed until
// then is probed again at once. A target that was down starts as down and is not awaited, since a
// single probe would not bring it back.
//
// A reload is not a start: a target that changes keeps its status and its counts.
//
// # Never in each other's way
//
// No probe delays another. Each has a goroutine and a deadline of its own, and no two are of the
// same target. A probe that ignores its deadline is logged, and does not count towards the limit.
// If more probes are due than [Monitor.Limit] allows at once, they take turns: the target that has
// waited longest is next.
package health
