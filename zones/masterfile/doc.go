// Package masterfile reads zone data in master file format (RFC 1035, section 5.1), with the
// directives $ORIGIN, $TTL (RFC 2308, section 4), $INCLUDE and $GENERATE (BIND's).
//
// A [Reader] goes over the bytes once and hands each record on in wire form, so that a file of
// a million records makes no million objects. The syntax is read here: entries, parentheses,
// quotes, escapes, owners, TTLs, classes and types. Of what fields the data of a type consists,
// one table says (layout.go); each field has a form, which reads it from text and finds its end in
// wire form. Data in the generic form (RFC 3597) is held to the same table. A type that is not in
// it has that form only, so that no data is taken that could come out as something else.
//
// Package corpus has records of every type, with their octets.
//
// Every entry that is wrong is reported, not only the first, each with the line that it begins
// on. No input makes the Reader panic, and what it does is bounded by [Limits].
package masterfile
