package loop

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// gate is what a goroutine waits at for events of an epoll, as it would for any other file. Go's network poller
// looks at the gate, which is an epoll with one member, the one that has the sockets. It is open only while
// the goroutine waits.
//
// Were the sockets' epoll itself in the hands of the poller, each event would wake an idle thread, also while the
// goroutine is awake and sees the event anyway: two switches of threads a conversation, which cost as much as all
// its system calls.
type gate struct {
	file   *os.File
	raw    syscall.RawConn
	fd     int32
	inside int32 // the epoll that has the sockets
	open   bool
}

// newGate makes a gate before an epoll.
func newGate(inside int32) (*gate, error) {
	fd, err := newEpoll()
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(int(fd), true); err != nil { // or the network poller does not take it
		shut(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	g := &gate{file: os.NewFile(uintptr(fd), "epoll"), fd: fd, inside: inside}
	if errno := g.set(unix.EPOLL_CTL_ADD, 0); errno != 0 {
		err = os.NewSyscallError("epoll_ctl", errno)
	} else {
		g.raw, err = g.file.SyscallConn()
	}
	if err != nil {
		_ = g.file.Close()
		return nil, err
	}
	return g, nil
}

// wait calls look until it returns true, and in between waits for events. It fails at the deadline, or as soon as
// a deadline is set that is over.
func (g *gate) wait(look func(uintptr) bool) error {
	err := g.raw.Read(look)
	g.close()
	return err
}

// pass opens the gate: the next event wakes the goroutine, as does one that is there already.
func (g *gate) pass() {
	g.close()
	g.open = true
	g.set(unix.EPOLL_CTL_MOD, unix.EPOLLIN)
}

// close has further events wake nobody. An event that was seen closes the gate by itself (EPOLLONESHOT), once it
// is fetched. Whatever else it has seen must be fetched too, since it does not open while something is left.
func (g *gate) close() {
	if !g.open {
		return
	}
	g.open = false
	var event [1]unix.EpollEvent
	if poll(g.fd, event[:]) == 0 {
		g.set(unix.EPOLL_CTL_MOD, 0)
		poll(g.fd, event[:])
	}
}

func (g *gate) set(operation uintptr, events uint32) syscall.Errno {
	event := unix.EpollEvent{Events: events | unix.EPOLLONESHOT}
	return control(g.fd, operation, g.inside, &event)
}

// wakeAt has wait fail at a time.
func (g *gate) wakeAt(t time.Time) { _ = g.file.SetReadDeadline(t) }
