package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// maxConnections is how many addresses clientAddr has.
const maxConnections = 250

// clientAddr is where a connection comes from. Each has its own address, so that neither
// ports nor what a server grants to one client run out.
func clientAddr(index int) [4]byte { return [4]byte{127, 0, 2, byte(index + 1)} }

// conn is a connection to the server, or the place for one.
type conn struct {
	index    int
	open     bool
	fd       int
	begun    time.Duration // from the beginning of the run
	sent     int
	received int
	since    time.Duration // when the last reply came, or the connection began
	waiting  bool          // for room to send
	buffer   [8 << 10]byte // what has arrived and is no whole message yet
	filled   int           // bytes of buffer
}

// dial begins to connect. On loopback the handshake is done when it returns, as a rule.
func (c *conn) dial(g *tcpGenerator) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	server := g.config.Server
	err = errors.Join(
		// The port is taken when the destination is known, and so from a range of its own.
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: clientAddr(c.index)}),
		unix.EpollCtl(g.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.index)}),
	)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Addr: server.Addr().As4(), Port: int(server.Port())})
		if err == unix.EINPROGRESS {
			err = nil
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("load: connect to %v: %w", server, err), unix.Close(fd))
	}
	c.open, c.fd, c.begun = true, fd, time.Since(g.begun)
	c.sent, c.received, c.filled, c.since, c.waiting = 0, 0, 0, c.begun, false
	g.open++
	g.report.Connections++
	return nil
}

// send sends the queries that the window has room for, in one write. One write for each query would
// take longer than the server takes to answer, so that the load would measure itself.
func (c *conn) send(g *tcpGenerator) error {
	n := min(c.left(g), g.config.Window-(c.sent-c.received))
	if n == 0 {
		return c.awaitRoom(g, false)
	}
	g.out = g.out[:0]
	for i := range n {
		query := g.queries[(g.next+i)%len(g.queries)]
		binary.BigEndian.PutUint16(query[lengthLen:], uint16(c.sent+i))
		g.out = append(g.out, query...)
	}
	written, err := unix.Write(c.fd, g.out)
	if err == unix.EAGAIN {
		return c.awaitRoom(g, true)
	}
	if err == nil && written < len(g.out) {
		err = errors.New("there was room for a part of the queries only")
	}
	if err != nil {
		return fmt.Errorf("load: send to %v: %w", g.config.Server, err)
	}
	c.sent += n
	g.next += n
	g.report.Sent += n
	return c.awaitRoom(g, false)
}

// left is how many queries are still to be sent.
func (c *conn) left(g *tcpGenerator) int {
	switch {
	case g.config.PerConn > 0:
		return g.config.PerConn - c.sent
	case g.ending:
		return 0
	default:
		return g.config.Window
	}
}

// awaitRoom says whether to wait for room to send, which there is always once connected.
func (c *conn) awaitRoom(g *tcpGenerator, wait bool) error {
	if c.waiting == wait {
		return nil
	}
	c.waiting = wait
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.index)}
	if wait {
		event.Events |= unix.EPOLLOUT
	}
	if err := unix.EpollCtl(g.epoll, unix.EPOLL_CTL_MOD, c.fd, &event); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	return nil
}

// lengthLen is the size of what goes before a message, RFC 1035 section 4.2.2.
const lengthLen = 2

// receive takes in what has arrived, and says whether that was all for this connection.
func (c *conn) receive(g *tcpGenerator) (done bool, err error) {
	n, err := unix.Read(c.fd, c.buffer[c.filled:])
	switch {
	case err == unix.EAGAIN:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("load: receive from %v: %w", g.config.Server, err)
	case n == 0:
		return false, fmt.Errorf("load: %v closed a connection after %d replies", g.config.Server, c.received)
	}
	c.filled += n
	before := c.received
	if err := c.takeReplies(&g.report); err != nil {
		return false, fmt.Errorf("load: %v: %w", g.config.Server, err)
	}
	if c.received > before {
		now := time.Since(g.begun)
		g.report.Slowest = max(g.report.Slowest, now-c.since)
		c.since = now
	}
	return c.left(g) == 0 && c.received == c.sent, nil
}

// takeReplies counts the whole messages in the buffer, and leaves the beginning of another
// there.
func (c *conn) takeReplies(report *TCPReport) error {
	rest := c.buffer[:c.filled]
	for len(rest) >= lengthLen {
		length := int(binary.BigEndian.Uint16(rest))
		if length < headerLen || lengthLen+length > len(c.buffer) {
			return fmt.Errorf("a reply has %d bytes, expected from %d to %d", length, headerLen, len(c.buffer)-lengthLen)
		}
		if len(rest) < lengthLen+length {
			break
		}
		if c.received == c.sent {
			return errors.New("a reply answers nothing that was asked")
		}
		report.Rcodes[rcode(rest[lengthLen:])]++
		report.ReplyBytes += length
		report.Answered++
		c.received++
		rest = rest[lengthLen+length:]
	}
	c.filled = copy(c.buffer[:], rest)
	return nil
}

func (c *conn) close(g *tcpGenerator) error {
	c.open = false
	g.open--
	if err := unix.Close(c.fd); err != nil { // epoll forgets it
		return fmt.Errorf("load: %w", err)
	}
	return nil
}
