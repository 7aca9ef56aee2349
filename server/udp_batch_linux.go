package server

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSocket reads and answers up to batchSize datagrams with one system call each way. One
// goroutine does all of it.
//
// It makes the calls by itself because the packages that would do so allocate for every
// address that they report (BenchmarkUDP compares).
//
// While there is traffic it waits in the read itself, and does not tell the Go scheduler that
// it is in the kernel: being told, the scheduler would give the processor away and hand the
// goroutine to another thread, many times for each batch, which costs as much as answering. Two
// things make that safe. The wait is over after busyWait, and when nothing has come by then, the
// scheduler is told, and the wait has no end. And a signal ends it as well, because the socket
// has a timeout (signal(7)): by signals the scheduler stops a goroutine for garbage collection.
type batchSocket struct{ fd int }

// busyWait is how long a read may keep a processor from the scheduler. The kernel rounds it up
// to its own tick.
const busyWait = time.Millisecond

func (s *batchSocket) Close() error { return unix.Close(s.fd) }

// serve stops waiting once ctx has ended, because reading is shut down then; what the socket
// holds can still be read.
func (s *batchSocket) serve(ctx context.Context, u *udpServer) {
	settle := onEnd(ctx, func() { _ = unix.Shutdown(s.fd, unix.SHUT_RD) })
	b, r := newBatch(), u.newResponder()
	var pause backoff
	for ctx.Err() == nil {
		n, err := s.receive(b)
		if err != nil {
			r.meter.complain(u.logger, "reading from a UDP socket failed; it is tried again", err)
			pause.wait(ctx)
			continue
		}
		pause.reset()
		s.answer(b, n, r)
	}
	settle()
	s.drain(b, r, time.Now().Add(u.limits.Drain))
	_ = s.Close()
}

// drain answers what the socket still holds.
func (s *batchSocket) drain(b *batch, r *responder, until time.Time) {
	for time.Now().Before(until) {
		n, err := s.receive(b)
		if err != nil || n == 0 {
			return
		}
		s.answer(b, n, r)
	}
}

// receive waits for datagrams and returns how many there are. There are none once reading is
// shut down and all have been read.
func (s *batchSocket) receive(b *batch) (int, error) {
	for i := range b.in[:b.used] {
		b.in[i].Namelen = unix.SizeofSockaddrInet6
		b.in[i].SetControllen(controlSize)
	}
	n, errno := s.call(unix.SYS_RECVMMSG, b.in[:], unix.MSG_WAITFORONE)
	for errno == unix.EAGAIN || errno == unix.EINTR {
		if errno == unix.EAGAIN {
			s.waitIdle(b)
		} else {
			runtime.Gosched() // the scheduler has asked for it
		}
		n, errno = s.call(unix.SYS_RECVMMSG, b.in[:], unix.MSG_WAITFORONE)
	}
	if errno != 0 {
		b.used = batchSize
		return 0, os.NewSyscallError("recvmmsg", errno)
	}
	b.used = n
	for i := range n {
		if b.in[i].Namelen == 0 { // no sender: the end
			return i, nil
		}
	}
	return n, nil
}

// waitIdle waits for a datagram, or the end, however long it takes. What goes wrong, the read
// that follows says.
func (s *batchSocket) waitIdle(b *batch) {
	b.poll[0] = unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN}
	_, _ = unix.Poll(b.poll[:], -1)
}

// answer answers the first n datagrams.
func (s *batchSocket) answer(b *batch, n int, r *responder) {
	began := r.clock.now()
	count, filled := 0, 0
	for i := range n {
		out := r.respondAt(b.datagram(i), b.sender(i), began, b.replies[filled:filled:filled+replySize])
		if out == nil {
			continue
		}
		b.reply(count, i, out)
		b.zones[count] = r.zone
		count, filled = count+1, filled+len(out)
	}
	took := int(time.Since(began))
	for i := 0; i < count; {
		alike := i + 1
		for alike < count && b.zones[alike] == b.zones[i] {
			alike++
		}
		b.zones[i].duration.add(took, alike-i)
		i = alike
	}
	s.send(b, count, r)
}

// send sends the first n replies. One that cannot be sent is counted, since only its client
// could do anything about it.
func (s *batchSocket) send(b *batch, n int, r *responder) {
	for sent := 0; sent < n; {
		done, errno := s.call(unix.SYS_SENDMMSG, b.out[sent:n], 0)
		switch errno {
		case 0:
			sent += done
		case unix.EINTR:
		default:
			r.meter.drop(dropSend)
			sent++
		}
	}
}

// call makes one system call on an array of messages, unknown to the scheduler.
func (s *batchSocket) call(number uintptr, messages []mmsghdr, flags uintptr) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(number, uintptr(s.fd), uintptr(unsafe.Pointer(&messages[0])),
		uintptr(len(messages)), flags, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// bindUDP opens sockets for one address, one for each worker. Several share it by
// SO_REUSEPORT, which is set only once the first has the address to itself: otherwise two
// servers could be started at one address, and each would be asked only sometimes.
func bindUDP(addr netip.AddrPort, family string, limits Limits) ([]udpSocket, error) {
	var sockets []udpSocket
	closeAll := func() {
		for _, s := range sockets {
			_ = s.Close()
		}
	}
	for i := range limits.Workers {
		fd, err := unix.Socket(domain(addr), unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			closeAll()
			return nil, os.NewSyscallError("socket", err)
		}
		sockets = append(sockets, &batchSocket{fd: fd})
		shared := limits.Workers > 1
		if err := configureBatch(fd, addr, family, limits.UDPBuffer, shared && i > 0); err != nil {
			closeAll()
			return nil, err
		}
		if shared && i == 0 {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
				closeAll()
				return nil, os.NewSyscallError("SO_REUSEPORT", err)
			}
		}
	}
	return sockets, nil
}

func domain(addr netip.AddrPort) int {
	if addr.Addr().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// configureBatch sets a socket's options, as package net and configureUDP would, and binds it.
func configureBatch(fd int, addr netip.AddrPort, family string, buffer int, share bool) error {
	type option struct {
		name              string
		level, opt, value int
	}
	options := []option{{"SO_RCVBUF", unix.SOL_SOCKET, unix.SO_RCVBUF, buffer}}
	if share {
		options = append(options, option{"SO_REUSEPORT", unix.SOL_SOCKET, unix.SO_REUSEPORT, 1})
	}
	ip := addr.Addr()
	if ip.Is6() {
		only := 1
		if family == "" {
			only = 0
		}
		options = append(options, option{"IPV6_V6ONLY", unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only})
	}
	if ip.IsUnspecified() {
		if ip.Is4() {
			options = append(options, option{"IP_PKTINFO", unix.IPPROTO_IP, unix.IP_PKTINFO, 1})
		} else {
			options = append(options, option{"IPV6_RECVPKTINFO", unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1})
		}
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.opt, o.value); err != nil {
			return os.NewSyscallError("setsockopt "+o.name, err)
		}
	}
	ignorePathMTU(fd, ip)
	timeout := unix.NsecToTimeval(int64(busyWait))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return os.NewSyscallError("setsockopt SO_RCVTIMEO", err)
	}
	sa, err := sockaddr(addr)
	if err != nil {
		return err
	}
	return os.NewSyscallError("bind", unix.Bind(fd, sa))
}

// ignorePathMTU has the kernel believe nobody who says that a path takes only small packets: by
// that, a forger could have replies cut into fragments, and put in one of his own (RFC 9715,
// section 3.1). No reply is as long as what every path takes anyway. Kernels that know no such
// option do without.
func ignorePathMTU(fd int, ip netip.Addr) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT)
	if ip.Is6() {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_OMIT)
	}
}

func sockaddr(addr netip.AddrPort) (unix.Sockaddr, error) {
	ip := addr.Addr()
	if ip.Is4() {
		return &unix.SockaddrInet4{Port: int(addr.Port()), Addr: ip.As4()}, nil
	}
	sa := &unix.SockaddrInet6{Port: int(addr.Port()), Addr: ip.As16()}
	if zone := ip.Zone(); zone != "" {
		link, err := net.InterfaceByName(zone)
		if err != nil {
			return nil, fmt.Errorf("interface %s: %w", zone, err)
		}
		sa.ZoneId = uint32(link.Index)
	}
	return sa, nil
}
