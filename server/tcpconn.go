package server

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// tcpConn is one client's connection that has a goroutine of its own. It ends when the client
// closes it, lets a limit pass, or sends what is not a query; over TCP such a peer has lost
// the thread. A client that has closed its own direction still gets all its replies.
type tcpConn struct {
	net.Conn
	tableEntry
	limits     Limits
	responders *sync.Pool
	addr       netip.AddrPort // the client's

	frames frames
	began  time.Time // when the present message began to arrive; zero: none has
	ends   time.Time // when TCPTotal is over
	out    []byte
	why    end

	// drainBy, once set, is the moment by which the connection must be done. Deadlines are
	// only set under mu, so that the wake-up of drain is not overwritten.
	mu      sync.Mutex
	drainBy time.Time
}

// readSize holds several queries of the usual size. Every open connection has a buffer of it,
// since a read must have one to wait with.
const readSize = 1 << 10

func newTCPConn(nc net.Conn, limits Limits, responders *sync.Pool) *tcpConn {
	c := &tcpConn{Conn: nc, limits: limits, responders: responders}
	if remote, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.addr = unmap(remote.AddrPort())
	}
	now := time.Now()
	c.ends = now.Add(limits.TCPTotal)
	c.client = clientKey(c.addr.Addr())
	c.conn = c
	c.active.Store(now.UnixNano())
	return c
}

// evict implements [evictable].
func (c *tcpConn) evict() { _ = c.Close() }

// serve answers queries until the connection ends.
func (c *tcpConn) serve() {
	buf := make([]byte, readSize)
	for {
		n, err := c.read(buf)
		if err != nil {
			c.why = c.reason(err)
			return
		}
		if err := c.answer(buf[:n]); err != nil {
			c.why = endWrite
			if errors.Is(err, errNotQuery) {
				c.why = endMalformed
			}
			return
		}
	}
}

// errNotQuery ends a connection on which something else than a query came.
var errNotQuery = errors.New("not a query")

// answer answers every query that has arrived whole with data, and joins the replies.
func (c *tcpConn) answer(data []byte) error {
	responder := c.responders.Get().(*responder)
	defer c.responders.Put(responder)
	c.out = c.out[:0]
	answered := false
	for {
		msg, rest, err := c.frames.next(data)
		if msg == nil && err == nil {
			break
		}
		var reply []byte
		if err == nil {
			reply = responder.respond(msg, c.addr)
		}
		if reply == nil {
			_ = c.send(responder)
			return errNotQuery
		}
		c.out = appendFrame(c.out, reply)
		data, answered = rest, true
		if len(c.out) >= burstSize {
			if err := c.send(responder); err != nil {
				return err
			}
		}
	}
	c.note(answered)
	return c.send(responder)
}

// note keeps the books of time after data has come.
func (c *tcpConn) note(answered bool) {
	now := time.Now()
	if answered {
		c.active.Store(now.UnixNano())
	}
	switch {
	case c.frames.empty():
		c.frames.release()
		c.began = time.Time{}
	case answered || c.began.IsZero():
		c.began = now
	}
}

// send writes the replies that have been joined.
func (c *tcpConn) send(r *responder) error {
	if len(c.out) == 0 {
		return nil
	}
	c.setDeadline(c.SetWriteDeadline, time.Now().Add(c.limits.TCPWrite))
	_, err := c.Write(c.out)
	if err != nil {
		r.meter.drop(dropSend)
	}
	c.out = c.out[:0]
	if cap(c.out) > pooledBufferSize {
		c.out = nil
	}
	return err
}

// read waits for more of what the client sends.
func (c *tcpConn) read(buf []byte) (int, error) {
	for {
		draining := c.setDeadline(c.SetReadDeadline, c.readBy())
		if draining && !c.received() || !time.Now().Before(c.ends) {
			return 0, io.EOF
		}
		n, err := c.Read(buf)
		if n > 0 {
			return n, nil // an error will come again
		}
		if !draining && c.isDraining() && errors.Is(err, os.ErrDeadlineExceeded) {
			continue // woken by drain
		}
		return 0, err
	}
}

// readBy is the deadline of the next read: TCPIdle from now while no message is under way,
// and TCPRead from its first byte while one is, however it trickles in.
func (c *tcpConn) readBy() time.Time {
	by := time.Now().Add(c.limits.TCPIdle)
	if !c.began.IsZero() {
		by = c.began.Add(c.limits.TCPRead)
	}
	return earlier(by, c.ends)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (c *tcpConn) setDeadline(set func(time.Time) error, at time.Time) (draining bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	draining = !c.drainBy.IsZero()
	if draining {
		at = earlier(at, c.drainBy)
	}
	_ = set(at) // a connection that takes no deadline fails the read or write that follows
	return draining
}

// drain makes the connection answer what it has received, until by, and end.
func (c *tcpConn) drain(by time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drainBy = by
	_ = c.SetReadDeadline(past())
	_ = c.SetWriteDeadline(by)
}

func (c *tcpConn) isDraining() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.drainBy.IsZero()
}

// received reports whether the kernel holds more of what the client sent.
func (c *tcpConn) received() bool {
	conn, ok := c.Conn.(syscall.Conn)
	return ok && received(conn)
}

// reason says why a read was the last.
func (c *tcpConn) reason(err error) end {
	switch {
	case c.isDraining():
		return endShutdown
	case !time.Now().Before(c.ends):
		return endTotal
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return endClient
	case c.began.IsZero():
		return endIdle
	}
	return endRead
}
