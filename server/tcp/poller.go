package tcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"gslb/server/wait"
)

// poller waits for many sockets at once. It has an epoll descriptor of its own. While there is
// traffic it waits in the kernel without the knowledge of Go's scheduler, for wait.Busy at most
// (see package wait); a signal ends such a wait (signal(7)). After that it waits for its descriptor
// with Go's network poller: a goroutine that waits there holds neither a thread nor a processor.
//
// It belongs to one goroutine, except for wake.
type poller struct {
	fd     int
	file   *os.File // fd, as Go's network poller knows it
	raw    syscall.RawConn
	wakeFD int // an eventfd

	now    time.Time // of the last events
	events []unix.EpollEvent
	ready  int                // of events
	poll   func(uintptr) bool // made once, since a closure is allocated
	one    []byte             // what is written to wakeFD
	count  []byte             // what is read of it

	armed  time.Time // the deadline of waiting; zero: it has passed
	turnBy time.Time // when the goroutine has to let others run
}

// token says what an event is about: a connection's slot and the generation of what is in
// it, or one of the negative numbers below.
type token struct{ slot, generation int32 }

const (
	wakeSlot     = -1
	listenerSlot = -2 // and below, one for each
)

const (
	eventsAtOnce = 128
	// turn is how long a busy loop may keep a processor. Go's scheduler would let it run ten times
	// as long before it asks the network poller for other goroutines.
	turn = time.Millisecond
)

// newPoller makes a poller; the caller closes it.
func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("server: make an epoll descriptor: %w", err)
	}
	// Only a nonblocking descriptor is given to the network poller by os.NewFile.
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(fmt.Errorf("server: make an epoll descriptor nonblocking: %w", err), unix.Close(fd))
	}
	p := &poller{
		fd:     fd,
		file:   os.NewFile(uintptr(fd), "epoll"),
		events: make([]unix.EpollEvent, eventsAtOnce),
		one:    binary.NativeEndian.AppendUint64(nil, 1),
		count:  make([]byte, 8),
	}
	if err := p.connect(); err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	p.poll = p.pollOnce
	return p, nil
}

func (p *poller) connect() (err error) {
	if p.raw, err = p.file.SyscallConn(); err != nil {
		return fmt.Errorf("server: wait for an epoll descriptor: %w", err)
	}
	if err := p.file.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("server: wait for an epoll descriptor: %w", err)
	}
	if p.wakeFD, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return fmt.Errorf("server: make an eventfd: %w", err)
	}
	if errno := p.add(p.wakeFD, unix.EPOLLIN, token{slot: wakeSlot}); errno != 0 {
		return errors.Join(fmt.Errorf("server: watch an eventfd: %w", errno), unix.Close(p.wakeFD))
	}
	return nil
}

func (p *poller) close() error { return errors.Join(p.file.Close(), unix.Close(p.wakeFD)) }

// add reports events of fd from now on, until fd is closed.
func (p *poller) add(fd int, events uint32, id token) unix.Errno {
	return watch(p.fd, unix.EPOLL_CTL_ADD, fd, unix.EpollEvent{Events: events, Fd: id.slot, Pad: id.generation})
}

// change reports other events of fd.
func (p *poller) change(fd int, events uint32, id token) unix.Errno {
	return watch(p.fd, unix.EPOLL_CTL_MOD, fd, unix.EpollEvent{Events: events, Fd: id.slot, Pad: id.generation})
}

// remove reports nothing of fd any more.
func (p *poller) remove(fd int) { _ = watch(p.fd, unix.EPOLL_CTL_DEL, fd, unix.EpollEvent{}) }

// wait returns events once there are any, or none at a moment that is not later than by.
func (p *poller) wait(by time.Time) []unix.EpollEvent {
	// Setting a deadline costs more than being woken once for nothing.
	if p.armed.IsZero() || by.Before(p.armed) {
		p.armed = by
		_ = p.file.SetReadDeadline(by)
	}
	if err := p.raw.Read(p.poll); err != nil {
		p.ready, p.armed, p.now = 0, time.Time{}, time.Now()
	}
	return p.events[:p.ready]
}

// pollOnce reports whether there are events. If not, it is called again when there may be.
func (p *poller) pollOnce(uintptr) bool {
	if !p.turnBy.IsZero() && p.now.After(p.turnBy) {
		// Waiting for an event that is there already makes the scheduler run others first.
		p.turnBy = time.Time{}
		p.wake()
		return false
	}
	p.ready = pollBusy(p.fd, p.events)
	if p.ready == 0 {
		p.turnBy = time.Time{}
		return false
	}
	p.now = time.Now()
	if p.turnBy.IsZero() {
		p.turnBy = p.now.Add(turn)
	}
	return true
}

// wake makes wait return with an event for wakeSlot. It is safe for concurrent use until
// close.
func (p *poller) wake() {
	_, _ = unix.Write(p.wakeFD, p.one) // fails only if a wake-up is pending already
}

// woken ends the event for wakeSlot.
func (p *poller) woken() { _, _ = unix.Read(p.wakeFD, p.count) }

// The system calls of a loop. None of them blocks or allocates. So the scheduler need not know of
// them, which would cost more than some of the calls themselves.

// accept4 accepts a connection, as a nonblocking socket, and returns its client's address.
func accept4(listener int, from *unix.RawSockaddrAny) (fd int, addr netip.AddrPort, err unix.Errno) {
	size := uint32(unix.SizeofSockaddrAny)
	n, _, err := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), uintptr(unsafe.Pointer(from)),
		uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if err != 0 {
		return -1, netip.AddrPort{}, err
	}
	return int(n), addrPort(from), 0
}

// localAddr is the address that a client has connected to. It is written to at on the way.
func localAddr(fd int, at *unix.RawSockaddrAny) netip.Addr {
	size := uint32(unix.SizeofSockaddrAny)
	_, _, err := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(at)), uintptr(unsafe.Pointer(&size)))
	if err != 0 {
		return netip.Addr{}
	}
	return addrPort(at).Addr()
}

// addrPort converts an address. IPv4 addresses stay IPv4, also at a socket for both families.
func addrPort(from *unix.RawSockaddrAny) netip.AddrPort {
	switch from.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(from))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), networkOrder(in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(from))
		return netip.AddrPortFrom(netip.AddrFrom16(in.Addr).Unmap(), networkOrder(in.Port))
	}
	return netip.AddrPort{}
}

// networkOrder is a port whose bytes lie in memory as they do on the wire.
func networkOrder(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}

// receive reads what has arrived into buf, which is not empty. 0 is the end of the stream.
func receive(fd int, buf []byte) (int, unix.Errno) {
	n, _, err := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])),
		uintptr(len(buf)), 0, 0, 0)
	if err != 0 {
		return 0, err
	}
	return int(n), 0
}

// send writes what the socket takes of buf, which is not empty.
func send(fd int, buf []byte) (int, unix.Errno) {
	n, _, err := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])),
		uintptr(len(buf)), unix.MSG_NOSIGNAL, 0, 0)
	if err != 0 {
		return 0, err
	}
	return int(n), 0
}

// pollBusy fills events with what is ready at an epoll descriptor, or is so within wait.Busy.
func pollBusy(fd int, events []unix.EpollEvent) int {
	n, _, err := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(&events[0])),
		uintptr(len(events)), uintptr(wait.Busy.Milliseconds()), 0, 0)
	if err != 0 {
		return 0
	}
	return int(n)
}

// watch adds, changes or removes (op) what an epoll descriptor reports of fd.
func watch(epoll, op, fd int, event unix.EpollEvent) unix.Errno {
	_, _, err := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epoll), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(&event)), 0, 0)
	return err
}

// closeFD closes a descriptor.
func closeFD(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }
