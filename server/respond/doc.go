// Package respond turns one query into one reply. It handles everything that concerns messages
// rather than names: the header, EDNS and its options, truncation, rate limits, cookies, the
// refusal of TSIG. It knows nothing of sockets.
//
// # The two ways
//
// A [Responder] has two ways to read a query. Nearly every query has one question of class IN and
// no record other than OPT. Such a query goes the usual way (usual.go): package wire reads it in
// one pass. All other messages go the odd way (odd.go): they are read record by record (query.go),
// with TSIG, other classes and all else that a message may have. Both ways pack what the [Resolver]
// finds with the same code (reply.go), without allocating. So a query that could go both ways gets
// the same reply, byte for byte; TestTwoWays and FuzzTwoWays test this.
//
// After a panic the reply is SERVFAIL, made from what had been read of the query by then.
//
// # What becomes of odd messages
//
// The package follows the RFCs. Where they leave a choice, it does what NSD and Knot DNS agree on.
// Where those two differ, this list says which one it follows.
//
//   - Shorter than a header, or a response itself: dropped.
//   - A question for a steered name, or an alias of one, whose first verdicts are awaited at a start:
//     dropped, so that a resolver asks another server. Over TCP the connection stays open.
//   - Over UDP, longer than 4 KiB: read as if it ended there.
//   - Opcode other than QUERY: NOTIMP with the header alone, since only the header's layout
//     is known then (RFC 8906, section 3.1.4), and OPT, if the message can be read as a query can and
//     has one.
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
//   - Flags of the reply: RD is copied, except with NOTIMP for an opcode, as in BIND. RA, AD, CD and Z
//     are clear (RFC 4035, section 3.1.6, for CD). The question is copied byte for byte if it could be
//     parsed.
//
// # EDNS
//
// A reply has an OPT record if and only if one was found in the query. The OPT comes last, except
// for TSIG. It advertises 1232 bytes and copies DO (RFC 3225). Over UDP no reply is longer than 1232
// bytes, nor than the client can take, which is at least 512.
//
//   - Version above 0: BADVERS, without options. Those of the query are not read, since another
//     version may have another layout (RFC 6891, section 6.1.3).
//   - More than one OPT, an OPT outside the additional section or not at the root, options
//     that do not fill the OPT exactly, a malformed cookie or subnet (if they are used): FORMERR,
//     with an OPT that has neither options nor DO (RFC 6891, sections 6.1.1 and 7).
//   - Options of unknown codes, and padding: ignored (RFC 6891, section 6.1.2; RFC 7830,
//     section 4, since nothing here is encrypted). Of an option that is there twice the first
//     counts; all subnets must be well-formed.
//   - NSID (RFC 5001): answered if [Settings] has an ID.
//   - Cookies (RFC 7873, RFC 9018): every reply to a client cookie has both cookies, except for the
//     errors above. An invalid server cookie is treated as if there were none, as in NSD; Knot
//     answers BADCOOKIE. Without a question, an invalid one is answered BADCOOKIE, a valid one
//     NOERROR (RFC 7873, section 5.4). If [Settings] has no secrets, cookies are unknown options.
//   - Client subnet (RFC 7871): the client is judged by it instead of by the address that the query
//     came from, and it is copied with the scope that [answer.Lookup.Scope] says, at most as long as
//     the prefix that came. It must be well-formed by section 6. A prefix of no length means that
//     nobody is to be judged: the reply is what a client gets of which nothing is known, with scope 0
//     (section 7.1.2). With [Settings].IgnoreSubnet it is an unknown option.
//   - Keepalive (RFC 7828): answered over TCP.
//   - Extended errors (RFC 8914): sent with REFUSED and SERVFAIL, where the response code alone
//     does not tell why.
//
// If question and options together are longer than the client can take, options are left out:
// extended errors first, then NSID, keepalive, subnet and cookies. Over TCP all of them are left
// out if the records would not fit otherwise.
//
// # Rate limits
//
// Replies over UDP are limited by package rrl, if [Settings] has a Limiter, unless the query has a
// valid server cookie. A reply that slips has only the question, OPT and TC; an error slips as it
// is, without its extended error. Package rrl explains the network, class and bucket of a reply;
// the classes come from [answer.Kind].
package respond
