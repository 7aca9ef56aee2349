// Package handover is how one gslb hands what it serves to the next one on the same machine: an upgrade
// without a lost query.
//
//	next                                      old
//	Hello: who I am                    ─►
//	                                   ◄─     Sockets: descriptors of all that listens
//	reads its configuration, and
//	says that it can begin: Prepared   ─►
//	                                          saves its state, and lets go of the directory
//	                                   ◄─     Yours
//	takes the directory, probes,
//	publishes, reads the sockets:
//	Serving                            ─►
//	                                          stops reading
//	                                   ◄─     Conns: open TCP connections
//	                                   ◄─     Done
//	takes requests for an upgrade, and
//	ends the conversation
//	                                          ends
//
// Both have descriptors of the same sockets, so that no socket is ever closed: what one of them has not read
// is read by the other. Until Serving the old one answers as ever, and either may give up by Refused. If the
// connection ends without that, the other process is dead: the old one goes on, and so does the next one as soon
// as it has the sockets. A lock on the directory keeps the two from writing at the same time, whatever either
// believes.
//
// Over the same socket somebody may ask the old one to start the next one itself: Start, which is answered by
// Done or Refused when it is over.
package handover

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gslb/server"
)

// Protocol is the version of what is described above. Two processes that have different ones refuse.
const Protocol = 1

// Kind is what a message says.
type Kind string

// The kinds of messages.
const (
	Hello    Kind = "hello"
	Sockets  Kind = "sockets"
	Prepared Kind = "prepared"
	Yours    Kind = "yours"
	Serving  Kind = "serving"
	Conns    Kind = "conns"
	Done     Kind = "done"
	Refused  Kind = "refused"
	Start    Kind = "start"
)

// Message is one message.
type Message struct {
	Kind     Kind   `json:"kind"`
	Protocol int    `json:"protocol,omitempty"` // of Hello and Start
	Version  string `json:"version,omitempty"`  // of the program that says Hello, or that Done is about
	PID      int    `json:"pid,omitempty"`      // likewise, and of the old one in Sockets
	Why      string `json:"why,omitempty"`      // of Refused

	// Of Prepared, by those who know it.
	Hash  string        `json:"hash,omitempty"`  // of the configuration that it will serve
	Takes time.Duration `json:"takes,omitempty"` // how long it waits for first verdicts at most, in nanoseconds

	// Of Sockets. More is set if further ones follow, which is so for Conns as well.
	Sockets []Socket `json:"sockets,omitempty"`
	More    bool     `json:"more,omitempty"`
	// Of Conns.
	Conns []server.Conn `json:"conns,omitempty"`
}

// Socket is something that listens. In a message that is read, FD belongs to the reader.
type Socket struct {
	FD      int            `json:"-"`
	Use     Use            `json:"use"`
	Network string         `json:"network"`         // "udp", "tcp" or "unix"
	Listen  netip.AddrPort `json:"listen,omitzero"` // of udp and tcp, as the configuration has it
	Path    string         `json:"path,omitempty"`  // of unix
}

// Use is what a socket is for.
type Use string

// The uses.
const (
	ForDNS   Use = "dns"
	ForAdmin Use = "admin"
)

// How long the two wait for each other.
const (
	// AnswerWait is how long one process waits for the other where it has nothing to do but to speak.
	AnswerWait = 5 * time.Second
	// MostVerdicts bounds how long the next process may say that first verdicts take: longer than any
	// startup_wait.
	MostVerdicts = 15 * time.Minute
	// UpgradeWait is more than an upgrade takes that fails at last.
	UpgradeWait = MostVerdicts + 5*time.Minute
)

// Bounds.
const (
	atOnce      = 100      // descriptors in a message; the kernel takes 253
	largest     = 32 << 20 // bytes of a message: as many connections, each with all that it may have pending
	headerSize  = 4
	messageWait = 10 * time.Second // for the rest of a message of which something has come
	lastLook    = 50 * time.Millisecond
)

// Conn is one conversation. One goroutine sends and one receives at a time; Interrupt is safe for concurrent use.
type Conn struct {
	*net.UnixConn
	interrupted *atomic.Bool
}

func newConn(c *net.UnixConn) Conn { return Conn{c, new(atomic.Bool)} }

// Send sends a message, within a time. The descriptors in it stay the caller's. Many sockets or connections
// are sent as several messages.
func (c Conn) Send(m Message, within time.Duration) error {
	if err := c.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	for {
		part := m
		part.Sockets = m.Sockets[:min(atOnce, len(m.Sockets))]
		part.Conns = m.Conns[:min(atOnce, len(m.Conns))]
		m.Sockets, m.Conns = m.Sockets[len(part.Sockets):], m.Conns[len(part.Conns):]
		part.More = len(m.Sockets)+len(m.Conns) > 0
		if err := c.send(&part); err != nil {
			return fmt.Errorf("handover: send %s: %w", m.Kind, err)
		}
		if !part.More {
			return nil
		}
	}
}

func (c Conn) send(m *Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	var fds []int
	for i := range m.Sockets {
		fds = append(fds, m.Sockets[i].FD)
	}
	for i := range m.Conns {
		fds = append(fds, m.Conns[i].FD)
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	if _, _, err := c.WriteMsgUnix(header, rights, nil); err != nil {
		return err
	}
	_, err = c.Write(body)
	return err
}

// Receive waits for a message, for a time or, with 0, until the other process ends, and fails if it is none of
// those kinds. The error is a [RefusedError] with its reason if the other process refuses, and [Ended] tells
// whether it has ended.
func (c Conn) Receive(within time.Duration, kinds ...Kind) (Message, error) {
	var whole Message
	var by time.Time
	if within > 0 {
		by = time.Now().Add(within)
	}
	if err := c.SetReadDeadline(by); err != nil {
		return whole, err
	}
	if c.interrupted.Load() {
		c.Interrupt() // the deadline has taken the place of its own
	}
	for {
		m, err := c.receive()
		if err != nil {
			whole.Close()
			return Message{}, fmt.Errorf("handover: wait for %s: %w", kinds[0], err)
		}
		switch {
		case m.Kind == Refused:
			m.Close()
			whole.Close()
			return Message{}, RefusedError(m.Why)
		case !slices.Contains(kinds, m.Kind):
			m.Close()
			whole.Close()
			return Message{}, fmt.Errorf("handover: got %q, want %s", m.Kind, kinds[0])
		}
		m.Sockets, m.Conns = append(whole.Sockets, m.Sockets...), append(whole.Conns, m.Conns...)
		if whole = m; !m.More {
			return whole, nil
		}
	}
}

// Interrupt ends a Receive that waits, and has those to come find only what is there already.
func (c Conn) Interrupt() {
	c.interrupted.Store(true)
	_ = c.SetReadDeadline(time.Unix(1, 0))
}

// Ended tells whether an error of Receive is that the other process has ended.
func Ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
}

func (c Conn) receive() (m Message, err error) {
	header := make([]byte, headerSize)
	oob := make([]byte, unix.CmsgSpace(4*253))
	n, oobn, flags, _, err := c.ReadMsgUnix(header, oob)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		// This process may have been stopped while the time ran out: what has come meanwhile counts.
		if err = c.SetReadDeadline(time.Now().Add(lastLook)); err == nil {
			n, oobn, flags, _, err = c.ReadMsgUnix(header, oob)
		}
	}
	if err != nil {
		return m, err
	}
	fds, err := rights(oob[:oobn])
	defer func() {
		if err != nil {
			for _, fd := range fds {
				_ = unix.Close(fd)
			}
			m = Message{}
		}
	}()
	if err == nil && flags&unix.MSG_CTRUNC != 0 {
		err = errors.New("descriptors are missing: this process may not have so many (LimitNOFILE)")
	}
	if err != nil {
		return m, err
	}
	if err := c.SetReadDeadline(time.Now().Add(messageWait)); err != nil {
		return m, err
	}
	if n == 0 {
		return m, io.EOF
	}
	if err := readFull(c, header[n:]); err != nil {
		return m, err
	}
	size := binary.BigEndian.Uint32(header)
	if size > largest {
		return m, fmt.Errorf("a message of %d bytes", size)
	}
	body := make([]byte, size)
	if err := readFull(c, body); err != nil {
		return m, err
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, err
	}
	if len(fds) != len(m.Sockets)+len(m.Conns) {
		return m, fmt.Errorf("%d descriptors came for %d", len(fds), len(m.Sockets)+len(m.Conns))
	}
	for i := range m.Sockets {
		m.Sockets[i].FD = fds[i]
	}
	for i := range m.Conns {
		m.Conns[i].FD = fds[len(m.Sockets)+i]
	}
	return m, nil
}

// rights is the descriptors that came with a message.
func rights(oob []byte) (fds []int, err error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		some, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return fds, err
		}
		fds = append(fds, some...)
	}
	return fds, nil
}

func readFull(c Conn, buf []byte) error {
	for len(buf) > 0 {
		n, err := c.Read(buf)
		if err != nil {
			return err
		}
		buf = buf[n:]
	}
	return nil
}

// Close closes the descriptors of a message that nobody wants.
func (m *Message) Close() {
	for i := range m.Sockets {
		_ = unix.Close(m.Sockets[i].FD)
	}
	for i := range m.Conns {
		_ = unix.Close(m.Conns[i].FD)
	}
	m.Sockets, m.Conns = nil, nil
}

// RefusedError is why the other process does not go on.
type RefusedError string

func (e RefusedError) Error() string { return string(e) }
