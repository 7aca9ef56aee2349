// Package publish is the one loop that decides what is answered, stores it, and then tells.
//
//	health.Monitor ──Changed──► ┐
//	override.Book ─────Changed► │
//	replication.Book ──Changed► │
//	Use(configuration) ───────► ├─► steer ─► answer.Table ─► atomic pointer ─► server
//	Decision.Revisit, a timer ► ┘                                └─► events ─► listeners
//
// [Publisher.Run] is the only goroutine that decides. It waits until health has changed, a person has
// said something, a configuration is to be used, or the time has come to decide again (failback_after has
// passed). In
// each case it does the same: it takes the snapshot, has package steer make a [steer.Outcome] of
// it, compiles that into a table, and stores the table. Only what has changed is decided and
// compiled again.
//
// # A start
//
// At a start [Publisher.Begin] serves everything that does not depend on a verdict, and leaves the
// other decisions pending. [Publisher.Use] follows when the first verdicts are there.
//
// # Who may be slow
//
// The loop waits for nothing else. Snapshots are ready when it takes them. The static part of a
// table, which takes seconds for a million names, is made by the goroutine that calls Use.
// Listeners are called by a goroutine of their own; if one hangs, events are lost, and the log says
// how many.
//
// # Events
//
// Listeners get an [Event] after its table was stored, so that every reported change is served
// already. The events of one publication come in the order of cause and effect: the configuration,
// targets, pools, answers. Routes of one steering whose answers change alike are one event
// ([AnswerChange]). Events hold plain values and pointers to immutable data.
//
// # Memory
//
// What steering must remember from one decision to the next ([steer.Memory]) is part of the
// outcome. [Publisher.Memory] returns it in the form that is saved for the next run, and its
// revision tells whether there is something new to save.
package publish
