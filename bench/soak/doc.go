// Package soak runs the server for a long time among everything that troubles one, and shows
// whether what it takes of the machine stays flat: memory, goroutines and descriptors.
//
// Without a pause, and all at the same time,
//
//   - targets flap, hang, reset, drip, and answer with garbage and without end ([targets]);
//   - the configuration changes every few seconds, and now and then into one that is refused;
//   - clients ask at a steady rate, and their answers are counted;
//   - others send garbage over UDP, and hold TCP connections half open;
//   - the admin server is scraped, and read slowly.
package soak
