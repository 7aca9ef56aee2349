// Package journal has the events of the server as data that is written, sent and read again: what
// happened, in which order, and why. A [Journal] numbers events and hands them on at once.
package journal
