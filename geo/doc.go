// Package geo says which class of clients an address is in: by prefixes, and by databases in
// MaxMind's format. It knows nothing of DNS or health.
//
//	questions (views, points) ─┐
//	databases (*.mmdb) ────────┴─► Library.Load ─► Map ─► Find(address) ─► class, length
//
// # Files
//
//	views.go     views, and how they are written
//	point.go     places on the globe, and how far they are from each other
//	question.go  what is asked, and the classes of clients that it leads to
//	database.go  a file: its tree and its records
//	sweep.go     several databases and prefixes, gone through side by side
//	library.go   maps made, and kept for the next load
//	table.go     ranges of addresses in flat arrays
//	map.go       the result: from an address to its class
package geo
