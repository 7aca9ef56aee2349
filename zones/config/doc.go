// Package config reads and validates zones.toml.
//
// [Load] makes a [zones.Set] of the file and the files that it names, or reports everything that is
// wrong at once ([problem.Errors]): the key, what was found and what was expected.
//
// A configuration passes through two forms. The parser's tables become raw types (raw*.go) that
// mirror TOML key by key and never leave this package; the decoder (decode.go) reports keys that
// are unknown or missing and values of a wrong type. The loader makes the finished form of them, in
// the order in which things refer to each other: server, checks, pools, and zones with their
// records and names (load.go, a file for each subject).
//
// The strictness is deliberate: nothing in the configuration may be without effect. So an unknown
// key, a check that no pool uses, a pool that no name uses, a variable that no check uses and a
// record that could never be answered are errors, not warnings.
package config
