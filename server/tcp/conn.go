package tcp

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"gslb/server/meter"
	"gslb/server/respond"
	"gslb/server/tap"
)

// conn is one client's connection in a loop. It ends when the client closes it, exceeds a time
// limit, or sends something other than a query, after which message boundaries are not reliable. A
// client that has closed its own direction still gets all its replies.
type conn struct {
	entry
	fd         int // -1: the slot is free
	slot       int32
	generation int32 // of the slot: what came before has another
	listener   *loopListener
	addr       netip.AddrPort // the client's
	asked      netip.Addr     // that the client has connected to, where the query log has needed it

	frames   frames
	unsent   []byte    // replies that the client has not made room for; nothing is read until it has
	sent     int       // bytes of unsent that have been sent since
	finished bool      // nothing more is read; it ends once all is sent
	why      meter.End // the reason of its end
	events   uint32    // what the poller reports of it

	wait, life waiting
}

func (c *conn) open() bool { return c.fd >= 0 }

// stuck reports whether replies wait for the client to read.
func (c *conn) stuck() bool { return c.unsent != nil }

func (c *conn) token() token { return token{c.slot, c.generation} }

// evict implements [evictable]. The loop, which may be another, sees the end of the stream.
// The descriptor is still this connection's: it is taken out of the table before it is closed.
func (c *conn) evict() { _ = unix.Shutdown(c.fd, unix.SHUT_RDWR) }

// burstSize is the size, in bytes, from which joined replies are sent. Together with the largest
// reply, it bounds what waits for a client to read.
const burstSize = 16 << 10

// keptReplies is the size of the largest buffer for replies that a loop keeps. Larger ones are
// rare, and are given back.
const keptReplies = 4 * burstSize

// admit adds a connection. If a limit is reached, the connection that has been idle longest is
// evicted.
func (l *loop) admit(listener *loopListener, fd int, addr netip.AddrPort) {
	c := l.enter(listener, fd, addr)
	// Most clients send their query at once. On a busy server it has arrived already.
	if !l.receive(c) {
		l.settle(c, false)
	}
}

// enter makes a connection of a descriptor.
func (l *loop) enter(listener *loopListener, fd int, addr netip.AddrPort) *conn {
	c := l.newConn()
	c.fd, c.listener, c.addr = fd, listener, addr
	c.client = clientKey(addr.Addr())
	c.active.Store(l.now.UnixNano())
	l.server.opened(&c.entry)
	l.total.push(&c.life, l.now)
	return c
}

// newConn returns a connection without a descriptor, in a slot of its own.
func (l *loop) newConn() *conn {
	if last := len(l.free) - 1; last >= 0 {
		c := l.free[last]
		l.free = l.free[:last]
		return c
	}
	c := &conn{fd: -1, slot: int32(len(l.conns))}
	c.conn, c.wait.conn, c.life.conn = c, c, c
	c.frames.buffers = &l.buffers
	l.conns = append(l.conns, c)
	return c
}

// end closes a connection.
func (l *loop) end(c *conn, why meter.End) {
	if c.stuck() {
		c.listener.responder.Dropped(meter.DropSend)
	}
	l.server.closed(&c.entry, why)
	closeFD(c.fd)
	l.server.held.Add(-1)
	c.wait.leave()
	c.life.leave()
	c.frames.release()
	l.buffers.put(c.unsent)
	c.fd, c.unsent, c.sent, c.finished, c.events = -1, nil, 0, false, 0
	c.asked = netip.Addr{}
	c.generation++
	l.free = append(l.free, c)
}

// serve handles an event of a connection.
func (l *loop) serve(c *conn) {
	if c.stuck() {
		l.sendRest(c)
	} else {
		l.receive(c)
	}
}

// receive reads once, and answers. It returns false if nothing had arrived.
func (l *loop) receive(c *conn) bool {
	n, errno := receive(c.fd, l.in)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return false
	case errno != 0 || n == 0:
		// All that came before the end has been answered, and sent.
		l.end(c, meter.EndClient)
	default:
		l.answer(c, l.in[:n])
	}
	return true
}

// answer answers every query that has arrived whole with data, which is overwritten
// afterwards, and joins the replies.
func (l *loop) answer(c *conn, data []byte) {
	l.out = l.out[:0]
	answered := false
	for !c.stuck() {
		msg, rest, err := c.frames.next(data)
		if msg == nil && err == nil {
			data = nil
			break
		}
		if err != nil || !respond.IsQuery(msg) {
			c.finished, c.why = true, meter.EndMalformed
			c.frames.release()
			data = nil
			break
		}
		reply := c.listener.responder.Respond(msg, c.addr)
		if reply != nil {
			l.out = appendFrame(l.out, reply)
		}
		if sample := c.listener.responder.Sample(); sample != nil && sample.Next() {
			l.report(c, msg, reply, sample)
		}
		data, answered = rest, true
		if len(l.out) >= burstSize && !l.send(c) {
			return
		}
	}
	if answered { // before the client sees the reply and makes another connection
		c.active.Store(l.now.UnixNano())
	}
	if len(l.out) > 0 && !l.send(c) {
		return
	}
	c.frames.hold(data)
	l.settle(c, answered)
}

// report hands a query and its reply to the query log.
func (l *loop) report(c *conn, query, reply []byte, sample *tap.Sample) {
	if c.listener.Addr.Addr().IsUnspecified() && !c.asked.IsValid() {
		c.asked = localAddr(c.fd, &c.listener.from)
	}
	sample.Take(&tap.Message{
		Query: query, Reply: reply, Zone: c.listener.responder.ZoneName(),
		Client: c.addr, Server: c.asked,
		Asked: l.now, Answered: c.listener.responder.Now(),
	})
}

// send sends the replies that have been joined, and keeps what the client has no room for.
// It returns false if the connection is lost.
func (l *loop) send(c *conn) bool {
	n, errno := send(c.fd, l.out)
	if errno != 0 && errno != unix.EAGAIN {
		c.listener.responder.Dropped(meter.DropSend)
		l.end(c, meter.EndClient)
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

// sendRest continues sending and, when all is sent, answering.
func (l *loop) sendRest(c *conn) {
	n, errno := send(c.fd, c.unsent[c.sent:])
	switch c.sent += n; {
	case errno == unix.EAGAIN:
		return
	case errno != 0:
		l.end(c, meter.EndClient)
		return
	case c.sent < len(c.unsent):
		return
	}
	l.buffers.put(c.unsent)
	c.unsent, c.sent = nil, 0
	l.answer(c, nil)
}

// settle decides what a connection waits for, and for how long.
func (l *loop) settle(c *conn, answered bool) {
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

// await registers what a connection waits for.
func (l *loop) await(c *conn, events uint32) {
	if c.events == events {
		return
	}
	change := l.poller.change
	if c.events == 0 {
		change = l.poller.add
	}
	c.events = events
	if errno := change(c.fd, events, c.token()); errno != 0 {
		l.server.Metrics.Complain(l.server.Logger, "a TCP connection cannot be watched; it is closed", errno)
		l.end(c, meter.EndClient)
	}
}

// finish ends a connection that has lasted for TCPTotal, once what it has sent is answered.
func (l *loop) finish(c *conn) {
	c.life.leave()
	c.finished, c.why = true, meter.EndTotal
	if !c.stuck() && !l.receive(c) {
		l.end(c, meter.EndTotal)
	}
}

// waitQueue holds connections that wait for the same thing, all for the same time at most. The last
// one to join has the latest deadline, so that the queue is always in order.
type waitQueue struct {
	limit       time.Duration
	why         meter.End // the reason of the end when the time is over
	first, last *waiting
}

// waiting is a connection's place in a queue; it is in one at a time.
type waiting struct {
	conn       *conn
	queue      *waitQueue // nil: in none
	by         time.Time
	prev, next *waiting
}

// push puts w at the end of q, and takes it out of where it is.
func (q *waitQueue) push(w *waiting, now time.Time) {
	w.leave()
	w.queue, w.by, w.prev = q, now.Add(q.limit), q.last
	if q.last == nil {
		q.first = w
	} else {
		q.last.next = w
	}
	q.last = w
}

// leave takes w out of its queue.
func (w *waiting) leave() {
	q := w.queue
	if q == nil {
		return
	}
	if w.prev == nil {
		q.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.queue, w.prev, w.next = nil, nil, nil
}

// due is the first connection whose time is over; nil: none.
func (q *waitQueue) due(now time.Time) *conn {
	if q.first == nil || q.first.by.After(now) {
		return nil
	}
	return q.first.conn
}
