// Package zones reads and validates zones.toml.
//
// The configuration has two shapes. The raw one (raw.go) mirrors TOML key by key and never
// leaves this package. The finished one is the [Set]: domain types, every reference
// resolved, every default filled in, every placeholder expanded. [Load] turns the one into
// the other, or says everything that is wrong in one go ([Errors]).
//
// The strictness is deliberate: nothing configured may ever silently do nothing. So an
// unknown key, a check that no pool uses, a pool that no name uses, a variable that no check
// uses and a record that could never be answered are errors, not warnings.
package zones
