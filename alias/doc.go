// Package alias knows the addresses of the host names that pools have instead of addresses: it looks
// up their A and AAAA records in the background, so that no query waits for a look-up.
//
//	Watcher: when ─► resolvers ─► reply ─► said ─► belief ─► Take: Addresses ─► steering
//	    ▲                                   │
//	    └────────── when to ask next ───────┘
//
// Each name has two questions, one for each family, and each question goes its own way: its own
// goroutine, its own time to be asked again, its own [belief]. So a family that is not answered, or a
// name whose servers hang, delays no other.
//
// # What a look-up can say
//
// It finds addresses, it finds that there are none (NODATA, NXDOMAIN), or it fails, and then says
// nothing: SERVFAIL, REFUSED, no reply in time, a reply that is cut off, malformed or lame. The
// truth table stands above [read]. A chain of CNAMEs is followed through the reply and, where a
// server tells only a part of it, by asking for its target.
//
// # What is believed
//
// The truth table stands above [belief.after]. In short: addresses are believed at once. What is known
// stays until something better is known, however long look-ups fail. That there are no addresses
// is believed when three answers in a row have said so, since a mistake of a moment must not take
// away what serves.
//
// # When a name is asked for
//
// At the pace of its TTL, at least every five minutes and at most every five seconds; that of an
// answer without addresses is the negative TTL (RFC 2308, section 5), since the resolver would repeat
// it from its cache until then. A look-up that failed is repeated soon, at growing intervals.
//
// # Starting
//
// The last good addresses outlive a restart as [Record]s: a server that starts while its resolver is
// dead serves them. A host is [Host.Awaited] until both its questions were asked in this run, or
// [Watcher.Settle] ends the waiting.
package alias
