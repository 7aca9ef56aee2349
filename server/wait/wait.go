// Package wait is how both transports wait: how long in the kernel, how long after a fault, and how
// the end of a context ends it.
//
// # In the kernel
//
// While there is traffic, a worker makes its system calls without telling Go's scheduler. If it
// told, the scheduler would take away the worker's processor (its P) and move the goroutine to
// another thread, many times for each batch, which costs as much as answering. But a goroutine that
// sleeps in such a call keeps its P, and the next garbage collection has to wait, and with it the
// whole process, since it stops every P first. So a call that the scheduler does not know of either
// cannot sleep (sockets are nonblocking, sends have MSG_DONTWAIT), or sleeps for [Busy] at most and
// ends at a signal, by which the scheduler asks a goroutine to stop. The scheduler knows of every
// longer wait.
package wait

import (
	"context"
	"time"
)

// Busy is how long a system call may sleep with its P. The kernel rounds it up to its own tick.
const Busy = time.Millisecond

// OnEnd calls wake once ctx has ended. The function that it returns, to be called once, waits
// until that call is over or makes sure that it never comes.
func OnEnd(ctx context.Context, wake func()) (settle func()) {
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

// Backoff spaces out attempts at something that keeps failing, such as an accept while the
// process has no file descriptor left. The zero value is ready.
type Backoff struct{ next time.Duration }

// The shortest and the longest pause of a [Backoff].
const (
	Shortest = 5 * time.Millisecond
	Longest  = time.Second
)

// Wait waits twice as long each time until Reset, or until ctx ends.
func (b *Backoff) Wait(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(b.Grow()):
	}
}

// Grow returns how long to wait: twice as long each time until Reset.
func (b *Backoff) Grow() time.Duration {
	b.next = min(max(2*b.next, Shortest), Longest)
	return b.next
}

// Reset makes the next pause the shortest.
func (b *Backoff) Reset() { b.next = 0 }
