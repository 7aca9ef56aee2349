// Package zones is the finished configuration: what everyone but its reader knows of zones.toml.
//
// A [Set] is one whole configuration. Its [Zone]s are what is delegated here. A zone has static
// records ([records.Data]) and steered [Name]s. A name has a [Steering]: its [Pool]s in order of
// preference, and what to do when none is left; names that are steered alike share one. A pool
// is the addresses of one place, its [Member]s, and refers by ID to the targets whose health
// counts for it. The targets themselves are plain values of package health.
//
// Everything is resolved: domain types, defaults filled in, placeholders expanded, names fully
// qualified. A Set never changes once it is made; a reload makes another. Package
// zones/config reads and validates the file, zones/records packs the records, and
// zones/masterfile reads them.
package zones
