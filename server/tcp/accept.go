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

// acceptAtOnce is how many connections a loop accepts before it looks at those that it has,
// of which some may have ended, and must not count against those who come.
const acceptAtOnce = 16

// crowdPause is how long a loop accepts nothing while too many descriptors wait to be closed.
const crowdPause = time.Millisecond

// watch makes the loop accept what comes in at a listener. All loops watch it; the kernel need
// not wake every one of them for one connection.
func (l *loop) watch(listener *loopListener) unix.Errno {
	return l.poller.add(listener.fd, unix.EPOLLIN|unix.EPOLLEXCLUSIVE, listener.token)
}

// accept takes in connections that wait. It returns false if there is none left, or none can
// be had for the moment.
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
			l.now = time.Now() // who came first must be known, should one have to go
			l.admit(listener, fd, addr)
		case unix.EAGAIN:
			return false
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			// It stays ready, so that watching on would only burn time.
			l.server.acceptFailed(errno)
			l.pauseAccepting(listener, listener.pause.Grow())
			return false
		default:
			// What became of one connection before it was accepted (accept(2)).
		}
	}
	return true
}

// pauseAccepting has nothing accepted for a while.
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

// acceptBacklog takes in the connections that were made before the server began to stop.
func (l *loop) acceptBacklog(listener *loopListener, by time.Time) {
	if listener.paused.IsZero() {
		l.poller.remove(listener.fd)
	}
	for more := true; more && l.now.Before(by); {
		more = l.accept(listener)
	}
}
