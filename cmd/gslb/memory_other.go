//go:build !linux

package main

// freeMemory is how much memory this process could still take, in bytes: what any host has that
// a name server runs on.
func freeMemory() uint64 { return 256 << 20 }
