// Package health decides, from repeated probes, which targets are up. It imports nothing of this
// project: the probes themselves are made by package health/probe and handed in as a [Maker].
//
//	Monitor: when ─► Probe ─► Result ─► Tracker ─► State ─► Take: Snapshot, Transitions ─► steering
//	    ▲                        │
//	    └──── when to probe next ┘
//
// A [Target] is one check applied to one address or to one pool. The [Monitor] probes every
// target on its schedule (schedule.go says when, flight.go what becomes of one probe), a
// [Tracker] for each turns results into a status that does not flap, and a [Snapshot] is the
// immutable picture of all of them that steering decides by.
//
// # What a probe can say
//
// It passes, it fails, or it is indeterminate: it could not judge, for a fault that is the
// prober's own. That moves no status. A status that nothing has confirmed for
// [Target.StaleAfter] is stale: it is still believed, and shown to be old.
//
// # When a status turns
//
// The truth table stands above [Tracker.Observe]. In short: fall fails in a row turn a target down,
// rise passes in a row turn it up, the first verdict on a fresh target decides. While a target is
// on its way it is probed at its fast interval.
//
// # Starting
//
// A target that an earlier run left up is believed, but provisionally: it is awaited ([State]),
// which is to say that nobody should decide by it yet, until its first verdict. A pass confirms
// it. A fail turns it down at once if any other target had passed by the time that the failing
// probe was half over, since the network of this host then works. As long as nothing has passed,
// a fail may just as well mean that this network is not there yet: it takes fall of them, as it
// does later. The first pass of a run therefore has everything probed again at once that has
// failed before it. A target that was left down is believed and not awaited, since a single
// probe would not bring it back.
//
// A reload is no start: a target that changes keeps its status, and what was counted against it.
//
// # Never in each other's way
//
// No probe delays another. Each has a goroutine and a deadline of its own, no two are of the same
// target, and one that pays no heed to its deadline is left to itself, logged and not counted.
// Only where [Monitor.Limit] allows fewer probes at once than are due do they take turns, the
// one first that has waited longest.
package health
