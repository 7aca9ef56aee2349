package server

import (
	"encoding/binary"
	"errors"
	"io"
)

// frames cuts a byte stream into the messages that it carries, each behind its length in
// two bytes (RFC 1035, section 4.2.2). What has arrived of a message is kept until the
// rest does, so that a read may time out anywhere. The zero value is ready.
type frames struct {
	buf        []byte // what has been read is in buf[start:end]
	start, end int
}

const (
	lengthSize = 2
	// frameBuffer holds several queries of the usual size; it grows for a larger one.
	frameBuffer = 1 << 10
)

var errEmptyFrame = errors.New("a message of no bytes")

// take returns the next message if all of it has arrived. It is valid until the next fill.
func (f *frames) take() (msg []byte, ok bool, err error) {
	have := f.buf[f.start:f.end]
	if len(have) < lengthSize {
		return nil, false, nil
	}
	size := int(binary.BigEndian.Uint16(have))
	if size == 0 {
		return nil, false, errEmptyFrame
	}
	if len(have) < lengthSize+size {
		return nil, false, nil
	}
	f.start += lengthSize + size
	return have[lengthSize : lengthSize+size], true, nil
}

// partial reports whether a message has begun to arrive.
func (f *frames) partial() bool { return f.start < f.end }

// fill reads once from r. It is called when take has nothing to give, so that what is kept
// is less than one message and there is always room for more.
func (f *frames) fill(r io.Reader) error {
	need := frameBuffer
	if have := f.buf[f.start:f.end]; len(have) >= lengthSize {
		need = max(need, lengthSize+int(binary.BigEndian.Uint16(have)))
	}
	if f.start > 0 || len(f.buf) < need {
		kept := f.buf[f.start:f.end]
		if len(f.buf) != need { // made anew after a large message too: idle connections hold little
			f.buf = make([]byte, need)
		}
		f.start, f.end = 0, copy(f.buf, kept)
	}
	n, err := r.Read(f.buf[f.end:])
	f.end += n
	if n > 0 {
		return nil // an error will come again
	}
	return err
}

// appendFrame appends msg as a frame to buf. Length and message leave in one write (RFC
// 7766, section 8).
func appendFrame(buf, msg []byte) []byte {
	buf = binary.BigEndian.AppendUint16(buf, uint16(len(msg)))
	return append(buf, msg...)
}
