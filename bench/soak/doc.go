// Package soak runs the server for a long time under load, faults and attacks, and shows whether
// its memory, goroutines and descriptors stay flat.
//
// Without a pause, and all at the same time,
//
//   - targets flap, hang, reset, drip, and answer with garbage and without end ([targets]);
//   - the configuration changes every few seconds, and now and then into one that is refused;
//   - clients ask at a steady rate, and their answers are counted;
//   - others send garbage over UDP, and hold TCP connections half open;
//   - the admin server is scraped, and read slowly.
package soak
