package admin

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds on connections. A new connection is always accepted and another one closed for it, so that
// health checks work while a client holds all connections.
const (
	connections = 64 // where Options.Connections says nothing else

	// sendBuffer bounds what the kernel keeps of a response for a client that does not read.
	sendBuffer = 128 << 10
)

// limitedListener bounds how many connections are open, in all and for one client.
type limitedListener struct {
	net.Listener
	most, mostPerClient int

	mu      sync.Mutex
	open    map[*limitedConn]struct{}
	evicted atomic.Uint64
}

func newLimitedListener(l net.Listener, most int) *limitedListener {
	return &limitedListener{Listener: l, most: most, mostPerClient: (most + 1) / 2, open: make(map[*limitedConn]struct{})}
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if sends, ok := accepted.(interface{ SetWriteBuffer(int) error }); ok {
		_ = sends.SetWriteBuffer(sendBuffer) // if it fails, the kernel's own limit applies
	}
	conn := &limitedConn{Conn: accepted, client: clientAt(accepted), listener: l}
	conn.moved.Store(time.Now().UnixNano())
	if victim := l.add(conn); victim != nil {
		l.evicted.Add(1)
		victim.reset()
	}
	return conn, nil
}

// add adds a connection and returns the one that must be closed for it, or nil.
func (l *limitedListener) add(newcomer *limitedConn) *limitedConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[newcomer] = struct{}{}
	victim := l.victim(newcomer)
	delete(l.open, victim)
	return victim
}

// victim chooses what to close. Of several candidates it is the connection on which nothing
// has moved for the longest time.
//
//	the newcomer's client has more than its share    one of that client
//	there are too many connections                   one of the client that has most of them
//	otherwise                                        none
func (l *limitedListener) victim(newcomer *limitedConn) *limitedConn {
	share, most := make(map[client]int), 0
	for c := range l.open {
		share[c.client]++
		most = max(most, share[c.client])
	}
	var candidate func(c *limitedConn) bool
	switch {
	case share[newcomer.client] > l.mostPerClient:
		candidate = func(c *limitedConn) bool { return c.client == newcomer.client }
	case len(l.open) > l.most:
		candidate = func(c *limitedConn) bool { return share[c.client] == most }
	default:
		return nil
	}
	var victim *limitedConn
	for c := range l.open {
		if c != newcomer && candidate(c) && (victim == nil || c.moved.Load() < victim.moved.Load()) {
			victim = c
		}
	}
	return victim
}

func (l *limitedListener) remove(c *limitedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}

// count is how many connections are open.
func (l *limitedListener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// limitedConn is an open connection of a limitedListener.
type limitedConn struct {
	net.Conn
	client   client
	listener *limitedListener
	// moved is when the client last took a piece of a response, or began a request. What a
	// client sends byte by byte does not count.
	moved atomic.Int64
}

// Write implements net.Conn.
func (c *limitedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if n > 0 {
		c.moved.Store(time.Now().UnixNano())
	}
	return n, err
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	c.listener.remove(c)
	return c.Conn.Close()
}

// reset closes the connection and drops what the client has not taken.
func (c *limitedConn) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close() // the HTTP server may have closed it already
}

// noteRequest is called by the HTTP server when the state of a connection changes.
func noteRequest(conn net.Conn, state http.ConnState) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if c, ok := conn.(*limitedConn); ok && state == http.StateActive {
		c.moved.Store(time.Now().UnixNano())
	}
}

// client is what counts as one client: over TCP an address or a network, over a unix socket a user.
type client struct {
	network netip.Prefix
	user    uint32
}

// clientAt is the client at the other end of a connection.
func clientAt(conn net.Conn) client {
	switch conn := conn.(type) {
	case *net.TCPConn:
		return client{network: clientOf(conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr())}
	case *net.UnixConn:
		return client{user: userOf(conn)}
	}
	return client{}
}

// clientOf is an IPv4 address, or the /64 of an IPv6 address, which is the least that a host is given
// (RFC 6177, section 2).
func clientOf(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	prefix, _ := addr.Prefix(bits) // the zero prefix of a zero address
	return prefix
}
