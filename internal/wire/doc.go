// Package wire reads DNS messages without allocating, and knows the sizes and the layout that
// everything else about messages goes by. It knows no zone and no socket.
//
// # A query
//
// [Query.Parse] takes the form that nearly every query has: one question, its name not
// compressed, and nothing else but an OPT record. It reads such a message in one pass, and
// refuses every other, down to a byte behind the end, so that whoever reads all messages can say
// what is wrong with them. [EDNS.Parse] reads the OPT record's data (RFC 6891) with the options
// that are understood here. Both refer to the message and copy nothing but the name.
//
// # A name
//
// A [Name] is a domain name in wire form and lower case: equal names (RFC 4343) have equal bytes,
// however they were asked or escaped. It knows where its labels begin, so that a name above it is
// a [Name.Suffix] of its bytes. [Name.Hash] hashes all of these in one pass from the root down,
// since a look-up asks for the closest that exists, and [Compare] is the canonical order of
// RFC 4034, section 6.1. [Lower] folds eight bytes at a time, and only ASCII letters.
package wire
