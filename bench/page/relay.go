package page

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// relay stands between the browser and a server, and counts.
type relay struct {
	listener net.Listener
	to       netip.AddrPort
	bytes    atomic.Int64 // that the browser has received
	requests atomic.Int64 // that it has sent

	mu    sync.Mutex
	conns map[net.Conn]bool // nil: it is closed
}

func newRelay(to netip.AddrPort) (*relay, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{listener: listener, to: to, conns: map[net.Conn]bool{}}
	go r.accept()
	return r, nil
}

// url is that of the server's page.
func (r *relay) url() string { return "http://" + r.listener.Addr().String() + "/" }

func (r *relay) accept() {
	for {
		browser, err := r.listener.Accept()
		if err != nil {
			return // it is closed
		}
		go r.serve(browser)
	}
}

// serve carries a connection to its end, from whichever side that comes.
func (r *relay) serve(browser net.Conn) {
	defer r.forget(browser)
	server, err := net.Dial("tcp4", r.to.String())
	if err != nil || !r.keep(browser, server) {
		return // the browser tells that it is not answered
	}
	defer r.forget(server)
	go func() {
		_, _ = io.Copy(&counter{Writer: server, requests: &r.requests}, browser)
		_ = server.Close()
	}()
	_, _ = io.Copy(&counter{Writer: browser, bytes: &r.bytes}, server)
}

// keep notes connections to be closed with the relay, if that is not closed yet.
func (r *relay) keep(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range conns {
		if r.conns == nil {
			_ = conn.Close()
			continue
		}
		r.conns[conn] = true
	}
	return r.conns != nil
}

func (r *relay) forget(conn net.Conn) {
	_ = conn.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, conn)
}

func (r *relay) close() error {
	err := r.listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.conns {
		if e := conn.Close(); !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
	}
	r.conns = nil
	return err
}

// counter counts what is written.
type counter struct {
	io.Writer
	bytes, requests *atomic.Int64 // nil: these do not matter
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	if c.bytes != nil {
		c.bytes.Add(int64(n))
	}
	if c.requests != nil && bytes.HasPrefix(p, []byte("GET ")) { // a browser sends each in one piece
		c.requests.Add(1)
	}
	return n, err
}
