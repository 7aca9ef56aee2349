// Package wire reads what stands in DNS messages without allocating: names, questions,
// EDNS. It knows no zone and no socket.
package wire
