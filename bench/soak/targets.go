package soak

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"
)

// targets are what the checks probe: one listener for all addresses, each of which behaves in a
// way of its own, and always in the same.
type targets struct {
	listener net.Listener
	begun    time.Time
	port     uint16
}

// flapEvery is how long a target that flaps stays up, and then down.
const flapEvery = 7 * time.Second

const healthy = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"

// behaviours are dealt out to the addresses in turn. Each gets a connection whose request was
// read, and may hold it until it fails: the other side gives up in time.
var behaviours = []func(t *targets, conn net.Conn) error{
	say(healthy),
	say(healthy),
	say(healthy),
	func(t *targets, conn net.Conn) error { // flaps
		if int(time.Since(t.begun)/flapEvery)%2 == 0 {
			return say(healthy)(t, conn)
		}
		return say("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")(t, conn)
	},
	func(_ *targets, conn net.Conn) error { // hangs
		_, err := io.Copy(io.Discard, conn)
		return err
	},
	func(_ *targets, conn net.Conn) error { return conn.(*net.TCPConn).SetLinger(0) }, // resets
	say("220 mail.example.com ESMTP\r\n"),
	say("HTTP/1.1 302 Found\r\nLocation: /" + strings.Repeat("x", 60<<10) + "\r\nContent-Length: 0\r\n\r\n"),
	repeat("HTTP/1.1 200 OK\r\n", "X-Header: "+strings.Repeat("x", 1<<10)+"\r\n", 0),
	repeat("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 4<<10), 0),
	repeat("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "x", 50*time.Millisecond),
	repeat("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", strings.Repeat("e", 1<<10), 0),
}

// say answers with a text and closes.
func say(text string) func(*targets, net.Conn) error {
	return func(_ *targets, conn net.Conn) error {
		_, err := io.WriteString(conn, text)
		return err
	}
}

// repeat begins with one text and goes on with another until nobody takes it any more.
func repeat(first, then string, pause time.Duration) func(*targets, net.Conn) error {
	return func(_ *targets, conn net.Conn) error {
		_, err := io.WriteString(conn, first)
		for err == nil {
			time.Sleep(pause)
			_, err = io.WriteString(conn, then)
		}
		return err
	}
}

func startTargets() (*targets, error) {
	listener, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		return nil, fmt.Errorf("targets: %w", err)
	}
	t := &targets{listener: listener, begun: time.Now(), port: listener.Addr().(*net.TCPAddr).AddrPort().Port()}
	go t.accept()
	return t, nil
}

func (t *targets) close() error { return t.listener.Close() }

func (t *targets) accept() {
	for {
		conn, err := t.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of descriptors: some will be closed
			continue
		}
		go t.serve(conn)
	}
}

func (t *targets) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second)) // whatever the other side does
	var request [4 << 10]byte
	if _, err := conn.Read(request[:]); err != nil {
		return
	}
	at := conn.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap().As4()
	_ = behaviours[int(at[3])%len(behaviours)](t, conn) // an error means that the probe has closed the connection
}

// targetAddr is the address of the target of a number below 200.
func targetAddr(number int) netip.Addr { return netip.AddrFrom4([4]byte{127, 2, 0, byte(number)}) }
