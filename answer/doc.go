// Package answer compiles the configuration and what is decided for it into a table, and finds
// in that table what a query is answered with.
//
//	zones.Set ──► Index ───────────┐
//	                               ├─► Table ─► Lookup.Run ─► Lookup.Append ─► reply
//	steer.Decision ─► answer ids ──┘              ▲                  └─► Lookup.Scope
//	                                            Client
//
// # What a table is
//
// A [Table] is everything that can be answered at one moment. It never changes: when a decision
// changes, package publish stores another table, and each worker of package server uses the new
// one from its next batch of queries. So a look-up takes no lock, and one reply never mixes two
// states of the world.
//
// A table has two parts:
//
//   - The [Index] holds the names that exist and their static records. It depends on the
//     configuration alone, takes seconds to build for a million names, and is shared by all
//     tables of that configuration.
//   - The answers of the steered names, one for each [zones.Route].
//
// # Answer ids
//
// Names that are steered alike (the same pools, policy and TTLs) share a steering. It has a route for
// each class of clients, one after the other in the configuration's list, and Route.Index is the
// answer id for that class. The index maps a name to its steering, the steering's [geo.Map] maps a
// client to its class, and the table maps the id to packed records. The owner of these records is a
// compression pointer to the question (the octets 0xC00C), so they are the same octets for each of
// these names. When a pool fails, [Table.With] packs the few answers that depend on it, however many
// names use them. Equal answers are packed once.
//
// # What a client gets of a steered name
//
// An answer has, for each family, the shares of the pools that have an address of it; a pool that is
// a CNAME counts for every type. If there is one share, everybody gets it. If there are several, one
// is picked for the reply:
//
//	policy    by                                                       the scope is
//	────────  ───────────────────────────────────────────────────────  ────────────────────────
//	weighted  a draw by weight (Vose's alias table)                    none
//	sticky    weighted rendezvous hashing of the client's /24 or /56,  24 or 56 bits
//	          the same on all servers
//	all       nothing: the addresses of all pools are one share        none
//
// Of a share, max_answers addresses are answered, from a random one on, around the end to the
// beginning; with order = "fixed" they come as configured. What the views add to the scope is the
// widest network around the client all of which is in its class. [Lookup.Scope] is the longest of
// all that the reply depended on, aliases and additional records included.
//
// # How a query is looked up
//
// [Lookup.Run] follows RFC 1034, section 4.3.2. It hashes every suffix of the name, then finds
// the zone (the longest suffix that is an apex) and in it the node of the name.
//
//	what is found in the zone                  what is answered
//	─────────────────────────────────────────  ──────────────────────────────────────────────
//	the name, with data of the type            that data
//	the name, with a CNAME                     the CNAME; the look-up goes on with its target
//	the name, without data of the type         NODATA with the SOA
//	a delegation at the name or above it       a referral: NS records and glue
//	a DNAME above the name                     the DNAME and the CNAME made from it; goes on
//	neither, but a wildcard at the closest     the wildcard's data, as if it were the name's
//	  ancestor that exists
//	neither, and no wildcard                   NXDOMAIN with the SOA
//	no zone                                    REFUSED
//
// An alias is followed for as long as it leads to a zone that is served here, 16 times at most. The
// result is a list of references to packed records. [Lookup.Append] writes them after the
// question, compresses names, and adds the addresses of hosts that the records name.
//
// [Lookup.Kind] and [Lookup.Bucket] say what the rate limit and the metrics count the reply as.
//
// # Why everything is packed
//
// Records are kept as they are sent, and nodes are numbers in flat arrays. For most queries a
// reply is one copy. The garbage collector has nothing to follow, even with a million names. And
// a second executor that answers before the socket (XDP, for example) can read the same table.
//
// # Files
//
//	table.go       a table, and the zone of a name
//	index.go       names that exist: nodes, and the hash table that finds them
//	compile.go     from a decision to its answer, packed
//	steered.go     such an answer, and what a client gets of it
//	share.go       one of several pools: by draw, and by hash
//	lookup.go      from a question to the records of its reply
//	additional.go  addresses of hosts that the reply names, and glue
//	pack.go        from these records to octets, compressed, within a limit
package answer
