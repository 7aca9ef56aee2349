// Package operate carries out what people and programs ask of a running server. A command becomes a word
// that is kept and then served, and only after it is known what it changes:
//
//	request ─► override.Override ─► steer.Outcome.Suppose ─► refused, or shown
//	                  └─► kept (override.Book) ─► served (publish.Publisher) ─► what is answered now
//
// One command is carried out at a time, so that two that are sound by themselves cannot together leave a
// name with nothing.
package operate
