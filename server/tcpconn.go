package server

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// tcpConn is one client's connection. It ends when the client closes it, lets a limit pass,
// or sends what is not a query; over TCP such a peer has lost the thread.
type tcpConn struct {
	net.Conn
	limits     Limits
	responders *sync.Pool
	addr       netip.AddrPort // the client's
	client     netip.Prefix   // as the table of connections counts it

	active atomic.Int64 // when it last sent a query, or connected, in ns since 1970
	frames frames
	began  time.Time // when the present message began to arrive; zero: none has
	out    []byte

	// drainBy, once set, is the moment by which the connection must be done. Deadlines are
	// only set under mu, so that the wake-up of drain is not overwritten.
	mu      sync.Mutex
	drainBy time.Time
}

func newTCPConn(nc net.Conn, limits Limits, responders *sync.Pool) *tcpConn {
	c := &tcpConn{Conn: nc, limits: limits, responders: responders}
	if remote, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.addr = unmap(remote.AddrPort())
	}
	c.client = clientKey(c.addr.Addr())
	c.active.Store(time.Now().UnixNano())
	return c
}

// serve answers queries until the connection ends.
func (c *tcpConn) serve() {
	for {
		msg, err := c.next()
		if err != nil {
			return
		}
		c.active.Store(time.Now().UnixNano())
		if !c.answer(msg) {
			return
		}
	}
}

// answer reports whether msg was answered.
func (c *tcpConn) answer(msg []byte) bool {
	responder := c.responders.Get().(*responder)
	defer c.responders.Put(responder)
	out := responder.respond(msg, c.addr)
	if out == nil {
		return false
	}
	c.out = appendFrame(c.out[:0], out)
	c.setDeadline(c.SetWriteDeadline, c.limits.TCPWrite)
	if _, err := c.Write(c.out); err != nil {
		responder.meter.drop(dropSend)
		return false
	}
	return true
}

// next waits for the next message.
func (c *tcpConn) next() ([]byte, error) {
	for {
		msg, ok, err := c.frames.take()
		if err != nil {
			return nil, err
		}
		if ok {
			c.began = time.Time{}
			return msg, nil
		}
		draining := c.armRead()
		if draining && !c.received() {
			return nil, io.EOF
		}
		if err := c.frames.fill(c.Conn); err != nil {
			if !draining && c.isDraining() && errors.Is(err, os.ErrDeadlineExceeded) {
				continue // woken by drain
			}
			return nil, err
		}
	}
}

// armRead sets the deadline of the next read: TCPIdle from now while no message is under
// way, and TCPRead from its first byte while one is, however it trickles in.
func (c *tcpConn) armRead() (draining bool) {
	if !c.frames.partial() {
		return c.setDeadline(c.SetReadDeadline, c.limits.TCPIdle)
	}
	if c.began.IsZero() {
		c.began = time.Now()
	}
	return c.setDeadline(c.SetReadDeadline, time.Until(c.began.Add(c.limits.TCPRead)))
}

func (c *tcpConn) setDeadline(set func(time.Time) error, after time.Duration) (draining bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := time.Now().Add(after)
	draining = !c.drainBy.IsZero()
	if draining && c.drainBy.Before(at) {
		at = c.drainBy
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
