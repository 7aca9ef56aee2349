package tcp

import (
	"encoding/binary"
	"errors"
)

// frames cuts a byte stream into the messages that it carries, each behind its length in two bytes
// (RFC 1035, section 4.2.2). Messages that arrive whole are not copied; a part of a message is held
// until the rest arrives. The zero value is ready.
type frames struct {
	held    []byte // what is held is in held[start:]
	start   int
	buffers *bufferPool // held comes from here; nil: it is allocated
}

const lengthSize = 2

var errEmptyFrame = errors.New("a message of no bytes")

// next returns the first message of the stream that continues with data, and what is left
// of data behind it. The message is nil if not all of it has arrived; all of data is held
// then. It is valid until the next call of a method, or until data is overwritten.
func (f *frames) next(data []byte) (msg, rest []byte, err error) {
	if f.empty() {
		size, err := frameSize(data)
		switch {
		case err != nil:
			return nil, data, err
		case size <= len(data):
			return data[lengthSize:size], data[size:], nil
		}
		f.hold(data)
		return nil, nil, nil
	}
	// The length may itself be cut, so that how much is missing is known only with it.
	for {
		have := len(f.held) - f.start
		size, err := frameSize(f.held[f.start:])
		switch {
		case err != nil:
			return nil, data, err
		case size <= have:
			msg = f.held[f.start+lengthSize : f.start+size]
			f.start += size
			return msg, data, nil
		case len(data) == 0:
			return nil, nil, nil
		}
		missing := min(size-have, len(data))
		f.hold(data[:missing])
		data = data[missing:]
	}
}

// frameSize is the size of the first frame of data, with its length. While too little has
// arrived to tell, it is that of the length alone.
func frameSize(data []byte) (int, error) {
	if len(data) < lengthSize {
		return lengthSize, nil
	}
	size := int(binary.BigEndian.Uint16(data))
	if size == 0 {
		return 0, errEmptyFrame
	}
	return lengthSize + size, nil
}

// hold keeps data, which comes behind what is held already, for later.
func (f *frames) hold(data []byte) {
	if len(data) == 0 {
		return
	}
	if f.held == nil {
		f.held = f.buffers.get()
	}
	if f.start > 0 {
		f.held = f.held[:copy(f.held, f.held[f.start:])]
		f.start = 0
	}
	f.held = append(f.held, data...)
}

// empty reports whether nothing is held: no message has begun to arrive.
func (f *frames) empty() bool { return f.start == len(f.held) }

// release gives back the buffer. It is called once no message of it is in use; what it
// holds, if anything, is lost.
func (f *frames) release() {
	f.buffers.put(f.held)
	f.held, f.start = nil, 0
}

// appendFrame appends msg as a frame to buf. Length and message leave in one write (RFC
// 7766, section 8).
func appendFrame(buf, msg []byte) []byte {
	buf = binary.BigEndian.AppendUint16(buf, uint16(len(msg)))
	return append(buf, msg...)
}

// bufferPool keeps buffers for what connections hold for a while: the beginning of a query,
// or replies that a client does not take. It belongs to one goroutine. A nil pool keeps none.
type bufferPool struct{ free [][]byte }

const (
	pooledBuffers    = 256      // so many are kept at most …
	pooledBufferSize = 16 << 10 // … of which none is larger: larger ones are rare, and are given back
	newBufferSize    = 512      // holds a query of any usual size
)

// get returns a buffer of length 0.
func (p *bufferPool) get() []byte {
	if p == nil {
		return nil
	}
	last := len(p.free) - 1
	if last < 0 {
		return make([]byte, 0, newBufferSize)
	}
	buf := p.free[last]
	p.free[last] = nil
	p.free = p.free[:last]
	return buf
}

// put takes back a buffer; nil is none.
func (p *bufferPool) put(buf []byte) {
	if p == nil || buf == nil || cap(buf) > pooledBufferSize || len(p.free) >= pooledBuffers {
		return
	}
	p.free = append(p.free, buf[:0])
}
