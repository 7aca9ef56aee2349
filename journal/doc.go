// Package journal has the events of the server as data that is written, sent and read again: what
// happened, in which order, and why.
//
// A [Journal] numbers events and hands them on at once. A [Log] writes them to events.log in the
// directory of the state, a line of JSON each, and finds those that are asked for. [Read] reads such
// files without a server.
package journal
