package server

import (
	"context"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// received reports whether a read (or an accept) would find something at once.
func received(conn syscall.Conn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	var ready int
	err = raw.Control(func(fd uintptr) {
		ready, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	})
	return err == nil && ready > 0
}

// onEnd calls wake once ctx has ended. The function that it returns, to be called once,
// waits until that call is over or makes sure that it never comes, so that a deadline set
// afterwards stays.
func onEnd(ctx context.Context, wake func()) (settle func()) {
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(done)
		wake()
	})
	return func() {
		if !cancel() {
			<-done
		}
	}
}

// backoff spaces out attempts at something that keeps failing, such as an accept while
// the process has no file descriptor left. The zero value is ready.
type backoff struct{ next time.Duration }

const (
	backoffFirst = 5 * time.Millisecond
	backoffLast  = time.Second
)

// wait waits twice as long each time until reset, or until ctx ends.
func (b *backoff) wait(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(b.grow()):
	}
}

// grow returns how long to wait: twice as long each time until reset.
func (b *backoff) grow() time.Duration {
	b.next = min(max(2*b.next, backoffFirst), backoffLast)
	return b.next
}

func (b *backoff) reset() { b.next = 0 }
