package tcp

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"gslb/server/dnstest"
	"gslb/server/meter"
	"gslb/server/wait"
)

// newTestLoop makes a loop that the test itself runs, and where it listens.
func newTestLoop(t *testing.T, change func(*Limits)) (*loop, *net.TCPAddr) {
	t.Helper()
	s := newServer(t, change)
	l := s.loops[0]
	t.Cleanup(func() {
		for _, c := range l.conns {
			if c.open() {
				l.end(c, meter.EndShutdown)
			}
		}
	})
	return l, net.TCPAddrFromAddrPort(s.addr())
}

// once has the loop do what there is to do.
func (l *loop) once() {
	l.handle(l.poller.wait(l.nextDue()))
	l.expire()
}

// TestLoopHoldsNothing gives back every buffer of a connection at which nothing is pending.
func TestLoopHoldsNothing(t *testing.T) {
	l, addr := newTestLoop(t, nil)
	client := dialFrom(t, "127.0.0.1", addr.AddrPort())
	l.once()
	c := l.conns[0]
	stream := queries(t, 3, "www.example.org.", dns.TypeA)
	for _, step := range []struct {
		send []byte
		held bool
	}{{stream[:40], true}, {stream[40:], false}, {stream, false}, {stream[:1], true}, {stream[1:], false}} {
		if _, err := client.Write(step.send); err != nil {
			t.Fatal(err)
		}
		l.once()
		if held := c.frames.held != nil; held != step.held || c.unsent != nil {
			t.Errorf("behind %d bytes it holds a buffer: %v, want %v", len(step.send), held, step.held)
		}
	}
}

// TestLoopBoundsWhatIsHeld floods a loop from a client that never reads: it stops reading.
func TestLoopBoundsWhatIsHeld(t *testing.T) {
	l, addr := newTestLoop(t, nil)
	client := dialFrom(t, "127.0.0.1", addr.AddrPort())
	flooding := make(chan struct{})
	go func() {
		defer close(flooding)
		neverRead(t, client)
	}()
	for l.once(); !l.conns[0].stuck(); {
		l.once()
	}
	c := l.conns[0]
	if got := len(c.unsent); got > 2*burstSize {
		t.Errorf("%d bytes of replies wait, want %d at most", got, 2*burstSize)
	}
	if got := len(c.frames.held); got > receiveSize {
		t.Errorf("%d bytes of queries wait, want %d at most", got, receiveSize)
	}
	if c.wait.queue != &l.writing || c.events != unix.EPOLLOUT {
		t.Errorf("it waits for events %#x in the queue of %v, want for room", c.events, c.wait.queue.why)
	}
	l.end(c, meter.EndWrite)
	<-flooding
}

// TestLoopWithoutDescriptors pauses where none is left, and then accepts who waited.
func TestLoopWithoutDescriptors(t *testing.T) {
	l, addr := newTestLoop(t, nil)
	client := dialFrom(t, "127.0.0.1", addr.AddrPort())
	withoutDescriptors(t, func() { l.once() })
	listener := l.listeners[0]
	if len(l.conns) != 0 || listener.paused.IsZero() {
		t.Fatalf("%d connections, paused until %v, want none and a pause", len(l.conns), listener.paused)
	}
	// The next wait is for the end of the pause: the socket, still ready, ends it no sooner.
	began := time.Now()
	l.once()
	if waited := time.Since(began); waited < wait.Shortest/2 {
		t.Errorf("the loop waited %v, want until the pause is over", waited)
	}
	for len(l.conns) == 0 {
		l.once()
	}
	if _, err := client.Write(queries(t, 1, "www.example.org.", dns.TypeA)); err != nil {
		t.Fatal(err)
	}
	l.once()
	dnstest.WantReplies(t, &dns.Conn{Conn: client}, 1)
}

// withoutDescriptors calls do while the process can open nothing.
func withoutDescriptors(t *testing.T, do func()) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 0
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
	}()
	do()
}

// TestLoopStaleEvent has one batch of events in which a connection is closed, another takes
// its slot, and an event of the first comes behind: it must not reach the second.
func TestLoopStaleEvent(t *testing.T) {
	l, addr := newTestLoop(t, func(limits *Limits) { limits.Idle = time.Hour })
	dialFrom(t, "127.0.0.1", addr.AddrPort())
	l.once()
	first := l.conns[0]
	stale := unix.EpollEvent{Events: unix.EPOLLIN, Fd: first.slot, Pad: first.generation}
	l.end(first, meter.EndClient)
	second := dialFrom(t, "127.0.0.1", addr.AddrPort())
	l.once()
	if c := l.conns[0]; len(l.conns) != 1 || !c.open() || c.generation == stale.Pad {
		t.Fatalf("%d connections; the slot has generation %d", len(l.conns), c.generation)
	}
	if err := second.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	l.handle([]unix.EpollEvent{stale})
	if !l.conns[0].open() {
		t.Error("an event of a connection that is gone closed the one in its slot")
	}
}

// TestLoopDoesNotAllocate serves connections of one query, with nothing allocated once warm.
func TestLoopDoesNotAllocate(t *testing.T) {
	l, addr := newTestLoop(t, nil)
	to := &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte{127, 0, 0, 1}}
	query := queries(t, 1, "www.example.org.", dns.TypeA)
	reply := make([]byte, 512)
	connection := func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Connect(fd, to); err != nil {
			t.Fatal(err)
		}
		for _, part := range [][]byte{query[:10], query[10:]} {
			if _, errno := send(fd, part); errno != 0 {
				t.Fatal(errno)
			}
			l.once()
		}
		if n, errno := receive(fd, reply); errno != 0 || n < lengthSize {
			t.Fatalf("a reply of %d bytes, %v", n, errno)
		}
		closeFD(fd)
		l.once()
	}
	if allocs := testing.AllocsPerRun(100, connection); allocs > 0 {
		t.Errorf("%v allocations for a connection, want none", allocs)
	}
	if len(l.conns) != 1 || len(l.free) != 1 {
		t.Errorf("%d connections were made for one at a time, %d are free", len(l.conns), len(l.free))
	}
}

// TestWaitQueue compares two queues, between which connections move, with lists.
func TestWaitQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		queues := [2]waitQueue{{limit: time.Second}, {limit: 3 * time.Second}}
		var want [2][]int32
		var places [6]waiting
		for i := range places {
			places[i].conn = &conn{slot: int32(i)}
		}
		now := time.Unix(1000, 0)
		leave := func(slot int32) {
			for i := range want {
				want[i] = slices.DeleteFunc(want[i], func(other int32) bool { return other == slot })
			}
		}
		place := rapid.Int32Range(0, int32(len(places)-1))
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				slot, to := place.Draw(t, "place"), rapid.IntRange(0, 1).Draw(t, "queue")
				now = now.Add(time.Millisecond)
				queues[to].push(&places[slot], now)
				leave(slot)
				want[to] = append(want[to], slot)
			},
			"leave": func(t *rapid.T) {
				slot := place.Draw(t, "place")
				places[slot].leave()
				leave(slot)
			},
			"": func(t *rapid.T) {
				for i := range queues {
					var got []int32
					for w := queues[i].first; w != nil; w = w.next {
						got = append(got, w.conn.slot)
						if w.next != nil && w.next.by.Before(w.by) {
							t.Errorf("queue %d is out of order", i)
						}
					}
					if diff := cmp.Diff(want[i], got, cmpopts.EquateEmpty()); diff != "" {
						t.Errorf("queue %d (-want +got):\n%s", i, diff)
					}
				}
			},
		})
	})
}
