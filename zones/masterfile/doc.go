// Package masterfile reads zone data in master file format (RFC 1035, section 5.1), with the
// directives $ORIGIN, $TTL (RFC 2308, section 4), $INCLUDE and $GENERATE (BIND's).
//
// A [Reader] goes over the bytes once and hands each record on in wire form, so that a file of
// a million records makes no million objects. The syntax is read here: entries, parentheses,
// quotes, escapes, owners, TTLs, classes and types. The data of the types that zones are made
// of is packed by a table of their layouts (layout.go); what is left goes, entry by entry,
// through the parser of github.com/miekg/dns.
//
// Every entry that is wrong is reported, not only the first, each with the line that it begins
// on. No input makes the Reader panic, and what it does is bounded by [Limits].
package masterfile
