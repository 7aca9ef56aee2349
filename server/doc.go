// Package server answers DNS queries over UDP and TCP from a table of answers. It owns
// everything that is about messages rather than about names: sockets, the header, EDNS,
// truncation, TSIG refusals, TCP framing and the limits on all of it.
//
// A query goes one way: a socket reads a message, a responder parses it (query.go,
// edns.go), asks the [Resolver] for the content of the reply, packs it into what the
// client can take (reply.go), and the socket sends it. One goroutine does all of that for
// one query; there is no queue between the kernel's buffers and the answer.
//
// # What becomes of odd messages
//
// The package follows the RFCs; where they leave a choice, it does what NSD and Knot DNS
// agree on, and where those two differ, what is named here.
//
//   - Shorter than a header, or a response itself: dropped.
//   - Opcode other than QUERY: NOTIMP with the header alone, since only the header's layout
//     is known then (RFC 8906, section 3.1.4).
//   - No question, or more than one: FORMERR (RFC 9619).
//   - A question name that is compressed or too long, or records that do not parse: FORMERR.
//   - Records in a query that mean nothing here are skipped as long as they parse, as Knot
//     does; bytes after the last record are ignored, as NSD does. A response code and the
//     flags that only responses use are ignored.
//   - More than one OPT, an OPT outside the additional section or not at the root, options
//     that do not fill the OPT exactly: FORMERR, with an OPT in the reply (RFC 6891,
//     sections 6.1.1 and 7).
//   - EDNS version above 0: BADVERS, before the options are looked at, since another
//     version may lay them out otherwise (RFC 6891, section 6.1.3).
//   - TSIG: NOTAUTH with TSIG error BADKEY, since no key is known here (RFC 8945,
//     section 5.2.1); one that is not the last record: FORMERR.
//   - Class ANY: answered from class IN without AA (RFC 1035, section 6.2). Any other class
//     but IN: REFUSED.
//   - AXFR over UDP: NOTIMP. AXFR over TCP and IXFR: REFUSED.
//   - Other query types that are no data (OPT, TSIG, MAILB, …): looked up like any type.
//   - In the reply RD is copied; RA, AD, CD and Z are clear (RFC 4035, section 3.1.6, for
//     CD). The question comes back byte for byte where it could be parsed.
package server
