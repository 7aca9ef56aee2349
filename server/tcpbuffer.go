package server

// bufferPool keeps buffers for what connections hold for a while: the beginning of a query,
// or replies that a client does not take. It belongs to one goroutine. A nil pool keeps none.
type bufferPool struct{ free [][]byte }

const (
	pooledBuffers    = 256      // so many are kept at most …
	pooledBufferSize = 16 << 10 // … of which none is larger: a rare one must not stay for ever
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
