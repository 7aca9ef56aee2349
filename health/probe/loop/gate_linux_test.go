package loop

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestGate holds a gate to wake those who wait at it and nobody else: whatever is told of it while it is closed
// wakes a thread for nothing.
func TestGate(t *testing.T) {
	inside, err := newEpoll()
	if err != nil {
		t.Fatal(err)
	}
	defer shut(inside)
	g, err := newGate(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer g.file.Close()
	// As the network poller watches it: each time that it changes.
	poller, err := newEpoll()
	if err != nil {
		t.Fatal(err)
	}
	defer shut(poller)
	if err := watch(poller, g.fd); err != nil {
		t.Fatal(err)
	}
	var pair [2]int
	if pair, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	defer unix.Close(pair[0])
	if err := watch(inside, int32(pair[0])); err != nil {
		t.Fatal(err)
	}
	events := make([]unix.EpollEvent, 4)
	happen := func() {
		t.Helper()
		if _, err := unix.Write(pair[1], []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(when string, told bool) {
		t.Helper()
		if got := poll(poller, events) > 0; got != told {
			t.Errorf("%s: told %t, want %t", when, got, told)
		}
	}
	poll(inside, events) // that it can be written to

	for range 3 {
		happen()
		happen()
		expect("closed", false)
		g.pass()
		expect("opened, something is there", true)
		poll(inside, events)
		happen()
		g.close()
		poll(poller, events) // it may tell of that once more
		happen()
		expect("closed after an event", false)
		poll(inside, events)
		g.pass()
		expect("opened, nothing is there", false)
		happen()
		expect("open", true)
		poll(inside, events)
		g.close()
		happen()
		expect("closed", false)
		poll(inside, events)
		g.pass()
		expect("opened again", false)
		g.close()
		happen()
		expect("closed without an event", false)
		poll(inside, events)
		g.pass()
		g.pass()
		happen()
		expect("opened twice", true)
		g.close()
		poll(inside, events)
	}
}

// TestGateIsClosedWhileAwake looks whether the loop's goroutine has closed the gate wherever it calls others.
func TestGateIsClosedWhileAwake(t *testing.T) {
	l, at := newLoop(), listen(t, echo)
	open := false
	with := newCaller(func([]byte) Answer {
		open = open || l.gate.open
		return Enough
	})
	call := l.Call(at, []byte("x"), true, with)
	for range 20 {
		if got := hold(t, call, with, patience); got.how != "done" {
			t.Fatal(got)
		}
	}
	if open {
		t.Error("the gate is open while the goroutine is awake")
	}
}
