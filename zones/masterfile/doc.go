// Package masterfile reads zone data in master file format (RFC 1035, section 5.1), with the
// directives $ORIGIN, $TTL (RFC 2308, section 4), $INCLUDE and $GENERATE (BIND's).
//
// A [Reader] reads the bytes once and passes each record on in wire form, so that a file of a
// million records does not make a million objects. It reads the syntax: entries, parentheses,
// quotes, escapes, owners, TTLs, classes and types. One table says which fields the data of each
// type has (layout.go). Each field has a form, which reads it from text and finds its end in wire
// form. Data in the generic form (RFC 3597) is checked against the same table. A type that is not
// in the table has only the generic form, so that no data can be served in another form than it was
// written.
//
// Package corpus has records of every type, with their octets.
//
// Every entry that is wrong is reported, not only the first, each with the line that it begins
// on. No input makes the Reader panic, and what it does is bounded by [Limits].
package masterfile
