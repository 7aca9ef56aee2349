// Package gdnsd makes a zones.toml of the configuration of gdnsd 3, another DNS server that answers by
// health and by place.
//
//	DIR/config ─► vscf ─► options, services ─┐
//	                      plugins ─► plans ──┼─► pools, names ─► zones.toml, notes
//	DIR/zones/* ─► records, DYNA and DYNC ───┘
//
// A DYNA or DYNC record names a resource of a plugin. A resource becomes a [plan]: for each class of
// clients, the pools in order. The plan becomes a steered name, and its pools, checks and databases go
// into the file. The tables above the plugins' code say what becomes of what (address.go, weighted.go,
// meta.go).
//
// What is written answers as gdnsd does. What gslb does otherwise, or has nothing like, is a [Note], and
// a comment at its place in the file; nothing is dropped without one. One error does not keep the rest
// from being carried over: without a resource that is wrong, only the names that use it are left out,
// and of a zone only the lines that are wrong.
//
// # Files
//
//	vscf.go, value.go    the configuration language
//	scan.go, zonefile.go zone files
//	rdata.go             data of records
//	options.go           options
//	services.go          service types, which become checks
//	address.go           multifo, simplefo
//	weighted.go          weighted
//	meta.go, geomap.go   metafo, geoip
//	match.go             which places a database knows
//	plan.go              what a resource answers, in the terms of zones.toml
//	names.go             plans become names
//	write.go             the text
//
// No input makes it panic, and what it reads is bounded.
package gdnsd
