package records

import "math"

// arena keeps many short pieces of bytes in a few long ones, each piece by a place of 32 bits.
// It never moves what it holds.
type arena struct {
	chunks [][]byte // those in use, the last one being filled
	spare  [][]byte // of an earlier use
}

// A place is the number of a chunk and a place in it. What is added must fit in a chunk.
const (
	chunkBits = 20
	chunkSize = 1 << chunkBits
	maxChunks = (math.MaxUint32 + 1) / chunkSize
)

// room makes sure that so many bytes fit in a row, and says whether they do.
func (a *arena) room(size int) bool {
	if n := len(a.chunks); n > 0 && len(a.chunks[n-1])+size <= chunkSize {
		return true
	}
	if len(a.chunks) == maxChunks || size > chunkSize {
		return false
	}
	var chunk []byte
	if n := len(a.spare); n > 0 {
		chunk, a.spare = a.spare[n-1], a.spare[:n-1]
	} else {
		chunk = make([]byte, 0, chunkSize)
	}
	a.chunks = append(a.chunks, chunk)
	return true
}

// last is the chunk that is being filled; what is appended to it must have room.
func (a *arena) last() *[]byte { return &a.chunks[len(a.chunks)-1] }

// place is where the next byte comes to lie.
func (a *arena) place() uint32 {
	n := len(a.chunks) - 1
	return uint32(n)<<chunkBits | uint32(len(a.chunks[n]))
}

// from is what lies at a place, and what comes after it.
func (a *arena) from(place uint32) []byte {
	return a.chunks[place>>chunkBits][place&(chunkSize-1):]
}

// reset empties the arena, and keeps one chunk for the next use.
func (a *arena) reset() {
	if len(a.chunks) > 0 {
		a.spare = append(a.spare[:0], a.chunks[0][:0])
	}
	clear(a.chunks)
	a.chunks = a.chunks[:0]
}
