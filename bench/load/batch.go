package load

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batchSize = 64
	replySize = 4096
	// controlSize is that of a control message with struct in_pktinfo (ip(7)), which has the
	// address that a datagram is sent from.
	controlSize = 32
)

// datagram is struct mmsghdr (recvmmsg(2)).
type datagram struct {
	unix.Msghdr
	size uint32
}

// batch is where the kernel reads and writes datagrams: nothing in it may move.
type batch struct {
	datagrams [batchSize]datagram
	vectors   [batchSize]unix.Iovec
	server    unix.RawSockaddrInet4
	controls  [batchSize][controlSize]byte
	replies   [batchSize][replySize]byte
}

// newOut is a batch to send. With sources, each datagram has the address of the server and that
// of its source; otherwise the socket has both.
func newOut(server netip.AddrPort, sources bool) *batch {
	b := new(batch)
	b.server = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: server.Addr().As4()}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&b.server.Port))[:], server.Port())
	for i := range b.datagrams {
		header := &b.datagrams[i].Msghdr
		header.Iov = &b.vectors[i]
		header.SetIovlen(1)
		if !sources {
			continue
		}
		header.Name, header.Namelen = (*byte)(unsafe.Pointer(&b.server)), unix.SizeofSockaddrInet4
		header.Control = &b.controls[i][0]
		header.SetControllen(controlSize)
		control := (*unix.Cmsghdr)(unsafe.Pointer(&b.controls[i]))
		control.Level, control.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
		control.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
	}
	return b
}

// newIn is a batch to receive.
func newIn() *batch {
	b := new(batch)
	for i := range b.datagrams {
		b.vectors[i].Base = &b.replies[i][0]
		b.vectors[i].SetLen(replySize)
		b.datagrams[i].Iov = &b.vectors[i]
		b.datagrams[i].SetIovlen(1)
	}
	return b
}

// set makes a message the content of a datagram.
func (b *batch) set(i int, message []byte) {
	b.vectors[i].Base = &message[0]
	b.vectors[i].SetLen(len(message))
}

// setSource sets the address that a datagram is sent from.
func (b *batch) setSource(i int, source netip.Addr) {
	info := (*unix.Inet4Pktinfo)(unsafe.Pointer(&b.controls[i][unix.CmsgLen(0)]))
	info.Spec_dst = source.As4()
}

// message is what a datagram that was received has.
func (b *batch) message(i int) []byte { return b.replies[i][:b.datagrams[i].size] }

// send sends the first so many datagrams. Those that the kernel has no room for, or nobody to
// receive, are lost.
func (b *batch) send(fd, count int) error {
	for first := 0; first < count; {
		sent, errno := b.call(unix.SYS_SENDMMSG, fd, first, count-first)
		switch errno {
		case 0:
			first += sent
		case unix.EINTR:
		case unix.EAGAIN, unix.ENOBUFS, unix.ECONNREFUSED:
			first++
		default:
			return errno
		}
	}
	return nil
}

// receive takes the datagrams that are there, and returns how many.
func (b *batch) receive(fd int) (int, error) {
	for {
		switch count, errno := b.call(unix.SYS_RECVMMSG, fd, 0, batchSize); errno {
		case 0:
			return count, nil
		case unix.EAGAIN:
			return 0, nil
		case unix.EINTR, unix.ECONNREFUSED: // the latter is of a query before, which is lost
		default:
			return 0, errno
		}
	}
}

// call makes a system call that does not block, from a datagram on.
func (b *batch) call(number uintptr, fd, first, count int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(number, uintptr(fd), uintptr(unsafe.Pointer(&b.datagrams[first])), uintptr(count), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
