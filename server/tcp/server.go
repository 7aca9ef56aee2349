// Package tcp answers DNS queries over TCP (RFC 7766, RFC 9210).
//
// Each worker has an event loop that serves many connections from one goroutine (loop.go). It
// accepts connections (accept.go) within the limits (table.go), cuts the streams into queries
// (frame.go), answers these in order, and joins the replies to queries that came together
// (conn.go). It waits with epoll (poller.go), in the way that package wait describes.
//
// A slow or hostile client does not affect the others: no call of a loop waits for one connection,
// and the memory and the time of each connection are bounded. When the limit on connections is
// reached, a new one replaces the one that has been idle longest.
package tcp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gslb/server/meter"
	"gslb/server/respond"
	"gslb/server/wait"
)

// Limits bounds what clients can use up.
type Limits struct {
	Conns     int // open connections in all; the descriptors of 16 more for each loop may wait to be closed
	PerClient int // of these, from one IPv4 address or one IPv6 /64

	Idle  time.Duration // how long a connection may wait for its next query
	Read  time.Duration // how long a query may take from its first byte to its last
	Write time.Duration // how long a client may take to accept the replies to queries that came together
	Total time.Duration // how long a connection may last in all
	Drain time.Duration // how long Run may go on answering after its context has ended
}

// Listener is a listening socket and what answers the queries that come in there. The responders
// of one belong to different loops.
type Listener struct {
	*net.TCPListener
	Addr         netip.AddrPort
	NewResponder func() *respond.Responder
}

// Options is what a [Server] is made from.
type Options struct {
	Listeners []*Listener
	Loops     int
	Limits    Limits
	Logger    *slog.Logger
	Metrics   *meter.Metrics
}

// Server answers at some listening sockets.
type Server struct {
	Options
	conns *table
	loops []*loop

	held atomic.Int64 // descriptors of connections, of those too that have to go and are not closed yet
	most atomic.Int64 // that there may be

	leaving atomic.Bool // another process serves on: see Leave
	leftMu  sync.Mutex
	left    []Conn
}

// New makes a server and opens every descriptor that it needs besides those of connections. If it
// fails, the listeners are still open.
func New(o Options) (*Server, error) {
	s := &Server{Options: o, conns: newTable(o.Limits.Conns, o.Limits.PerClient)}
	accepting := new(sync.WaitGroup)
	for range o.Loops {
		l, err := newLoop(s, accepting)
		if err != nil {
			return nil, errors.Join(err, s.closeLoops())
		}
		s.loops = append(s.loops, l)
	}
	s.Limit(o.Limits.Conns)
	return s, nil
}

// Close closes a server that never runs, and its listeners.
func (s *Server) Close() error { return errors.Join(s.closeLoops(), s.closeListeners()) }

func (s *Server) closeLoops() error {
	var errs []error
	for _, l := range s.loops {
		errs = append(errs, l.close())
	}
	return errors.Join(errs...)
}

func (s *Server) closeListeners() error {
	var errs []error
	for _, listener := range s.Listeners {
		errs = append(errs, listener.Close())
	}
	return errors.Join(errs...)
}

// Limit replaces Limits.Conns. It is safe for concurrent use.
func (s *Server) Limit(conns int) {
	s.most.Store(int64(conns + acceptAtOnce*len(s.loops)))
	s.conns.resize(conns)
}

// crowded reports whether the limit on descriptors is reached. An evicted connection is closed by
// its own loop, and other loops must not accept faster than that.
func (s *Server) crowded() bool { return s.held.Load() >= s.most.Load() }

// Run answers until ctx ends, then every query that has arrived whole, and closes all. After Leave it ends
// in another way.
func (s *Server) Run(ctx context.Context) {
	settle := wait.OnEnd(ctx, func() {
		for _, l := range s.loops {
			l.stop.Store(true)
			l.poller.wake()
		}
	})
	accepting := s.loops[0].accepting
	accepting.Add(len(s.loops))
	var running sync.WaitGroup
	for _, l := range s.loops {
		running.Go(l.run)
	}
	accepting.Wait()
	_ = s.closeListeners()
	running.Wait()
	settle()
	_ = s.closeLoops()
}

// opened enters a new connection in the table, and counts it.
func (s *Server) opened(e *entry) {
	s.held.Add(1)
	s.Metrics.Opened(s.conns.add(e))
}

// closed takes a connection that is about to be closed out of the table, and counts its end.
func (s *Server) closed(e *entry, why meter.End) {
	if evicted := !s.conns.remove(e); evicted {
		why = meter.EndEvicted
	}
	s.Metrics.Closed(why)
}

// acceptFailed logs that no connection could be accepted.
func (s *Server) acceptFailed(err error) {
	s.Metrics.Complain(s.Logger, "accepting a TCP connection failed; it is tried again", err)
}
