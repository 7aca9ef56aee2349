// Package publish is the one loop that decides what is answered, stores it, and then tells.
//
//	health.Monitor ──Changed──► ┐
//	Use(configuration) ───────► ├─► steer ─► answer.Table ─► atomic pointer ─► server
//	Decision.Revisit, a timer ► ┘                                └─► events ─► listeners
//
// [Publisher.Run] is the only goroutine that decides. It waits for one of three things: health
// has changed, a configuration is to be used, or a decision has to be looked at again since
// time alone may change it (failback_after has passed). Whatever it was, the same is done: take
// the snapshot, let package steer make an [steer.Outcome] of it, compile that into a table,
// store the table. Only what has changed is decided and compiled again.
//
// # A start
//
// At a start [Publisher.Begin] serves what does not depend on a verdict, while the decisions that
// do are pending. [Publisher.Use] follows once there is nothing left to wait for.
//
// # Who may be slow
//
// The loop waits for nobody. Health hands out a snapshot that is ready; the static part of a
// configuration, which takes seconds where there are a million names, is made by the goroutine
// that calls Use; listeners are called by a goroutine of their own, and one that hangs costs
// events, of which the number lost is logged.
//
// # Events
//
// An [Event] is told after the table that it speaks of was stored, so nobody is told of a change
// that is not served. The events of one publication come in the order of cause and effect: the
// configuration, targets, pools, answers. They are values of plain data, and pointers into what
// is immutable.
//
// # Memory
//
// What steering must remember from one decision to the next ([steer.Memory]) is part of the
// outcome. [Publisher.Memory] gives it in the form that is kept over a restart; its revision
// says whether there is something new to keep.
package publish
