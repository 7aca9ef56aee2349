//go:build linux

package loop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// caller is a Caller that keeps what it is told.
type caller struct {
	answer func(data []byte) Answer
	ended  chan end
}

type end struct {
	how  string // "done", "unopened", "left"
	err  error
	rest Rest
}

func newCaller(answer func([]byte) Answer) *caller {
	return &caller{answer, make(chan end, 1)}
}

func (c *caller) Received(data []byte) Answer { return c.answer(data) }
func (c *caller) Done()                       { c.ended <- end{how: "done"} }
func (c *caller) Unopened(err error)          { c.ended <- end{how: "unopened", err: err} }
func (c *caller) Left(rest Rest)              { c.ended <- end{how: "left", rest: rest} }

func enough([]byte) Answer { return Enough }
func more([]byte) Answer   { return More }

// line is enough with the end of a line.
func line(data []byte) Answer {
	if bytes.HasSuffix(data, []byte("\n")) {
		return Enough
	}
	return More
}

func newLoop() *Loop {
	return New(func(err error) bool {
		return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)
	})
}

// listen serves connections until the test ends.
func listen(t *testing.T, handle func(net.Conn)) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn)
			}()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-ended
	})
	return listener.Addr().(*net.TCPAddr).AddrPort()
}

func hold(t *testing.T, c *Call, with *caller, timeout time.Duration) end {
	t.Helper()
	c.Begin(time.Now().Add(timeout))
	select {
	case got := <-with.ended:
		return got
	case <-time.After(patience):
		t.Fatal("the conversation does not end")
		return end{}
	}
}

func echo(c net.Conn) { io.Copy(c, c) }

// TestConversations has each way in which a conversation can end.
func TestConversations(t *testing.T) {
	const hello = "hello\n"
	says := func(pieces ...string) func(net.Conn) {
		return func(c net.Conn) {
			io.ReadFull(c, make([]byte, len(hello)))
			for _, piece := range pieces {
				io.WriteString(c, piece)
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
	for _, test := range []struct {
		name    string
		handle  func(net.Conn)
		send    string
		hears   bool
		answer  func([]byte) Answer
		timeout time.Duration
		want    string // the end, what was received, and what reading it again ends in
	}{
		{"nothing to hear", echo, "", false, more, patience, "done"},
		{"only sends", echo, hello, false, more, patience, "done"},
		{"echo", echo, hello, true, line, patience, "done"},
		{"greeting", func(c net.Conn) { io.WriteString(c, hello); echo(c) }, "", true, line, patience, "done"},
		{"in pieces", says("a", "b", "c\n"), hello, true, line, patience, "done"},
		{"then closes", says("a\n"), hello, true, line, patience, "done"},
		{"closes early", says("a", "b"), hello, true, line, patience, `left: "ab", EOF`},
		{"closes at once", says(), hello, true, line, patience, `left: "", EOF`},
		{"resets", func(c net.Conn) {
			says("ab")(c)
			c.(*net.TCPConn).SetLinger(0)
		}, hello, true, line, patience, `left: "ab", connection reset by peer`},
		{"silent", func(c net.Conn) { io.Copy(io.Discard, c) }, hello, true, line, 50 * time.Millisecond, `left: "", i/o timeout`},
		{"stops", func(c net.Conn) { says("ab")(c); io.Copy(io.Discard, c) }, hello, true, line, 100 * time.Millisecond, `left: "ab", i/o timeout`},
		{"odd, goes on", says("ab", "cd"), hello, true, func([]byte) Answer { return Odd }, patience, `left: "abcd", EOF`},
		{"many pieces", says(strings.Split(strings.Repeat("a", maxReads+2), "")...), hello, true, more, patience,
			fmt.Sprintf(`left: "%s", EOF`, strings.Repeat("a", maxReads+2))},
		{"long", says(strings.Repeat("a", 3*maxKept)), hello, true, more, patience,
			fmt.Sprintf(`left: "%s", EOF`, strings.Repeat("a", 3*maxKept))},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			at := listen(t, test.handle)
			with := newCaller(test.answer)
			call := newLoop().Call(at, []byte(test.send), test.hears, with)
			for range 2 { // a call can be made again
				got := hold(t, call, with, test.timeout)
				text := got.how
				if got.how == "left" {
					if peer := got.rest.Conn.RemoteAddr().String(); peer != at.String() {
						t.Errorf("the connection is to %s, want %s", peer, at)
					}
					data, err := io.ReadAll(got.rest.Conn)
					if err == nil {
						err = io.EOF
					}
					var op *net.OpError
					if errors.As(err, &op) {
						err = op.Err
					}
					var call *os.SyscallError
					if errors.As(err, &call) {
						err = call.Err
					}
					text += fmt.Sprintf(": %q, %v", data, err)
					got.rest.Conn.Close()
				}
				if text != test.want {
					t.Fatalf("got  %.200s\nwant %.200s", text, test.want)
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		at := listener.Addr().(*net.TCPAddr).AddrPort()
		listener.Close()
		with := newCaller(enough)
		got := hold(t, newLoop().Call(at, nil, false, with), with, patience)
		want := fmt.Sprintf("dial tcp %s: connect: connection refused", at)
		if got.how != "unopened" || got.err.Error() != want || !errors.Is(got.err, syscall.ECONNREFUSED) {
			t.Errorf("got %s: %v\nwant %s", got.how, got.err, want)
		}
	}
}

// deaf is the address of a listener that drops SYNs until hear is called.
func deaf(t *testing.T) (at netip.AddrPort, hear func()) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "")
	listener, err := net.FileListener(file)
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	// One more than the backlog fills the queue (listen(2)).
	filler, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { filler.Close() })
	return listener.Addr().(*net.TCPAddr).AddrPort(), func() {
		if conn, err := listener.Accept(); err == nil {
			conn.Close()
		}
	}
}

func TestSecondAttempt(t *testing.T) {
	t.Parallel()
	const timeout = 900 * time.Millisecond // the kernel repeats a SYN after one second
	for tries := 1; ; tries++ {
		at, hear := deaf(t)
		with := newCaller(enough)
		call := newLoop().Call(at, nil, false, with)
		began := time.Now()
		time.AfterFunc(timeout/6, hear) // after the first SYN, and before the second attempt
		got := hold(t, call, with, timeout)
		took := time.Since(began)
		if got.how == "done" && took >= timeout/3 {
			return
		}
		// A busy machine may be too late for both.
		if tries == 10 || !errors.Is(got.err, os.ErrDeadlineExceeded) {
			t.Fatalf("%s after %v: %v", got.how, took, got.err)
		}
	}
}

func TestNoAnswerAtAll(t *testing.T) {
	t.Parallel()
	at, _ := deaf(t)
	with := newCaller(enough)
	got := hold(t, newLoop().Call(at, nil, false, with), with, 100*time.Millisecond)
	if got.how != "unopened" || !errors.Is(got.err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: %v", got.how, got.err)
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	at := listen(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	with := newCaller(enough)
	call := newLoop().Call(at, nil, true, with)
	for range 100 {
		call.Begin(time.Now().Add(patience))
		call.Abort()
		call.Abort()
		if got := <-with.ended; got.how != "unopened" || !errors.Is(got.err, context.Canceled) {
			t.Fatalf("%s: %v", got.how, got.err)
		}
	}
	// An abort that comes too late does not end the next conversation.
	quick := newCaller(enough)
	at = listen(t, echo)
	call = newLoop().Call(at, []byte("x"), true, quick)
	for range 100 {
		if got := hold(t, call, quick, patience); got.how != "done" {
			t.Fatalf("%s: %v", got.how, got.err)
		}
		call.Abort()
	}
}

// TestMany has more conversations than events fit into one look, with some that hang, and all end in time.
func TestMany(t *testing.T) {
	t.Parallel()
	const many = 600
	at, silent := listen(t, echo), listen(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	l := newLoop()
	var calls []*Call
	var with []*caller
	for i := range many {
		to := at
		if i%10 == 0 {
			to = silent
		}
		with = append(with, newCaller(enough))
		calls = append(calls, l.Call(to, []byte("x"), true, with[i]))
	}
	all := func(timeout time.Duration) (wrong string) {
		deadline := time.Now().Add(timeout)
		for _, c := range calls {
			c.Begin(deadline)
		}
		for i, w := range with {
			got, want := <-w.ended, "done"
			if i%10 == 0 {
				want = "left"
			}
			if got.how == "left" {
				got.rest.Conn.Close()
			}
			if got.how != want {
				wrong = fmt.Sprintf("conversation %d: %s %v, want %s", i, got.how, got.err, want)
			}
		}
		return wrong
	}
	for range 2 {
		wrong := ""
		for timeout := 2 * time.Second; timeout < patience; timeout *= 4 { // again where the machine is busy
			if wrong = all(timeout); wrong == "" {
				break
			}
		}
		if wrong != "" {
			t.Fatal(wrong)
		}
	}
}

// TestWaited has a caller keep the loop from another conversation.
func TestWaited(t *testing.T) {
	t.Parallel()
	const busy = 50 * time.Millisecond
	l, at := newLoop(), listen(t, echo)
	other := newCaller(enough)
	next := l.Call(at, []byte("x"), true, other)
	slow := newCaller(func([]byte) Answer {
		next.Begin(time.Now().Add(patience))
		time.Sleep(busy)
		return Enough
	})
	if got := hold(t, l.Call(at, []byte("x"), true, slow), slow, patience); got.how != "done" {
		t.Fatal(got)
	}
	if got := <-other.ended; got.how != "done" || next.Waited() < busy {
		t.Errorf("%s, it waited for %v, want %v", got.how, next.Waited(), busy)
	}
}

// TestDropped has what a loop watches its sockets with closed once nobody has the loop any more. It is not parallel, so
// that nobody else gets the number of the descriptor.
func TestDropped(t *testing.T) {
	fd := func() int32 {
		l, with := newLoop(), newCaller(enough)
		if got := hold(t, l.Call(listen(t, echo), []byte("x"), true, with), with, patience); got.how != "done" {
			t.Fatal(got)
		}
		return l.epoll
	}()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		runtime.GC()
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); errors.Is(err, unix.EBADF) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("its epoll is still open")
		}
	}
}

// TestWhichAttemptCounts holds lose to the table above attempt.
func TestWhichAttemptCounts(t *testing.T) {
	const spoke, quiet = syscall.ECONNREFUSED, syscall.ETIMEDOUT
	for _, test := range []struct {
		name   string
		first  error // how the first attempt ended before; nil: it is under way, or is what fails
		second bool  // it is under way, where the first fails
		number int
		err    error
		want   error // that counts; nil: the other attempt is waited for
	}{
		{"first alone, answer", nil, false, 0, spoke, spoke},
		{"first alone, none", nil, false, 0, quiet, quiet},
		{"first, answer, second goes on", nil, true, 0, spoke, spoke},
		{"first, none, second goes on", nil, true, 0, quiet, nil},
		{"second, answer, first goes on", nil, true, 1, spoke, spoke},
		{"second, none, first goes on", nil, true, 1, quiet, nil},
		{"second, answer, first had none", quiet, false, 1, spoke, spoke},
		{"both none: the first", quiet, false, 1, syscall.EMFILE, quiet},
	} {
		t.Run(test.name, func(t *testing.T) {
			with := newCaller(enough)
			l := newLoop()
			c := l.Call(netip.MustParseAddrPort("127.0.0.1:1"), nil, false, with)
			c.stage, l.active, c.failed = connecting, 1, test.first
			if test.second || test.number == 0 {
				c.sockets[0] = spareDescriptor(t)
				l.own(c.sockets[0], c)
			}
			if test.second || test.number == 1 {
				c.sockets[1] = spareDescriptor(t)
				l.own(c.sockets[1], c)
			}
			c.lose(test.number, test.err)
			select {
			case got := <-with.ended:
				if test.want == nil || !errors.Is(got.err, test.want) {
					t.Errorf("got %v, want %v", got.err, test.want)
				}
				if c.sockets != [2]int32{none, none} {
					t.Error("an attempt is still under way")
				}
			default:
				if test.want != nil {
					t.Errorf("it goes on, want %v", test.want)
				}
				c.abort()
			}
		})
	}
}

func spareDescriptor(t *testing.T) int32 {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return int32(fd)
}

// TestAllocations holds conversations that go well to no memory at all.
func TestAllocations(t *testing.T) {
	server, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(server)
	if err := errors.Join(unix.Bind(server, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(server, 5)); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(server)
	if err != nil {
		t.Fatal(err)
	}
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(bound.(*unix.SockaddrInet4).Port))
	with := newCaller(enough)
	call := newLoop().Call(at, []byte("x"), true, with)
	deadline := time.Now().Add(patience)
	var buffer [1]byte
	allocations := testing.AllocsPerRun(100, func() {
		call.Begin(deadline)
		fd, _, errno := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(server), 0, 0, 0, 0, 0)
		if errno != 0 {
			t.Fatal(errno)
		}
		unix.Read(int(fd), buffer[:])
		unix.Write(int(fd), buffer[:])
		if got := <-with.ended; got.how != "done" {
			t.Errorf("%s: %v", got.how, got.err)
		}
		unix.Close(int(fd))
	})
	if allocations > 0 {
		t.Errorf("%v allocations a conversation, want none", allocations)
	}
}
