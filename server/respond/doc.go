// Package respond turns one query into one reply. It owns everything that is about messages
// rather than about names: the header, EDNS and its options, truncation, rate limits, cookies,
// the refusal of TSIG. It knows no socket.
//
// # The two ways
//
// A [Responder] has two ways to read a query. Nearly every one has one question of class IN, and
// no other record than OPT. It takes the usual way (usual.go): package wire reads it in one pass.
// Everything else takes the odd way (odd.go): read record by record (query.go), with TSIG, other
// classes and what else a message may be. What is found in the [Resolver] is packed by the same
// code for both (reply.go), without allocating, so that a query that both could take is given the
// same reply, byte for byte, which TestTwoWays and FuzzTwoWays hold them to.
//
// A panic is answered SERVFAIL, from what had been read of the query by then.
//
// # What becomes of odd messages
//
// The package follows the RFCs; where they leave a choice, it does what NSD and Knot DNS
// agree on, and where those two differ, what is named here.
//
//   - Shorter than a header, or a response itself: dropped.
//   - What leads to a steered name of which nothing is decided yet, at a start: dropped, so that
//     a resolver asks another server, and over TCP the connection stays open.
//   - Over UDP, longer than 4 KiB: read as if it ended there.
//   - Opcode other than QUERY: NOTIMP with the header alone, since only the header's layout
//     is known then (RFC 8906, section 3.1.4).
//   - More than one question: FORMERR (RFC 9619). No question: FORMERR too, unless there is a
//     cookie, and cookies are on.
//   - A question name that is compressed or too long, or records that do not parse: FORMERR.
//   - Records in a query that mean nothing here are skipped as long as they parse, as Knot
//     does; bytes after the last record are ignored, as NSD does. A response code and the
//     flags that only responses use are ignored.
//   - TSIG: NOTAUTH with TSIG error BADKEY, since no key is known here (RFC 8945,
//     section 5.2.1); one that is not the last record: FORMERR.
//   - Class ANY: answered from class IN without AA (RFC 1035, section 6.2). Class CH: TXT and
//     ANY of id.server, hostname.bind, version.server and version.bind, each only if it is
//     set ([Settings]). Anything else, and any other class: REFUSED.
//   - AXFR over UDP: NOTIMP. AXFR over TCP and IXFR: REFUSED for a zone that is served, otherwise
//     NOTAUTH (RFC 5936, section 2.2.1).
//   - Other query types that are no data (OPT, TSIG, MAILB, …): looked up like any type.
//   - In the reply RD is copied, but not with NOTIMP for an opcode, as in BIND; RA, AD, CD and Z are clear (RFC 4035, section 3.1.6, for
//     CD). The question comes back byte for byte where it could be parsed.
//
// # EDNS
//
// A reply has an OPT record if and only if the query has one that can be found, but with
// NOTIMP, which is decided before. It comes last, but for TSIG, says 1232 bytes, and has DO as
// it was asked (RFC 3225). Over UDP no reply is longer than the client can take, which is 512
// bytes at least, nor than 1232.
//
//   - Version above 0: BADVERS, before the options are looked at, since another version may
//     lay them out otherwise (RFC 6891, section 6.1.3), and with none in the reply.
//   - More than one OPT, an OPT outside the additional section or not at the root, options
//     that do not fill the OPT exactly, a malformed cookie or subnet: FORMERR, with an OPT
//     that has neither options nor DO (RFC 6891, sections 6.1.1 and 7).
//   - Options of unknown codes, and padding: ignored (RFC 6891, section 6.1.2; RFC 7830,
//     section 4, since nothing here is encrypted). Of those that are there twice the first
//     counts; all subnets must be well-formed.
//   - NSID (RFC 5001): answered if [Settings] has an ID.
//   - Cookies (RFC 7873, RFC 9018), if [Settings] has secrets, otherwise they are options of an
//     unknown code: every reply to a client cookie has both, but for the errors above. A server cookie that does not hold is answered as if
//     there were none, as NSD does; Knot insists. Only where there is no question is it
//     BADCOOKIE, and otherwise NOERROR (RFC 7873, section 5.4).
//   - Client subnet (RFC 7871): comes back with scope 0, since answers are the same for all
//     networks; checked as strictly as sections 6 and 7.1.2 of the RFC have it.
//   - Keepalive (RFC 7828): answered over TCP.
//   - Extended errors (RFC 8914): sent with REFUSED and SERVFAIL, where the response code alone
//     does not tell why.
//
// Where question and options together are longer than the client can take, options are left
// out: extended errors first, then NSID, keepalive, subnet and cookies. Over TCP they all are where
// the records would not fit beside them.
//
// # Rate limits
//
// Replies over UDP are limited by package rrl, if [Settings] has a Limiter, unless the query
// came with a server cookie that holds. What slips has the question and OPT alone, and TC;
// errors slip as they are, but for the extended error. What the network, class and bucket of a
// reply are stands there; the classes come from [answer.Kind].
package respond
