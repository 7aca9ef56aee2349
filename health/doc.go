// Package health decides, from repeated probes, which targets are up.
//
// A [Target] is one check applied to one address or to one pool. The [Monitor] probes
// every target on its schedule, a [Tracker] for each turns single results into a status
// that does not flap, and a [Snapshot] is the immutable picture of all of them that
// steering decides by. The package imports nothing of this project; the probes
// themselves are made by package health/probe and handed in as a [Maker].
package health
