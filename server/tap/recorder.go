package tap

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"
)

// Recorder takes the messages of one worker, whose goroutine alone may use what Sample returns.
type Recorder struct {
	at      netip.AddrPort // where the worker listens
	overTCP bool
	sample  atomic.Pointer[Sample] // nil: nothing is reported
	full    atomic.Uint64          // messages that found no room
	ring    *ring                  // guarded by Tap.mu; nil: there is none
}

// Message is a query and what became of it.
type Message struct {
	Query           []byte
	Reply           []byte // nil: there was none
	Client          netip.AddrPort
	Server          netip.Addr // that was asked; the zero value: the one where the worker listens
	Zone            string     // that the reply came from; empty: none
	Asked, Answered time.Time
}

// Sample returns what takes messages at present; nil: nothing does. A worker asks for each batch of
// queries. On a nil Recorder it is nil.
func (r *Recorder) Sample() *Sample {
	if r == nil {
		return nil
	}
	return r.sample.Load()
}

// use makes what the settings need. filling is told when the queue is half full.
func (r *Recorder) use(s Settings, filling chan<- struct{}) {
	if !s.On() {
		r.sample.Store(nil)
		return
	}
	if r.ring == nil {
		r.ring = newRing(ringSize, filling)
	}
	next := &Sample{recorder: r, ring: r.ring, queries: s.Queries, responses: s.Responses}
	if s.Share < 1 {
		next.scale = 1 / math.Log1p(-s.Share)
		next.random = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
		next.skip = next.draw()
	}
	r.sample.Store(next)
}

// Sample chooses queries at random, each with the same probability, and takes them.
type Sample struct {
	recorder           *Recorder
	ring               *ring
	queries, responses bool

	scale  float64    // 1 / ln(1 - share); 0: every query is taken
	random *rand.Rand // nil if every query is taken
	skip   uint64     // queries before the next that is taken
}

// Next reports whether the next query is one of the sample. It draws how many queries there are up to
// the next one of the sample, so that the others cost a subtraction.
func (s *Sample) Next() bool {
	if s.skip > 0 {
		s.skip--
		return false
	}
	if s.random != nil {
		s.skip = s.draw()
	}
	return true
}

// draw returns how many queries come before the next of the sample: a number of the geometric
// distribution, by its inverse.
func (s *Sample) draw() uint64 {
	return uint64(math.Log1p(-s.random.Float64()) * s.scale)
}

// Take copies a query of the sample, and its reply, into the queue. If there is no room it is dropped.
func (s *Sample) Take(m *Message) {
	n := uint64(0)
	if s.queries {
		n++
	}
	if s.responses && m.Reply != nil {
		n++
	}
	if n > 0 && !s.ring.put(m, s.queries, s.responses, s.recorder) {
		s.recorder.full.Add(n)
	}
}
