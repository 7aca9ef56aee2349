package dnstest

import (
	"bytes"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dnstap/golang-dnstap"
	"google.golang.org/protobuf/proto"
)

// Collector takes what a server reports of queries by dnstap.
type Collector struct {
	Address  string
	listener net.Listener
	came     chan struct{} // capacity 1: there is something that Wait has not seen
	serving  sync.WaitGroup

	mu       sync.Mutex
	conns    []net.Conn
	messages []*dnstap.Dnstap
	ended    int // connections that ended in an orderly way
}

// NewCollector listens at an address: "unix" and a path, or "tcp" and an address.
func NewCollector(t testing.TB, network, address string) *Collector {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	c := &Collector{Address: listener.Addr().String(), listener: listener, came: make(chan struct{}, 1)}
	c.serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			c.mu.Lock()
			c.conns = append(c.conns, conn)
			c.mu.Unlock()
			c.serving.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(c.Close)
	return c
}

func (c *Collector) serve(conn net.Conn) {
	defer conn.Close()
	watched := &watched{Conn: conn}
	reader, err := dnstap.NewReader(watched, &dnstap.ReaderOptions{Bidirectional: true, Timeout: time.Minute})
	if err != nil {
		return
	}
	buf := make([]byte, 1<<20)
	for {
		n, err := reader.ReadFrame(buf)
		c.mu.Lock()
		if err != nil {
			if bytes.Equal(watched.last, stop) {
				c.ended++
			}
			c.mu.Unlock()
			break
		}
		m := new(dnstap.Dnstap)
		if proto.Unmarshal(buf[:n], m) == nil {
			c.messages = append(c.messages, m)
		}
		c.mu.Unlock()
		c.tell()
	}
	c.tell()
}

// stop is the control frame that says that nothing more comes (Frame Streams: escape, length, STOP). The
// reader treats the end of the connection alike.
var stop = []byte{0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 3}

// watched keeps the last bytes that were read.
type watched struct {
	net.Conn
	last []byte
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.last = append(w.last, p[:n]...)
	w.last = slices.Clone(w.last[max(0, len(w.last)-len(stop)):])
	return n, err
}

func (c *Collector) tell() {
	select {
	case c.came <- struct{}{}:
	default:
	}
}

// Close ends the collector as a crash would: without a word.
func (c *Collector) Close() {
	c.listener.Close()
	c.mu.Lock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.mu.Unlock()
	c.serving.Wait()
}

// Wait returns the messages once they, and the number of connections that were closed in an orderly way,
// are as wanted.
func (c *Collector) Wait(t testing.TB, what string, enough func(messages []*dnstap.Dnstap, ended int) bool) []*dnstap.Dnstap {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		c.mu.Lock()
		messages, ended := slices.Clone(c.messages), c.ended
		c.mu.Unlock()
		if enough(messages, ended) {
			return messages
		}
		select {
		case <-c.came:
		case <-timeout:
			t.Fatalf("waited for %s; there are %d messages, and %d connections have ended", what, len(messages), ended)
		}
	}
}
