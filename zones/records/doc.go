// Package records makes the static data of a zone, and holds it packed as replies carry it.
//
// A [Builder] takes records one by one, from the reader of a master file or from the configuration.
// Then Settle puts them in canonical order (order.go), Check removes duplicates and reports what is
// wrong with the zone as a whole (rules.go, reconcile.go), and Pack lays them out as [Data]
// (pack.go). Data is immutable, and all that the query path knows.
//
// Names are kept as keys (key.go): their order as bytes is the canonical order of the names, and
// the key of a name is a prefix of the keys of all names below it. So a million records are sorted,
// searched and checked without an object for each.
package records
