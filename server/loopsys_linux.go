package server

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of a loop. None of them blocks, so that the scheduler need not be told of
// them, which would cost more than some of them do; and none allocates.

// accept4 accepts a connection, as a nonblocking socket, and returns its client's address.
func accept4(listener int, from *unix.RawSockaddrAny) (fd int, addr netip.AddrPort, err unix.Errno) {
	size := uint32(unix.SizeofSockaddrAny)
	n, _, err := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), uintptr(unsafe.Pointer(from)),
		uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if err != 0 {
		return -1, netip.AddrPort{}, err
	}
	return int(n), clientAddr(from), 0
}

// clientAddr is an address as Go has it. An IPv4 address is one, also at a socket for both
// families.
func clientAddr(from *unix.RawSockaddrAny) netip.AddrPort {
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

// pollBusy fills events with what is ready at an epoll descriptor, or is so within busyWait.
func pollBusy(fd int, events []unix.EpollEvent) int {
	n, _, err := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(&events[0])),
		uintptr(len(events)), uintptr(busyWait.Milliseconds()), 0, 0)
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
