package loop

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Call is what conversations with one server have in common, and what is known of the one under way.
type Call struct {
	loop     *Loop
	caller   Caller
	peer     peer
	send     []byte
	receives bool

	// Of the conversation that was begun last; guarded by Loop.mu.
	until time.Time
	asked time.Duration // when it was begun
	turn  uint64        // its number

	// What follows is the loop's goroutine's alone.
	stage    stage
	unwanted bool // it was aborted before it began
	waited   time.Duration
	again    bool // a second attempt to connect was made
	retries  uint8
	pieces   uint8         // received
	sockets  [2]int32      // of both attempts; none: there is no such
	failed   error         // how the first attempt ended, if the second goes on
	kept     []byte        // what was received, if that was not enough
	due      time.Duration // what is to be done next
	deadline time.Duration
	index    int // in Loop.timers
}

type stage uint8

const (
	idle stage = iota
	queued
	connecting
	receiving
)

const none = -1

// maxRetries is how often an attempt is made once more that has failed in a way that means nothing.
const maxRetries = 2

// Call returns a call to an address. send is what is sent once the connection is open; receives says that something
// is to come back.
func (l *Loop) Call(to netip.AddrPort, send []byte, receives bool, caller Caller) *Call {
	return &Call{loop: l, caller: caller, peer: newPeer(to), send: send, receives: receives, sockets: [2]int32{none, none}, index: none}
}

// Waited is how long the conversation waited for others before it began. It is known to its caller, when that is told
// of the end. Later, nothing that comes in time is missed: a deadline counts only after a look at what has come.
func (c *Call) Waited() time.Duration { return c.waited }

// begin makes the first attempt to connect, if epoll could be opened.
func (c *Call) begin(now, deadline time.Duration, err error) {
	c.waited = now - c.asked
	switch {
	case c.unwanted:
		err = context.Canceled
	case err != nil:
		err = c.unopened(err)
	}
	if err != nil {
		c.stage, c.unwanted = idle, false
		c.caller.Unopened(err)
		return
	}
	c.stage, c.again, c.retries, c.pieces, c.failed = connecting, false, 0, 0, nil
	c.loop.active++
	c.deadline = deadline
	c.loop.schedule(c, now+(deadline-now)/3)
	c.attempt(0)
}

// attempt is one try to open a connection.
//
// What has not opened after a third of the time is tried a second time, while the first attempt goes on, so that one
// lost packet does not fail a probe: the kernel repeats a SYN only after a second (RFC 6298, section 2).
//
//	first attempt                   second attempt      what counts
//	ends within a third             is not made         the first, whatever it is
//	is silent for a third           opens before it     the second; the first is ended
//	opens after all                 is silent or fails  the first; the second is ended
//	gets an answer, "refused"       is silent           that answer; the second is ended
//	is silent                       gets an answer      that answer; the first is ended
//	fails in this host, times out   whatever it is      the second, if it opens or gets an answer
//
// If both end alike, the first counts.
func (c *Call) attempt(number int) {
	if err := c.open(number); err != nil {
		c.lose(number, err)
	}
}

func (c *Call) open(number int) error {
	fd, err := c.peer.socket()
	if err != nil {
		return err
	}
	if len(c.send) > 0 {
		withholdAck(fd)
	}
	if err = c.peer.connect(fd); err == nil {
		err = watch(c.loop.epoll, fd)
	}
	if err != nil {
		shut(fd)
		return err
	}
	c.sockets[number] = fd
	c.loop.own(fd, c)
	return nil
}

// lose takes in that an attempt has failed.
func (c *Call) lose(number int, err error) {
	c.drop(number)
	if errors.Is(err, unix.EADDRNOTAVAIL) && c.retries < maxRetries {
		c.retries++ // two connections that wanted the same port at once
		c.attempt(number)
		return
	}
	err = c.unopened(err)
	switch other := c.sockets[1-number]; {
	case c.loop.isAnswer(err), other == none && c.failed == nil:
		c.fail(err)
	case other == none:
		c.fail(c.failed)
	case number == 0:
		c.failed = err
	}
}

// unopened is an error as package net would give it.
func (c *Call) unopened(err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: c.peer.addr(), Err: err}
}

// happened takes in an event of one of the sockets.
func (c *Call) happened(fd int32, events uint32) {
	number := 0
	if c.sockets[1] == fd {
		number = 1
	}
	if c.stage == connecting {
		if events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
			if err := pending(fd); err != nil {
				c.lose(number, err)
				return
			}
		}
		if c.peer.isSelf(fd) && c.retries < maxRetries {
			c.retries++
			c.drop(number)
			c.attempt(number)
			return
		}
		c.drop(1 - number)
		c.loop.schedule(c, c.deadline)
		c.opened(fd, events)
		return
	}
	c.read(fd)
}

// opened sends what is to be sent.
func (c *Call) opened(fd int32, events uint32) {
	c.stage = receiving
	if len(c.send) > 0 {
		n, err := send(fd, c.send)
		if errors.Is(err, syscall.EAGAIN) {
			err = nil
		}
		if err != nil || n < len(c.send) {
			c.leave(fd, Rest{Unsent: c.send[n:], WriteErr: err}, nil)
			return
		}
	}
	switch {
	case !c.receives:
		c.done()
	case events&(unix.EPOLLIN|unix.EPOLLERR|unix.EPOLLHUP) != 0:
		c.read(fd)
	}
}

// read receives until there is enough, or nothing more at this moment: events are of changes.
func (c *Call) read(fd int32) {
	for {
		buffer := c.loop.buffer
		n, err := receive(fd, buffer)
		switch {
		case errors.Is(err, syscall.EAGAIN):
			return
		case err == nil && n == 0:
			err = io.EOF
		}
		if err != nil {
			c.leave(fd, Rest{}, err)
			return
		}
		data := buffer[:n]
		if c.pieces++; c.pieces > 1 {
			c.kept = append(c.kept, data...)
			data = c.kept
		}
		answer := More
		if len(data) <= maxKept {
			answer = c.caller.Received(data)
		}
		if answer == Enough {
			c.done()
			return
		}
		if c.pieces == 1 {
			c.kept = append([]byte(nil), data...)
		}
		if answer == Odd || len(data) > maxKept || c.pieces == maxReads {
			c.leave(fd, Rest{}, nil)
			return
		}
	}
}

// expire does what is due at a time.
func (c *Call) expire(now time.Duration) {
	switch {
	case now < c.deadline:
		c.loop.schedule(c, c.deadline)
		if !c.again {
			c.again = true
			c.attempt(1)
		}
	case c.stage == connecting && c.failed != nil:
		c.fail(c.failed)
	case c.stage == connecting:
		c.fail(c.unopened(os.ErrDeadlineExceeded))
	default:
		c.leave(c.connected(), Rest{}, os.ErrDeadlineExceeded)
	}
}

// done ends a conversation of which nothing is missing.
func (c *Call) done() {
	c.end()
	c.caller.Done()
}

// fail ends a conversation that did not begin.
func (c *Call) fail(err error) {
	c.end()
	c.caller.Unopened(err)
}

// abort ends a conversation that nobody wants any more.
func (c *Call) abort() {
	switch c.stage {
	case idle: // it has ended by itself
	case queued:
		c.unwanted = true
	default:
		c.fail(context.Canceled)
	}
}

// leave hands a conversation over. What is read of it ends in an error if one is given.
func (c *Call) leave(fd int32, rest Rest, err error) {
	conn := &replay{peer: c.peer.addr(), received: c.kept, err: err}
	if err == nil {
		unwatch(c.loop.epoll, fd)
		c.loop.disown(fd)
		c.forget(fd)
		if conn.Conn, err = asConn(fd); err != nil {
			conn.err = err
		}
	}
	rest.Conn = conn
	c.end()
	c.caller.Left(rest)
}

// connected is the socket of the attempt that has opened.
func (c *Call) connected() int32 {
	if c.sockets[0] != none {
		return c.sockets[0]
	}
	return c.sockets[1]
}

// end makes the call ready for the next conversation.
func (c *Call) end() {
	c.drop(0)
	c.drop(1)
	c.loop.unschedule(c)
	c.loop.active--
	c.stage, c.kept, c.failed = idle, nil, nil
}

// drop ends an attempt, if it is under way or has opened.
func (c *Call) drop(number int) {
	if fd := c.sockets[number]; fd != none {
		c.sockets[number] = none
		c.loop.disown(fd)
		reset(fd)
	}
}

// forget leaves a socket to others.
func (c *Call) forget(fd int32) {
	for i := range c.sockets {
		if c.sockets[i] == fd {
			c.sockets[i] = none
		}
	}
}
