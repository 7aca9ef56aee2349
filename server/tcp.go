package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// tcpServer answers over TCP (RFC 7766, RFC 9210). Each connection has a goroutine of its
// own, which answers one query after the other in the order they came; their number is
// bounded by the table of connections.
type tcpServer struct {
	limits    Limits
	logger    *slog.Logger
	metrics   *metrics
	listeners []*tcpListener
	conns     *connTable
	serving   sync.WaitGroup // the connections' goroutines
}

// tcpListener is one listening socket, and the responders that its connections share: a
// connection holds one only while it answers, so that an idle one costs little memory.
type tcpListener struct {
	net.Listener
	addr       netip.AddrPort
	responders *sync.Pool
}

func newTCPServer(limits Limits, logger *slog.Logger, m *metrics) *tcpServer {
	return &tcpServer{
		limits:  limits,
		logger:  logger,
		metrics: m,
		conns:   newConnTable(limits.TCPConns, limits.TCPPerClient),
	}
}

// run answers until ctx ends, then every query that has arrived whole, and closes all.
func (t *tcpServer) run(ctx context.Context) {
	var accepting sync.WaitGroup
	for _, l := range t.listeners {
		accepting.Go(func() { t.accept(ctx, l) })
	}
	accepting.Wait()
	t.conns.drain(time.Now().Add(t.limits.Drain))
	t.serving.Wait()
}

// accept takes in connections until ctx ends, then those that the kernel has accepted
// already, and closes the listener. Nothing else ends it: while the process has no file
// descriptor left, say, it waits.
func (t *tcpServer) accept(ctx context.Context, l *tcpListener) {
	settle := onEnd(ctx, func() { setAcceptDeadline(l.Listener, past()) })
	var pause backoff
	for ctx.Err() == nil {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause.reset()
			t.admit(conn, l)
		case errors.Is(err, os.ErrDeadlineExceeded):
			// Only the end of ctx sets a deadline.
		default:
			t.metrics.complain(t.logger, "accepting a TCP connection failed; it is tried again", err)
			pause.wait(ctx)
		}
	}
	settle()
	t.acceptBacklog(l)
	_ = l.Close()
}

// acceptBacklog admits the connections that were made before the server began to stop.
func (t *tcpServer) acceptBacklog(l *tcpListener) {
	until := time.Now().Add(t.limits.Drain)
	setAcceptDeadline(l.Listener, until)
	socket, ok := l.Listener.(*net.TCPListener)
	for ok && received(socket) && time.Now().Before(until) {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		t.admit(conn, l)
	}
}

// admit gives a connection its goroutine, at the cost of the idlest one where a limit is
// reached: a server may close what is idle to serve what is new (RFC 7766, section 6.2.3),
// and who only holds connections open must not keep others out.
func (t *tcpServer) admit(nc net.Conn, l *tcpListener) {
	c := newTCPConn(nc, t.limits, l.responders)
	if evicted, limit := t.conns.add(c); evicted != nil {
		t.metrics.evictions.WithLabelValues(limit).Inc()
		_ = evicted.Close()
	}
	t.metrics.tcpConns.Inc()
	t.serving.Go(func() {
		defer t.metrics.tcpConns.Dec()
		defer t.conns.remove(c)
		defer c.Close()
		c.serve()
	})
}

// setAcceptDeadline does nothing to a listener that knows no deadlines.
func setAcceptDeadline(l net.Listener, at time.Time) {
	if d, ok := l.(interface{ SetDeadline(time.Time) error }); ok {
		_ = d.SetDeadline(at)
	}
}
