package loop

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// None of these calls blocks. So they are made without telling Go's scheduler, which would otherwise give the
// processor to another thread in the middle of a long one: connect over loopback takes both ends' handshake.

// peer is the address of the other end, as the kernel wants it.
type peer struct {
	raw    unix.RawSockaddrInet6 // or the shorter RawSockaddrInet4, in its place
	length uint32
}

func newPeer(to netip.AddrPort) (p peer) {
	var port uint16
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&port))[:], to.Port())
	if to.Addr().Is4() {
		*(*unix.RawSockaddrInet4)(unsafe.Pointer(&p.raw)) = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: to.Addr().As4()}
		p.length = unix.SizeofSockaddrInet4
		return p
	}
	p.raw = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: to.Addr().As16()}
	p.length = unix.SizeofSockaddrInet6
	return p
}

// addr is the address as package net has it.
func (p *peer) addr() net.Addr {
	var port [2]byte
	*(*uint16)(unsafe.Pointer(&port)) = p.raw.Port
	ip := net.IP(p.raw.Addr[:])
	if p.raw.Family == unix.AF_INET {
		ip = (*unix.RawSockaddrInet4)(unsafe.Pointer(&p.raw)).Addr[:]
	}
	return &net.TCPAddr{IP: slices.Clone(ip), Port: int(binary.BigEndian.Uint16(port[:]))}
}

// socket opens a socket of the peer's family.
func (p *peer) socket() (int32, error) {
	fd, _, errno := unix.RawSyscall(unix.SYS_SOCKET, uintptr(p.raw.Family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	return int32(fd), failure("socket", errno)
}

// connect begins to connect. The end comes as an event, but for errors that this host knows at once.
func (p *peer) connect(fd int32) error {
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&p.raw)), uintptr(p.length))
	if errno == unix.EINPROGRESS {
		return nil
	}
	return failure("connect", errno)
}

// isSelf says whether a socket is connected to itself: the kernel may give it, as its own, the port of this host
// that it is to connect to, where nobody listens, and takes that for both ends opening at once (RFC 9293, section
// 3.5). Package net has the same care.
func (p *peer) isSelf(fd int32) bool {
	var own unix.RawSockaddrInet6
	length := uint32(unsafe.Sizeof(own))
	_, _, errno := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&own)), uintptr(unsafe.Pointer(&length)))
	if errno != 0 || own.Family != p.raw.Family {
		return false
	}
	if own.Family == unix.AF_INET {
		a, b := (*unix.RawSockaddrInet4)(unsafe.Pointer(&own)), (*unix.RawSockaddrInet4)(unsafe.Pointer(&p.raw))
		return a.Port == b.Port && a.Addr == b.Addr
	}
	return own.Port == p.raw.Port && own.Addr == p.raw.Addr
}

// withholdAck has the acknowledgement of the handshake wait for the data that is sent next.
func withholdAck(fd int32) {
	off := int32(0)
	setsockopt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, unsafe.Pointer(&off), unsafe.Sizeof(off))
}

// reset closes a socket at once, whatever is still to be sent or received.
func reset(fd int32) {
	linger := unix.Linger{Onoff: 1}
	setsockopt(fd, unix.SOL_SOCKET, unix.SO_LINGER, unsafe.Pointer(&linger), unsafe.Sizeof(linger))
	shut(fd)
}

func shut(fd int32) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// setsockopt sets an option that a conversation can do without.
func setsockopt(fd int32, level, option uintptr, value unsafe.Pointer, size uintptr) {
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), level, option, uintptr(value), size, 0)
}

// pending is the error that a socket has met.
func pending(fd int32) error {
	var value int32
	size := uint32(unsafe.Sizeof(value))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ERROR,
		uintptr(unsafe.Pointer(&value)), uintptr(unsafe.Pointer(&size)), 0)
	if errno == 0 {
		errno = syscall.Errno(value)
	}
	return failure("connect", errno)
}

func send(fd int32, data []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)),
		unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, failure("write", errno)
	}
	return int(n), nil
}

func receive(fd int32, into []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(into))), uintptr(len(into)))
	if errno != 0 {
		return 0, failure("read", errno)
	}
	return int(n), nil
}

func newEpoll() (int32, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return int32(fd), os.NewSyscallError("epoll_create1", err)
}

// watched is what is told of a socket, each time that it changes.
const watched = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLET

func watch(epoll, fd int32) error {
	event := unix.EpollEvent{Events: watched, Fd: fd}
	return failure("epoll_ctl", control(epoll, unix.EPOLL_CTL_ADD, fd, &event))
}

// unwatch must come before a socket goes into other hands: only the close of its last descriptor ends the watch.
func unwatch(epoll, fd int32) {
	var event unix.EpollEvent
	_ = control(epoll, unix.EPOLL_CTL_DEL, fd, &event)
}

func control(epoll int32, operation uintptr, fd int32, event *unix.EpollEvent) syscall.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epoll), operation, uintptr(fd), uintptr(unsafe.Pointer(event)), 0, 0)
	return errno
}

// poll returns how many events there are at this moment.
func poll(epoll int32, events []unix.EpollEvent) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// asConn makes the connection of package net of a socket, which it closes.
func asConn(fd int32) (net.Conn, error) {
	file := os.NewFile(uintptr(fd), "")
	defer file.Close()
	return net.FileConn(file)
}

func failure(call string, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return os.NewSyscallError(call, errno)
}
