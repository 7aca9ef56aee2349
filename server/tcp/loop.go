package tcp

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"gslb/server/meter"
)

// loop serves many TCP connections from one goroutine: it waits until something arrives at
// any of them, answers what has arrived whole, and sends the replies of each connection in
// one write. What belongs to a loop is used by its goroutine alone; loops share the listening
// sockets and the table of connections.
//
// A connection or a query needs no allocation once as many have been served at the same time
// before. An idle connection has no buffer.
type loop struct {
	server    *Server
	poller    *poller
	listeners []*loopListener
	accepting *sync.WaitGroup // loops that still accept
	stop      atomic.Bool     // set before the poller is woken
	inbox     inbox           // filled before the poller is woken

	conns []*conn // by slot
	free  []*conn // unused ones
	now   time.Time

	// Where a connection waits. It is in one of the first three, and in total.
	idle, reading, writing, total waitQueue

	in      []byte // what has just arrived
	out     []byte // the replies to it
	buffers bufferPool
}

const (
	// receiveSize is how much is read of a connection before others get their turn.
	receiveSize = 4 << 10
	// quietWait is how long a loop waits when nothing is due.
	quietWait = time.Hour
)

// newLoop makes a loop that accepts at all listeners.
func newLoop(s *Server, accepting *sync.WaitGroup) (*loop, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	l := &loop{
		server:    s,
		poller:    p,
		accepting: accepting,
		now:       time.Now(),
		idle:      waitQueue{limit: s.Limits.Idle, why: meter.EndIdle},
		reading:   waitQueue{limit: s.Limits.Read, why: meter.EndRead},
		writing:   waitQueue{limit: s.Limits.Write, why: meter.EndWrite},
		total:     waitQueue{limit: s.Limits.Total, why: meter.EndTotal},
		in:        make([]byte, receiveSize),
	}
	for _, listener := range s.Listeners {
		if err := l.listen(listener); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	return l, nil
}

func (l *loop) listen(listener *Listener) error {
	raw, err := listener.SyscallConn()
	if err != nil {
		return fmt.Errorf("server: TCP socket of %s: %w", listener.Addr, err)
	}
	added := &loopListener{
		Listener:  listener,
		responder: listener.NewResponder(),
		token:     token{slot: int32(listenerSlot - len(l.listeners))},
	}
	// The descriptor stays valid: the listener is closed when no loop accepts any more.
	if err := raw.Control(func(fd uintptr) { added.fd = int(fd) }); err != nil {
		return fmt.Errorf("server: TCP socket of %s: %w", listener.Addr, err)
	}
	l.listeners = append(l.listeners, added)
	if errno := l.watch(added); errno != 0 {
		return fmt.Errorf("server: watch the TCP socket of %s: %w", listener.Addr, errno)
	}
	return nil
}

// close closes a loop that does not run.
func (l *loop) close() error { return l.poller.close() }

// run serves until the loop is told to stop.
func (l *loop) run() {
	for !l.stop.Load() {
		l.handle(l.poller.wait(l.nextDue()))
		l.expire()
	}
	l.drain()
}

// handle deals with what has happened.
func (l *loop) handle(events []unix.EpollEvent) {
	l.now = l.poller.now
	for _, event := range events {
		switch slot := event.Fd; {
		case slot >= 0:
			// The slot's connection may have been closed, and another put there, since.
			if c := l.conns[slot]; c.generation == event.Pad {
				l.serve(c)
			}
		case slot == wakeSlot:
			l.poller.woken()
			l.adopt(false)
		default:
			l.accept(l.listeners[listenerSlot-slot])
		}
	}
}

// nextDue is when the loop must look at its queues next.
func (l *loop) nextDue() time.Time {
	by := l.now.Add(quietWait)
	for _, q := range [...]*waitQueue{&l.idle, &l.reading, &l.writing, &l.total} {
		if q.first != nil {
			by = earlier(by, q.first.by)
		}
	}
	for _, listener := range l.listeners {
		if !listener.paused.IsZero() {
			by = earlier(by, listener.paused)
		}
	}
	return by
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// expire ends the connections whose time is over, and resumes accepting after a pause.
func (l *loop) expire() {
	for _, q := range [...]*waitQueue{&l.idle, &l.reading, &l.writing} {
		for c := q.due(l.now); c != nil; c = q.due(l.now) {
			l.end(c, q.why)
		}
	}
	for c := l.total.due(l.now); c != nil; c = l.total.due(l.now) {
		l.finish(c)
	}
	for _, listener := range l.listeners {
		if !listener.paused.IsZero() && !listener.paused.After(l.now) {
			l.resumeAccepting(listener)
		}
	}
}

// drain answers what has been received, for Limits.Drain at most, and closes all.
func (l *loop) drain() {
	l.now = time.Now()
	by := l.now.Add(l.server.Limits.Drain)
	l.adopt(true)
	if l.server.leaving.Load() {
		l.leave()
	} else {
		for _, listener := range l.listeners {
			l.acceptBacklog(listener, by)
		}
	}
	l.accepting.Done()
	for len(l.free) < len(l.conns) && l.now.Before(by) {
		if !l.serveAll() && len(l.free) < len(l.conns) {
			l.handle(l.poller.wait(by)) // until a client reads
		}
		l.now = time.Now()
	}
	for _, c := range l.conns {
		if c.open() {
			l.end(c, meter.EndShutdown)
		}
	}
}

// serveAll serves each connection once, and ends those that have sent nothing more. It returns
// false if all others wait for their clients to read.
func (l *loop) serveAll() (busy bool) {
	for _, c := range l.conns {
		switch {
		case !c.open():
		case c.stuck():
			l.sendRest(c)
			busy = busy || !c.stuck()
		case l.receive(c):
			busy = true
		default:
			l.end(c, meter.EndShutdown)
		}
	}
	return busy
}
