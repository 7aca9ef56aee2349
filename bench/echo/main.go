// Command echo sends every UDP query back as its own, empty reply. It shows the cost that no name
// server can avoid on this machine: that of the kernel and of the load, in CPU time a query and in
// latency.
//
//	echo 127.0.0.1:5300
package main

import (
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batchSize = 64
	querySize = 512
	queryBit  = 0x80 // of the third byte of a message: it is a reply (RFC 1035, section 4.1.1)
	minQuery  = 12
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("it takes one argument, the IPv4 address and port to listen at, not %q", args)
	}
	listen, err := netip.ParseAddrPort(args[0])
	if err != nil || !listen.Addr().Is4() {
		return fmt.Errorf("%q is no IPv4 address and port", args[0])
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: listen.Addr().As4(), Port: int(listen.Port())}); err != nil {
		return fmt.Errorf("listen at %v: %w", listen, err)
	}
	for b := newBatch(); ; {
		if err := b.echo(fd); err != nil {
			return err
		}
	}
}

// message is struct mmsghdr of recvmmsg(2).
type message struct {
	unix.Msghdr
	size uint32
}

// batch is where the kernel writes messages and reads them again: nothing in it may move.
type batch struct {
	messages [batchSize]message
	vectors  [batchSize]unix.Iovec
	from     [batchSize]unix.RawSockaddrInet4
	queries  [batchSize][querySize]byte
}

func newBatch() *batch {
	b := new(batch)
	for i := range b.messages {
		b.vectors[i].Base = &b.queries[i][0]
		b.messages[i].Iov = &b.vectors[i]
		b.messages[i].SetIovlen(1)
		b.messages[i].Name = (*byte)(unsafe.Pointer(&b.from[i]))
	}
	return b
}

// echo waits for queries and sends them back.
func (b *batch) echo(fd int) error {
	for i := range b.messages {
		b.vectors[i].SetLen(querySize)
		b.messages[i].Namelen = unix.SizeofSockaddrInet4
	}
	received, errno := b.call(unix.SYS_RECVMMSG, fd, batchSize, unix.MSG_WAITFORONE)
	if errno == unix.EINTR {
		return nil
	}
	if errno != 0 {
		return os.NewSyscallError("recvmmsg", errno)
	}
	for i := range received {
		size := b.messages[i].size
		b.vectors[i].SetLen(int(size))
		if size >= minQuery {
			b.queries[i][2] |= queryBit
		}
	}
	_, _ = b.call(unix.SYS_SENDMMSG, fd, received, 0) // what cannot be sent is lost
	return nil
}

// call makes a system call without telling Go's scheduler, since there is no other goroutine to
// run.
func (b *batch) call(number uintptr, fd, count int, flags uintptr) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(number, uintptr(fd), uintptr(unsafe.Pointer(&b.messages)), uintptr(count), flags, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
