// Package records makes the static data of a zone, and holds it packed as replies carry it.
//
// A [Builder] takes records one by one, as the reader of a master file or the configuration
// hands them on. Once all are there, Settle puts them in canonical order (order.go), Check makes
// one of those that are there twice and reports what is wrong with the zone as a whole (rules.go,
// reconcile.go), and Pack lays them out as [Data] (pack.go), which is immutable and all that the
// path of a query knows.
//
// Names are kept as keys (key.go), whose order as bytes is the canonical order of the names, and
// of which that of a name begins those of all names below it. So a million records are sorted,
// searched and checked without an object for each.
package records
