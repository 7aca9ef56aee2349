//go:build !linux

package main

// behindQueries runs work; threads have no priority of their own here.
func behindQueries(work func()) { work() }
