// Package geo says which class of clients an address is in: by prefixes, and by databases in
// MaxMind's format. It knows nothing of DNS or health.
//
//	prefixes among the views ─┐
//	City.mmdb ────────────────┼─► sweep ─► kinds of clients ─► classes, one list a question ─► Map
//	ASN.mmdb ─────────────────┘   (in step, by address)
//
//	Map.Find(address) ─► class, length
//
// # Questions and classes
//
// A [Question] is a list of views ("country:US", "192.0.2.0/24", "default"), and of points whose
// order by distance matters. Clients for whom the same views match, and who see the points in the same
// order, are in one [Class]. A name needs one decision for each class, and an address needs nothing but
// the number of its class: what depends on distances and on several views is settled when the map is
// made, not when somebody asks.
//
// # From databases to a map
//
// [Library.Load] goes once through all databases, whatever the number of questions. The networks of a
// database are in the order of their addresses, so that several databases can be gone through in step,
// and none of them has to be held in memory in another form. Where the record of a network was seen
// before, it is not read again. Of what a record says, only what the questions ask about is kept: a
// hundred thousand cities become a few traits, and the traits of several databases a few kinds of
// clients. Neighbours in one class become one range.
//
// Of each attribute, the first database that knows it of a network counts. A database that knows
// better than others of a few networks therefore comes first. The country that an address is
// registered in stands in for a country that is not known.
//
// Files are not trusted: one that is damaged, or made to do harm, leads to an error that names it.
// Time and memory are bounded by its size.
//
// # How a look-up goes
//
// A map has a tree for each family, with a level for each 16 bits (tree.go). Each node is a sorted list
// of ranges, in flat arrays that the garbage collector has nothing to follow in.
//
//	192.0.2.77    first level    0xC000 ─► split: a node of the second level
//	              second level   0x024D ─► the range from 0x0200 to 0x027F ─► class 3
//
// Most addresses of IPv4 need two steps, most of IPv6 three. In a large map the first step is a table.
//
// # Scope
//
// A resolver may give an answer to all clients of a network if it is told how wide this network is
// (RFC 7871, section 7.2.1). The widest prefix around an address that lies within its range is such
// a network: all its addresses are in the same class, and any wider prefix has others. [Map.Find]
// returns its length. It follows from the two neighbours of the range: the prefix is one bit longer
// than what the address has in common with the nearer of them.
//
// [Map.Within] is for clients of whom less than the whole address is known.
//
// # Files
//
//	views.go     views, and how they are written
//	point.go     places on the globe, and how far they are from each other
//	question.go  what is asked, and the classes of clients that it leads to
//	database.go  a file: its tree and its records
//	sweep.go     several databases and prefixes, gone through in step
//	library.go   maps made in one pass, and kept for the next load
//	grow.go      from ranges to the tree of a map
//	tree.go      ranges in flat arrays, and how an address is found in them
//	map.go       the result: from an address to its class
//	address.go   addresses as numbers
package geo
