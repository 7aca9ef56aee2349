// Package safety judges whether the probes' verdicts may count at all. When the network of this host
// dies, every target seems to be down: then statuses stay as they were, and so do answers.
//
//	health.Snapshot ─► Guard ─► the same, or one in which some statuses are held ─► steering
//
// A [Guard] is pure: the same snapshots at the same times always give the same. It holds only what was
// up; what was down or unknown is never made up. As long as nothing is held, the snapshot goes through
// as it is.
//
// # Blind
//
// With [Settings.Vantage] the rule is blind: while most of those targets fail, no fail of another counts.
//
// # Suspect
//
// Without, many targets that go silent together are suspect. Silent is one whose last fails are all blank
// ([health.Result]): nothing came back. The other targets of its place (a region) fail together with it,
// so that only those of other places can tell. Judged is a target when it turns down, by what others
// have answered since its last probe began ([health.Hearing]):
//
//	of the other targets that were up                  │ the verdict
//	───────────────────────────────────────────────────┼──────────────────────────────────────────────
//	so many have answered that suspect_share of all    │ counts at once
//	can't be silent                                    │
//	so many are silent, since about the same time,     │ is held for suspect_hold, and then counts
//	that they are suspect_share, whoever answers yet   │
//	it depends on those that are asked and have not    │ is held until they have answered, or failed,
//	answered yet                                       │ or should have
//	so many have answered only after they were silent, │ is held for the moment in which it can show
//	since the target is, or have not answered yet      │ that it is up: see below
//
// Three targets in two places must be silent; if there are fewer than three, all. Not all targets are
// asked, so that those of a place that nothing is known of are taken to be as the others there. A region
// that fails alone has its verdict at once: the others are asked before it turns down.
//
// # When sight returns
//
// An answer of a target that was silent, or of most of the vantage, shows that the network is back. From
// then on each target whose status was held has the time to prove itself ([Guard.grace]): if it is up by
// then, nothing has changed, and otherwise its verdict counts. That is so too if the hold was over
// before, so that it does not matter which region is seen first. If the time is over and the others are
// silent again, the network is not back.
package safety
