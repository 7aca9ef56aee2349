package server

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// runGoroutines is run with a goroutine for each connection; their number is bounded by the
// table of connections.
func (t *tcpServer) runGoroutines(ctx context.Context) {
	var accepting sync.WaitGroup
	for _, l := range t.listeners {
		accepting.Go(func() { t.accept(ctx, l) })
	}
	accepting.Wait()
	by := time.Now().Add(t.limits.Drain)
	t.conns.each(func(e *tableEntry) { e.conn.(*tcpConn).drain(by) })
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
			t.acceptFailed(err)
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
// reached.
func (t *tcpServer) admit(nc net.Conn, l *tcpListener) {
	c := newTCPConn(nc, t.limits, l.responders)
	t.opened(&c.tableEntry)
	t.serving.Go(func() {
		c.serve()
		t.closed(&c.tableEntry, c.why)
		_ = c.Close()
	})
}

// setAcceptDeadline does nothing to a listener that knows no deadlines.
func setAcceptDeadline(l net.Listener, at time.Time) {
	if d, ok := l.(interface{ SetDeadline(time.Time) error }); ok {
		_ = d.SetDeadline(at)
	}
}
