package load

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// serveTCP answers queries on every connection until the test ends. For each it calls answer
// with what it writes to, and closes the connection where that returns an error.
func serveTCP(t *testing.T, answer func(w io.Writer, number int, query []byte) error) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				for number := 0; ; number++ {
					var length [lengthLen]byte
					if _, err := io.ReadFull(conn, length[:]); err != nil {
						return
					}
					message := make([]byte, binary.BigEndian.Uint16(length[:]))
					if _, err := io.ReadFull(conn, message); err != nil {
						return
					}
					if err := answer(conn, number, message); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return listener.Addr().(*net.TCPAddr).AddrPort()
}

// frame puts a message after its length.
func frame(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
}

func runTCP(t *testing.T, server netip.AddrPort, perConn, window int) *TCPReport {
	t.Helper()
	report, err := TCP(t.Context(), TCPConfig{
		Server: server, Queries: [][]byte{query()}, Connections: 3, PerConn: perConn, Window: window,
		Time: 100 * time.Millisecond, Processor: processor(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// runWholeTCP is runTCP until the last replies were waited for: a busy machine may be late for that.
func runWholeTCP(t *testing.T, server netip.AddrPort, perConn, window int) *TCPReport {
	t.Helper()
	for range 20 {
		if r := runTCP(t, server, perConn, window); r.Time < tcpWait {
			return r
		}
	}
	t.Fatal("the last replies never come in time")
	return nil
}

func TestTCP(t *testing.T) {
	for _, test := range []struct {
		name            string
		perConn, window int
		answer          func(w io.Writer, number int, query []byte) error
	}{
		{"one query a connection", 1, 1, func(w io.Writer, _ int, query []byte) error {
			_, err := w.Write(frame(query))
			return err
		}},
		{"many queries, a few at a time", 20, 4, func(w io.Writer, _ int, query []byte) error {
			_, err := w.Write(frame(query))
			return err
		}},
		{"replies in pieces", 5, 5, func(w io.Writer, _ int, query []byte) error {
			for _, b := range frame(query) {
				if _, err := w.Write([]byte{b}); err != nil {
					return err
				}
			}
			return nil
		}},
		{"replies together", 4, 4, func(w io.Writer, number int, query []byte) error {
			if number%2 == 0 {
				return nil
			}
			_, err := w.Write(append(frame(query), frame(query)...))
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := runWholeTCP(t, serveTCP(t, test.answer), test.perConn, test.window)
			if r.Failed != 0 {
				t.Errorf("%d connections failed: %v", r.Failed, r.Failure)
			}
			if r.Connections < 3 || r.Sent != r.Connections*test.perConn || r.Answered != r.Sent {
				t.Errorf("%d connections, %d queries, %d answers; want %d of each for every connection",
					r.Connections, r.Sent, r.Answered, test.perConn)
			}
			if r.Rcodes[0] != r.Answered || r.ReplyBytes != r.Answered*headerLen || r.ConnTime <= 0 || r.Time < 100*time.Millisecond {
				t.Errorf("report: %+v", r)
			}
		})
	}
}

// TestTCPStays has connections that last as long as the run, and a server that takes its time for the first reply.
func TestTCPStays(t *testing.T) {
	const pause = 30 * time.Millisecond
	r := runTCP(t, serveTCP(t, func(w io.Writer, number int, query []byte) error {
		if number == 0 {
			time.Sleep(pause)
		}
		_, err := w.Write(frame(query))
		return err
	}), 0, 2)
	if r.Connections != 3 || r.Failed != 0 || r.Sent < 3*2 || r.Answered != r.Sent {
		t.Errorf("%d connections, %d failed (%v), %d of %d answered", r.Connections, r.Failed, r.Failure, r.Answered, r.Sent)
	}
	if r.Slowest < pause || r.Slowest > r.Time {
		t.Errorf("the slowest reply took %v, of a pause of %v in %v", r.Slowest, pause, r.Time)
	}
}

// TestTCPWindow has a server that answers only when the window is full.
func TestTCPWindow(t *testing.T) {
	const window = 3
	var mu sync.Mutex
	most := 0
	server := serveTCP(t, func(w io.Writer, number int, query []byte) error {
		if number%window != window-1 {
			return nil
		}
		mu.Lock()
		most = max(most, number)
		mu.Unlock()
		for range window {
			if _, err := w.Write(frame(query)); err != nil {
				return err
			}
		}
		return nil
	})
	r := runTCP(t, server, 2*window, window)
	mu.Lock()
	defer mu.Unlock()
	if r.Failed != 0 || r.Answered != r.Sent || most != 2*window-1 {
		t.Errorf("%d failed (%v), %d of %d answered; query %d was the last", r.Failed, r.Failure, r.Answered, r.Sent, most)
	}
}

func TestTCPFailures(t *testing.T) {
	for name, answer := range map[string]func(w io.Writer, number int, query []byte) error{
		"closed before the last reply": func(w io.Writer, number int, query []byte) error {
			if number == 1 {
				return errors.New("close")
			}
			_, err := w.Write(frame(query))
			return err
		},
		"too short for a message": func(w io.Writer, _ int, _ []byte) error {
			_, err := w.Write(frame([]byte{1, 2, 3}))
			return err
		},
		"too long a message": func(w io.Writer, _ int, _ []byte) error {
			_, err := w.Write(frame(make([]byte, 60_000)))
			return err
		},
		"more replies than queries": func(w io.Writer, _ int, query []byte) error {
			_, err := w.Write(append(append(frame(query), frame(query)...), frame(query)...))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := runWholeTCP(t, serveTCP(t, answer), 2, 1)
			if r.Failed == 0 || r.Failed != r.Connections || r.Failure == nil {
				t.Errorf("%d of %d connections failed: %v; want all, with a reason", r.Failed, r.Connections, r.Failure)
			}
		})
	}
}

// TestTCPSilent has a server that never answers: the run ends all the same.
func TestTCPSilent(t *testing.T) {
	r := runTCP(t, serveTCP(t, func(io.Writer, int, []byte) error { return nil }), 2, 2)
	if r.Sent != 6 || r.Answered != 0 || r.Connections != 3 || r.Failed != 0 {
		t.Errorf("report: %+v; want 3 connections with 2 queries each, and no answer", r)
	}
}

func TestTCPNobodyListens(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := listener.Addr().(*net.TCPAddr).AddrPort()
	listener.Close()
	if r := runTCP(t, server, 1, 1); r.Failed != r.Connections || r.Answered != 0 || r.Failure == nil {
		t.Errorf("report: %+v; want that all connections failed", r)
	}
}

func TestTCPRefuses(t *testing.T) {
	good := TCPConfig{
		Server: netip.MustParseAddrPort("127.0.0.1:53"), Queries: [][]byte{query()},
		Connections: 1, PerConn: 1, Window: 1, Time: time.Second,
	}
	for name, spoil := range map[string]func(*TCPConfig){
		"no connections":       func(c *TCPConfig) { c.Connections = 0 },
		"too many connections": func(c *TCPConfig) { c.Connections = maxConnections + 1 },
		"no queries on them":   func(c *TCPConfig) { c.PerConn = -1 },
		"no window":            func(c *TCPConfig) { c.Window = 0 },
		"no time":              func(c *TCPConfig) { c.Time = 0 },
		"no queries":           func(c *TCPConfig) { c.Queries = nil },
		"a query with no id":   func(c *TCPConfig) { c.Queries = [][]byte{{1}} },
		"a query too long":     func(c *TCPConfig) { c.Queries = [][]byte{make([]byte, 1<<16)} },
		"a server of no IPv4":  func(c *TCPConfig) { c.Server = netip.MustParseAddrPort("[::1]:53") },
	} {
		config := good
		spoil(&config)
		if _, err := TCP(t.Context(), config); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestTakeReplies cuts replies anywhere.
func TestTakeReplies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		replies := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), headerLen, 600), 0, 30).Draw(t, "replies")
		want := TCPReport{Answered: len(replies)}
		for _, reply := range replies {
			stream = append(stream, frame(reply)...)
			want.ReplyBytes += len(reply)
			want.Rcodes[reply[3]&0xf]++
		}
		c := &conn{sent: len(replies)}
		var got TCPReport
		for len(stream) > 0 {
			n := min(rapid.IntRange(1, 2000).Draw(t, "piece"), len(stream))
			c.filled += copy(c.buffer[c.filled:], stream[:n])
			stream = stream[n:]
			if err := c.takeReplies(&got); err != nil {
				t.Fatal(err)
			}
		}
		if got != want || c.filled != 0 || c.received != len(replies) {
			t.Errorf("report %+v with %d bytes left, want %+v", got, c.filled, want)
		}
	})
}

func FuzzTakeReplies(f *testing.F) {
	f.Add([]byte{}, 1)
	f.Add(frame(query()), 3)
	f.Add([]byte{0xff, 0xff, 0}, 1)
	f.Fuzz(func(t *testing.T, stream []byte, piece int) {
		c := &conn{sent: 10}
		var report TCPReport
		for len(stream) > 0 && c.filled < len(c.buffer) {
			n := copy(c.buffer[c.filled:], stream[:min(max(piece, 1), len(stream))])
			c.filled += n
			stream = stream[n:]
			if c.takeReplies(&report) != nil {
				return
			}
		}
		if report.Answered != c.received || c.received > c.sent {
			t.Errorf("%d answers counted, %d taken, %d asked", report.Answered, c.received, c.sent)
		}
	})
}
