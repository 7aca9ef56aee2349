// Package udp answers DNS queries over UDP in batches: one goroutine serves a [Socket], and reads
// and sends up to 64 datagrams with one system call each.
package udp

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"gslb/server/meter"
	"gslb/server/respond"
	"gslb/server/tap"
	"gslb/server/wait"
)

// Socket is a UDP socket. Several may share an address; the kernel then spreads the clients over
// them.
//
// It makes the system calls itself, since the packages for that allocate for every address that
// they return (BenchmarkUDP compares). The scheduler does not know of these calls, as package wait
// describes: while there is traffic the socket waits in the read itself, which has a timeout and so
// also ends at a signal (signal(7)). If nothing has come by then, it waits without limit in a call
// that the scheduler knows of.
type Socket struct {
	fd   int
	wake int // an eventfd that is ready once the socket is to be served no longer

	_      [64]byte // so that no other processor's cache line has what follows
	worked atomic.Uint64
	_      [64]byte
}

// newSocket makes a Socket of a descriptor, which is closed if that fails.
func newSocket(fd int) (*Socket, error) {
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("eventfd", err), unix.Close(fd))
	}
	return &Socket{fd: fd, wake: wake}, nil
}

// Worked counts the batches of queries that Serve has dealt with.
func (s *Socket) Worked() uint64 { return s.worked.Load() }

// Share returns another descriptor of the socket, for another process or another worker. What the socket
// holds is read by whoever comes first.
func (s *Socket) Share() (fd int, err error) {
	fd, err = unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
	return fd, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
}

// Close closes a socket that is not served. A second call does nothing.
func (s *Socket) Close() error {
	fd, wake := s.fd, s.wake
	s.fd, s.wake = -1, -1
	if fd < 0 {
		return nil
	}
	return errors.Join(unix.Close(fd), unix.Close(wake))
}

// Serve answers until ctx ends. Then it answers what the socket still holds, for drain at most, and
// closes it.
func (s *Socket) Serve(ctx context.Context, r *respond.Responder, drain time.Duration) {
	settle := wait.OnEnd(ctx, s.endWaiting)
	b := newBatch()
	var pause wait.Backoff
	for ctx.Err() == nil {
		n, err := s.receive(b)
		if err != nil {
			r.Complain("reading from a UDP socket failed; it is tried again", err)
			pause.Wait(ctx)
			continue
		}
		pause.Reset()
		s.answer(b, n, r)
	}
	settle()
	for until := time.Now().Add(drain); time.Now().Before(until); {
		n, errno := s.take(b, unix.MSG_DONTWAIT)
		if errno != 0 || n == 0 {
			break
		}
		s.answer(b, n, r)
	}
	_ = s.Close()
}

// endWaiting makes receive return when the socket is empty. Shutting the socket down would do so too, but
// also in another process that has it.
func (s *Socket) endWaiting() {
	one := [8]byte{1} // of either byte order: not zero
	_, _ = unix.Write(s.wake, one[:])
}

// receive waits for datagrams and returns how many there are. There are none after endWaiting, once the
// socket is empty.
func (s *Socket) receive(b *batch) (int, error) {
	n, errno := s.take(b, unix.MSG_WAITFORONE)
	for errno == unix.EAGAIN || errno == unix.EINTR {
		if errno == unix.EINTR {
			runtime.Gosched() // the scheduler has asked for it
		} else if ended := s.waitIdle(b); ended {
			return 0, nil
		}
		n, errno = s.take(b, unix.MSG_WAITFORONE)
	}
	if errno != 0 {
		return 0, os.NewSyscallError("recvmmsg", errno)
	}
	return n, nil
}

// take reads datagrams, and returns how many there were.
func (s *Socket) take(b *batch, flags uintptr) (int, unix.Errno) {
	for i := range b.in[:b.used] {
		b.in[i].Namelen = unix.SizeofSockaddrInet6
		b.in[i].SetControllen(controlSize)
	}
	n, errno := s.call(unix.SYS_RECVMMSG, b.in[:], flags)
	if errno != 0 {
		b.used = 0 // nothing was written
		if errno != unix.EAGAIN && errno != unix.EINTR {
			b.used = batchSize
		}
		return 0, errno
	}
	b.used = n
	return n, 0
}

// waitIdle waits for a datagram or the end, without limit, and reports whether it is the end. Errors are
// reported by the read that follows.
func (s *Socket) waitIdle(b *batch) (ended bool) {
	b.poll[0] = unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN}
	b.poll[1] = unix.PollFd{Fd: int32(s.wake), Events: unix.POLLIN}
	_, _ = unix.Poll(b.poll[:], -1)
	return b.poll[0].Revents == 0 && b.poll[1].Revents != 0
}

// answer answers the first n datagrams.
func (s *Socket) answer(b *batch, n int, r *respond.Responder) {
	began := r.Now()
	count, filled, chosen := 0, 0, 0
	sample := r.Sample()
	for i := range n {
		out := r.RespondAt(b.datagram(i), b.sender(i), began, b.replies[filled:filled:filled+respond.ReplyRoom])
		if sample != nil && sample.Next() {
			b.sampled[chosen] = sampled{i, out, r.ZoneName()}
			chosen++
		}
		if out == nil {
			continue
		}
		b.reply(count, i, out)
		b.zones[count] = r.Zone()
		count, filled = count+1, filled+len(out)
	}
	took := int(time.Since(began))
	for i := 0; i < count; {
		alike := i + 1
		for alike < count && b.zones[alike] == b.zones[i] {
			alike++
		}
		b.zones[i].Took(took, alike-i)
		i = alike
	}
	s.send(b, count, r)
	s.worked.Add(1)
	if chosen > 0 {
		report(b, b.sampled[:chosen], sample, began, began.Add(time.Duration(took)))
	}
}

// report hands queries and replies to the query log, after the replies have left.
func report(b *batch, chosen []sampled, sample *tap.Sample, began, ended time.Time) {
	for _, c := range chosen {
		query := b.datagram(c.place)
		if !respond.IsQuery(query) {
			continue
		}
		sample.Take(&tap.Message{
			Query: query, Reply: c.reply, Zone: c.zone,
			Client: netip.AddrPortFrom(b.sender(c.place), b.port(c.place)), Server: b.asked(c.place),
			Asked: began, Answered: ended,
		})
	}
	clear(chosen)
}

// send sends the first n replies. A reply that cannot be sent is counted and dropped; sending never
// waits. Replies to addresses of this network that nobody has stay in the socket's buffer until
// address resolution (ARP, ND) fails, which takes seconds, so that a few forged queries can fill
// any buffer.
func (s *Socket) send(b *batch, n int, r *respond.Responder) {
	for sent := 0; sent < n; {
		done, errno := s.call(unix.SYS_SENDMMSG, b.out[sent:n], unix.MSG_DONTWAIT)
		switch errno {
		case 0:
			sent += done
		case unix.EINTR:
		case unix.EAGAIN:
			r.Dropped(meter.DropFull)
			sent++
		default:
			r.Dropped(meter.DropSend)
			sent++
		}
	}
}

// call makes one system call on an array of messages. The scheduler does not know of it.
func (s *Socket) call(number uintptr, messages []mmsghdr, flags uintptr) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(number, uintptr(s.fd), uintptr(unsafe.Pointer(&messages[0])),
		uintptr(len(messages)), flags, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
