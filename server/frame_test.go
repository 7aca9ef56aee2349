package server

import (
	"bytes"
	"testing"
)

// TestFramesGiveBack keeps a connection that once had a large query from holding on to a
// large buffer, and what came behind the query from being lost.
func TestFramesGiveBack(t *testing.T) {
	large, small := make([]byte, 60000), []byte("small")
	stream := bytes.NewReader(appendFrame(appendFrame(nil, large), small))
	var f frames
	for _, want := range [][]byte{large, small} {
		msg, ok, err := f.take()
		for ; !ok && err == nil; msg, ok, err = f.take() {
			if err := f.fill(stream); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil || !bytes.Equal(msg, want) {
			t.Fatalf("a message of %d bytes, %v, want %d bytes", len(msg), err, len(want))
		}
	}
	if len(f.buf) != frameBuffer {
		t.Errorf("a buffer of %d bytes is left, want %d", len(f.buf), frameBuffer)
	}
}
