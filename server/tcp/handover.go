package tcp

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gslb/server/meter"
)

// Conn is a connection on its way from one process to the next: no query on it is lost, and its client
// notices nothing.
type Conn struct {
	FD       int            `json:"-"`
	Listener netip.AddrPort `json:"listener"`         // where the client has connected to
	Client   netip.AddrPort `json:"client"`           // the client's address
	Held     []byte         `json:"held,omitempty"`   // the beginning of a query, which has arrived
	Unsent   []byte         `json:"unsent,omitempty"` // replies that the client has not made room for
}

// Leave makes Run end without a loss when another process accepts at the same listeners: connections that
// wait to be accepted are left to it, and those that are open are for Left. It is to be called before the
// context of Run ends.
func (s *Server) Leave() { s.leaving.Store(true) }

// Left is the connections that were open when Run ended after Leave. The caller owns their descriptors.
func (s *Server) Left() []Conn {
	s.leftMu.Lock()
	defer s.leftMu.Unlock()
	left := s.left
	s.left = nil
	return left
}

// Adopt serves the connections of another process. Their descriptors belong to the server then. It is safe
// for concurrent use.
func (s *Server) Adopt(conns []Conn) {
	for i, c := range conns {
		s.loops[i%len(s.loops)].inbox.put(c)
	}
	for _, l := range s.loops {
		l.inbox.mu.Lock()
		if !l.inbox.closed {
			l.poller.wake()
		}
		l.inbox.mu.Unlock()
	}
}

// inbox is connections for a loop that it has not accepted itself.
type inbox struct {
	mu     sync.Mutex
	conns  []Conn
	closed bool // the loop takes no more
}

func (b *inbox) put(c Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		closeFD(c.FD)
		return
	}
	b.conns = append(b.conns, c)
}

func (b *inbox) take(last bool) []Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	conns := b.conns
	b.conns, b.closed = nil, b.closed || last
	return conns
}

// adopt takes over the connections that wait in the inbox. There will be no more if it is the last time.
func (l *loop) adopt(last bool) {
	for _, from := range l.inbox.take(last) {
		l.now = time.Now()
		listener := l.listeners[0] // of an address that is served no more: any responder gives the answers
		if i := slices.IndexFunc(l.listeners, func(at *loopListener) bool { return at.Addr == from.Listener }); i >= 0 {
			listener = l.listeners[i]
		}
		c := l.enter(listener, from.FD, from.Client)
		if len(from.Held) > 0 {
			c.frames.hold(from.Held)
		}
		if len(from.Unsent) > 0 {
			c.unsent = append(l.buffers.get(), from.Unsent...)
			l.settle(c, false)
			continue
		}
		l.answer(c, nil) // what is held may be whole, and what has arrived since is reported by the poller
	}
}

// leave stops accepting and gives up the connections. One that has to end anyway, once its replies are sent,
// stays.
func (l *loop) leave() {
	for _, listener := range l.listeners {
		if listener.paused.IsZero() {
			l.poller.remove(listener.fd)
		}
	}
	var left []Conn
	for _, c := range l.conns {
		if !c.open() || c.finished {
			continue
		}
		fd, err := unix.FcntlInt(uintptr(c.fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			continue // it is served here, for as long as this process still does
		}
		left = append(left, Conn{
			FD: fd, Listener: c.listener.Addr, Client: c.addr,
			Held: slices.Clone(c.frames.held[c.frames.start:]), Unsent: slices.Clone(c.unsent[c.sent:]),
		})
		// Closing one descriptor of two leaves the connection open. The poller would still report it.
		l.poller.remove(c.fd)
		l.buffers.put(c.unsent)
		c.unsent, c.sent = nil, 0
		l.end(c, meter.EndHandover)
	}
	l.server.leftMu.Lock()
	defer l.server.leftMu.Unlock()
	l.server.left = append(l.server.left, left...)
}
