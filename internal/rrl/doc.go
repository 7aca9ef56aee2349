// Package rrl limits the rate of responses over UDP, so that this server is of no use for attacks
// with forged addresses. It is response rate limiting (RRL) as in BIND, Knot DNS and NSD.
//
// # What is counted
//
// Responses are counted in buckets. Responses share a bucket if they go to the same network (a /24
// of IPv4, a /56 of IPv6), are of the same [Class], and have the same hash. The caller makes the
// hash of something that an attacker cannot vary at will:
//
//	Positive, NoData, Any   the name asked for
//	Wildcard                the owner of the wildcard or DNAME that the answer is made from
//	NXDomain                the zone
//	Referral                the owner of the delegation
//	Error                   nothing: all errors to a network share a bucket
//
// So a flood of random names, below an apex, a wildcard or a delegation or in no zone of ours,
// falls into one bucket, while each of the many names that a large resolver asks for has its own.
// As in BIND and NSD, what an attacker can send to a network is therefore bounded by the number of
// names that exist. Responses over TCP or to a valid cookie must not be counted: the sender has
// shown that the address is its own.
//
// # How much passes
//
// A bucket leaks at Rate responses a second and has room for Burst. A response that finds room
// passes; one that finds none is limited, and leaves no trace in the bucket. In any t seconds
// at most Burst + Rate·t responses pass, also under attack, and a bucket that is left alone is
// empty after Burst/Rate seconds.
//
// A limited response is either dropped or slips: a reply goes out that has the question alone
// and TC=1, so that a real client comes back over TCP. It is no larger than the query, so that
// it amplifies nothing. (An error slips as itself: it is as small, and TC means nothing in it.)
//
// # The table
//
// The buckets are 64-bit words in sets of eight, a cache line each, in a table that is allocated
// once. The set of a bucket, and 19 bits that tell it from others there, come from a keyed hash.
// Two that agree in all of that share a bucket: by default one pair in 8.6 billion, and nobody
// can choose which without the key.
//
// A bucket for which its set has no place takes that of the emptiest one there. This lets the
// responses forgotten with it pass anew, never limits anybody else's, and leaves alone the
// fullest, which are what the table is for.
//
// Where several goroutines make room for the same bucket at once, and their clocks differ or the
// set is full, there may be two of it until one has been left alone: for that time twice as
// much can pass.
//
// # Where this differs from others
//
//   - NSD counts in whole seconds and smooths over them. While more than its limit arrives,
//     nothing passes; here, as in Knot DNS, the rate goes on passing.
//   - BIND also charges a bucket for what was limited, up to a debt of 15 seconds.
//   - Knot DNS, from 3.4, looks at addresses and nested networks alone, not at classes and
//     names. It forgets exponentially, and keeps the most frequent in a full table, as is
//     done here; in NSD whoever hashes to the same place replaces what is there.
//   - NSD counts NODATA by zone, BIND and this package by name: where half the names have no
//     AAAA records, NODATA is as common as positive answers, and their number as bounded.
//   - BIND slips BADCOOKIE to a client that sent a cookie; so may the caller.
package rrl
