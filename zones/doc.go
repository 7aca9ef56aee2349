// Package zones is the finished configuration, as all packages except its reader (zones/config) see
// it.
//
// A [Set] is one whole configuration. Its [Zone]s are the zones that are delegated here. A zone has
// static records ([records.Data]) and steered [Name]s. A name has a [Steering]: its [Pool]s in
// order of preference, and what to answer when none is left. Names that are steered alike share
// one. A pool has the addresses of one place, its [Member]s, and refers by ID to the targets that
// decide about its health. The targets themselves are plain values of package health.
//
// Everything is resolved: values have domain types, defaults are filled in, placeholders are
// expanded, names are fully qualified. A Set never changes; a reload makes another. Package
// zones/config reads and validates the file, zones/records packs the records, and zones/masterfile
// reads them.
package zones
