package server

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// loopConn is one client's connection in a loop. It ends when the client closes it, lets a
// limit pass, or sends what is not a query; over TCP such a peer has lost the thread. A
// client that has closed its own direction still gets all its replies.
type loopConn struct {
	tableEntry
	fd         int // -1: the slot is free
	slot       int32
	generation int32 // of the slot: what came before has another
	listener   *loopListener
	addr       netip.AddrPort // the client's

	frames   frames
	unsent   []byte // replies that the client has not made room for; nothing is read until it has
	sent     int    // so many bytes of unsent have left since
	finished bool   // nothing more is read; it ends once all is sent
	why      end    // what it ends of then
	events   uint32 // what the poller reports of it

	wait, life waiting
}

func (c *loopConn) open() bool { return c.fd >= 0 }

// stuck reports whether replies wait for the client to read.
func (c *loopConn) stuck() bool { return c.unsent != nil }

func (c *loopConn) token() token { return token{c.slot, c.generation} }

// evict implements [evictable]. The loop, which may be another, sees the end of the stream.
// The descriptor is still this connection's: it is taken out of the table before it is closed.
func (c *loopConn) evict() { _ = unix.Shutdown(c.fd, unix.SHUT_RDWR) }

// keptReplies is the size of the largest buffer for replies that a loop keeps: large ones are
// rare, and must not stay for ever.
const keptReplies = 4 * burstSize

// admit takes in a connection, at the cost of the idlest one where a limit is reached.
func (l *loop) admit(listener *loopListener, fd int, addr netip.AddrPort) {
	c := l.newConn()
	c.fd, c.listener, c.addr = fd, listener, addr
	c.client = clientKey(addr.Addr())
	c.active.Store(l.now.UnixNano())
	l.server.opened(&c.tableEntry)
	l.total.push(&c.life, l.now)
	// Most clients send their query at once: where there is much to do, it has arrived already.
	if !l.receive(c) {
		l.settle(c, false)
	}
}

// newConn returns a connection without a descriptor, in a slot of its own.
func (l *loop) newConn() *loopConn {
	if last := len(l.free) - 1; last >= 0 {
		c := l.free[last]
		l.free = l.free[:last]
		return c
	}
	c := &loopConn{fd: -1, slot: int32(len(l.conns))}
	c.conn, c.wait.conn, c.life.conn = c, c, c
	c.frames.buffers = &l.buffers
	l.conns = append(l.conns, c)
	return c
}

// end closes a connection.
func (l *loop) end(c *loopConn, why end) {
	if c.stuck() {
		c.listener.responder.meter.drop(dropSend)
	}
	l.server.closed(&c.tableEntry, why)
	closeFD(c.fd)
	c.wait.leave()
	c.life.leave()
	c.frames.release()
	l.buffers.put(c.unsent)
	c.fd, c.unsent, c.sent, c.finished, c.events = -1, nil, 0, false, 0
	c.generation++
	l.free = append(l.free, c)
}

// serve deals with a connection at which something has happened.
func (l *loop) serve(c *loopConn) {
	if c.stuck() {
		l.sendRest(c)
	} else {
		l.receive(c)
	}
}

// receive reads once, and answers. It returns false if nothing had arrived.
func (l *loop) receive(c *loopConn) bool {
	n, errno := receive(c.fd, l.in)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return false
	case errno != 0 || n == 0:
		// All that came before the end has been answered, and sent.
		l.end(c, endClient)
	default:
		l.answer(c, l.in[:n])
	}
	return true
}

// answer answers every query that has arrived whole with data, which is overwritten
// afterwards, and joins the replies.
func (l *loop) answer(c *loopConn, data []byte) {
	l.out = l.out[:0]
	answered := false
	for !c.stuck() {
		msg, rest, err := c.frames.next(data)
		if msg == nil && err == nil {
			data = nil
			break
		}
		var reply []byte
		if err == nil {
			reply = c.listener.responder.respond(msg, c.addr)
		}
		if reply == nil {
			c.finished, c.why = true, endMalformed
			c.frames.release()
			data = nil
			break
		}
		l.out = appendFrame(l.out, reply)
		data, answered = rest, true
		if len(l.out) >= burstSize && !l.send(c) {
			return
		}
	}
	if len(l.out) > 0 && !l.send(c) {
		return
	}
	c.frames.hold(data)
	l.settle(c, answered)
}

// send sends the replies that have been joined, and keeps what the client has no room for.
// It returns false if the connection is lost.
func (l *loop) send(c *loopConn) bool {
	n, errno := send(c.fd, l.out)
	if errno != 0 && errno != unix.EAGAIN {
		c.listener.responder.meter.drop(dropSend)
		l.end(c, endClient)
		return false
	}
	if n < len(l.out) {
		c.unsent = append(l.buffers.get(), l.out[n:]...)
	}
	l.out = l.out[:0]
	if cap(l.out) > keptReplies {
		l.out = nil
	}
	return true
}

// sendRest goes on sending, and once all is sent, answering.
func (l *loop) sendRest(c *loopConn) {
	n, errno := send(c.fd, c.unsent[c.sent:])
	switch c.sent += n; {
	case errno == unix.EAGAIN:
		return
	case errno != 0:
		l.end(c, endClient)
		return
	case c.sent < len(c.unsent):
		return
	}
	l.buffers.put(c.unsent)
	c.unsent, c.sent = nil, 0
	l.answer(c, nil)
}

// settle decides what a connection waits for now, and for how long.
func (l *loop) settle(c *loopConn, answered bool) {
	if answered {
		c.active.Store(l.now.UnixNano())
	}
	if c.frames.empty() {
		c.frames.release()
	}
	switch {
	case c.stuck():
		l.writing.push(&c.wait, l.now)
		l.await(c, unix.EPOLLOUT)
		return
	case c.finished:
		l.end(c, c.why)
		return
	case c.frames.empty():
		l.idle.push(&c.wait, l.now)
	case answered || c.wait.queue != &l.reading:
		l.reading.push(&c.wait, l.now)
	}
	l.await(c, unix.EPOLLIN)
}

// await makes an event of what a connection waits for.
func (l *loop) await(c *loopConn, events uint32) {
	if c.events == events {
		return
	}
	change := l.poller.change
	if c.events == 0 {
		change = l.poller.add
	}
	c.events = events
	if errno := change(c.fd, events, c.token()); errno != 0 {
		l.server.metrics.complain(l.server.logger, "a TCP connection cannot be watched; it is closed", errno)
		l.end(c, endClient)
	}
}

// finish ends a connection that has lasted for TCPTotal, once what it has sent is answered.
func (l *loop) finish(c *loopConn) {
	c.life.leave()
	c.finished, c.why = true, endTotal
	if !c.stuck() && !l.receive(c) {
		l.end(c, endTotal)
	}
}
