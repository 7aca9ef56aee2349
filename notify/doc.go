// Package notify tells people of incidents: by the services of shoutrrr, by signed webhooks, and through an
// Alertmanager.
//
//	incident.Book ─► Notifier.Notice ─► a queue for each target ─► its sender
//	                                         └─► spool (state_dir)
//
// A queue keeps, for each incident, what it is now and what the target was told of it. What is to be said
// follows from the difference, so that changes which could not be told merge, a restart says nothing twice, and
// an incident that was over before anybody could be told is one message. Whoever hands in changes waits for
// nothing: each target has a goroutine of its own, and each send a deadline.
package notify
