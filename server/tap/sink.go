package tap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/dnstap/golang-dnstap"
	"github.com/farsightsec/golang-framestream"
	"golang.org/x/sys/unix"
)

// String is the destination as the log has it.
func (d Destination) String() string { return d.Network + ":" + d.Address }

func newSink(d Destination) sink {
	if d.Network == "file" {
		return &file{path: d.Address, maxSize: d.MaxSize, keep: d.Keep, add: (*os.File).Write}
	}
	return &stream{network: d.Network, address: d.Address}
}

// How long a collector may take.
const (
	openWait  = 5 * time.Second // to accept a connection, and then to say that it takes dnstap
	writeWait = 5 * time.Second // to read what is written at once
)

// stream is a connection to a collector, which speaks Frame Streams in both directions: the collector
// accepts the content at the beginning, and acknowledges the end.
type stream struct {
	network, address string
	conn             net.Conn
	frames           *framestream.Writer

	mu  sync.Mutex // held to set a limit
	end time.Time  // of all writes; zero: not known yet
}

func (s *stream) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, s.network, s.address)
	if err != nil {
		return err
	}
	// One limit for all that the collector has to say, however slowly it speaks.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	frames, err := framestream.NewWriter(conn, &framestream.WriterOptions{
		ContentTypes: [][]byte{dnstap.FSContentType}, Bidirectional: true,
	})
	if err != nil {
		return errors.Join(fmt.Errorf("the collector does not begin as Frame Streams do: %w", err), conn.Close())
	}
	s.conn, s.frames = conn, frames
	return nil
}

func (s *stream) write(ctx context.Context, frames []byte) (n int, err error) {
	defer s.limit(ctx)()
	if err = s.alive(); err == nil {
		n, err = s.conn.Write(frames)
	}
	if err != nil {
		_ = s.conn.Close()
	}
	return n, err
}

// limit bounds the wait for the collector, and bounds it further once ctx ends. The function that it
// returns is to be called after the wait.
func (s *stream) limit(ctx context.Context) (done func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if by := time.Now().Add(writeWait); s.end.IsZero() {
		_ = s.conn.SetDeadline(by)
	}
	return context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.end.IsZero() {
			s.end = time.Now().Add(endWait)
		}
		_ = s.conn.SetDeadline(s.end)
	})
}

// errGone says that a collector has closed the connection, which a write may not find out: over TCP,
// what it has written is lost.
var errGone = errors.New("the collector has closed the connection")

// alive looks whether the collector has closed the connection.
func (s *stream) alive() error {
	raw, err := s.conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	var n int
	var peeked error
	if err := raw.Read(func(fd uintptr) bool {
		n, _, peeked = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return true // never wait
	}); err != nil {
		return err
	}
	switch {
	case peeked == unix.EAGAIN || peeked == unix.EINTR:
		return nil
	case peeked != nil:
		return peeked
	case n == 0:
		return errGone
	}
	return nil
}

func (s *stream) close() error {
	_ = s.conn.SetDeadline(time.Now().Add(endWait))
	err := s.frames.Close()
	if errors.Is(err, io.EOF) { // it has closed the connection instead
		err = nil
	}
	return errors.Join(err, s.conn.Close())
}
