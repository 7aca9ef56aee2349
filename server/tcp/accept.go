package tcp

import (
	"time"

	"golang.org/x/sys/unix"

	"gslb/server/respond"
	"gslb/server/wait"
)

// loopListener is a listening socket as one loop sees it.
type loopListener struct {
	*Listener
	fd        int
	token     token
	responder *respond.Responder
	from      unix.RawSockaddrAny // of the client just accepted

	pause  wait.Backoff
	paused time.Time // until when nothing is accepted; zero: accepting
}

// acceptAtOnce is how many connections a loop accepts before it serves those that it has. Some of
// these may have ended, and must not count against new ones.
const acceptAtOnce = 16

// crowdPause is how long a loop accepts nothing while too many descriptors wait to be closed.
const crowdPause = time.Millisecond

// watch makes the loop accept connections at a listener. All loops watch it, but the kernel need
// not wake all of them for one connection.
func (l *loop) watch(listener *loopListener) unix.Errno {
	return l.poller.add(listener.fd, unix.EPOLLIN|unix.EPOLLEXCLUSIVE, listener.token)
}

// accept accepts connections that wait. It returns false if none is left, or if accepting has to
// pause.
func (l *loop) accept(listener *loopListener) (more bool) {
	for range acceptAtOnce {
		if l.server.crowded() {
			l.pauseAccepting(listener, crowdPause)
			return false
		}
		fd, addr, errno := accept4(listener.fd, &listener.from)
		switch errno {
		case 0:
			listener.pause.Reset()
			l.now = time.Now() // the table evicts by age
			l.admit(listener, fd, addr)
		case unix.EAGAIN:
			return false
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			// The listener stays ready, so that the loop would spin without a pause.
			l.server.acceptFailed(errno)
			l.pauseAccepting(listener, listener.pause.Grow())
			return false
		default:
			// An error of one connection before it was accepted (accept(2)).
		}
	}
	return true
}

// pauseAccepting stops accepting for a while.
func (l *loop) pauseAccepting(listener *loopListener, wait time.Duration) {
	l.poller.remove(listener.fd)
	listener.paused = l.now.Add(wait)
}

// resumeAccepting ends a pause.
func (l *loop) resumeAccepting(listener *loopListener) {
	listener.paused = time.Time{}
	if errno := l.watch(listener); errno != 0 {
		l.server.acceptFailed(errno)
		listener.paused = l.now.Add(listener.pause.Grow())
	}
}

// acceptBacklog accepts the connections that were made before the server began to stop.
func (l *loop) acceptBacklog(listener *loopListener, by time.Time) {
	if listener.paused.IsZero() {
		l.poller.remove(listener.fd)
	}
	for more := true; more && l.now.Before(by); {
		more = l.accept(listener)
	}
}
