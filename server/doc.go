// Package server binds the addresses that DNS is served at, and runs the workers that answer there.
// It runs on Linux only.
//
// # From a query to its reply
//
// A worker of package udp or tcp takes a message from its socket, a responder of package respond
// makes the reply, and the worker sends it. One goroutine does all of this for a query: there is no
// queue between the kernel's buffers and the answer.
//
//	udp      a socket for each worker, read and written in batches
//	tcp      an event loop for each worker, with many connections
//	respond  a query to a reply: the header, EDNS, cookies, rate limits, truncation
//	meter    what is counted, and which faults are logged
//	wait     how a worker waits, and why it holds nobody else up
//
// The content of replies comes from a [Resolver], which is a table of package answer.
package server
