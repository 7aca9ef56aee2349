// Package loop holds many short TCP conversations at once, in one goroutine: connect, send, receive, and end by
// a reset. It knows nothing of what is said, and leaves what takes longer than usual to its callers.
//
// A conversation that goes well needs nine system calls and no goroutine, timer, context or memory of its own:
//
//	socket, setsockopt  TCP_QUICKACK off: the acknowledgement of the handshake travels with what is sent
//	connect             returns at once
//	epoll_ctl           once a socket, edge-triggered: connected and received are both told
//	getsockname         whether it is connected to itself
//	sendto, read
//	setsockopt, close   SO_LINGER of 0: a reset. An end by FIN would need three more packets and, where the
//	                    other end has not closed, leave a port of this host unusable for a minute
//
// One epoll_wait tells of many conversations. The goroutine waits at a gate (gate_linux.go) that Go's network
// poller watches, as it would for any other file, and blocks no thread.
package loop

import "net"

// Caller is who holds a conversation. Its methods are called by the loop, must not block, and must not panic.
// Exactly one of Done, Unopened and Left ends each conversation; another may then begin.
type Caller interface {
	// Received tells all that has been received so far. The bytes are valid until it returns.
	Received(data []byte) Answer

	// Done tells that all is over: the connection was opened, everything sent and, if something was to be
	// received, Received said Enough.
	Done()

	// Unopened tells that no connection could be opened, by an error such as net.Dialer returns. It is
	// context.Canceled after an Abort, which may come at any stage.
	Unopened(err error)

	// Left tells that the conversation is to go on elsewhere: it has failed or passed its deadline, or Received
	// said Odd, or it takes more than the loop gives to each.
	Left(Rest)
}

// Answer is what a caller says of what was received.
type Answer uint8

const (
	More   Answer = iota // has to come
	Enough               // has come
	Odd                  // others have to look at it
)

// Rest is what is left of a conversation.
type Rest struct {
	Conn     net.Conn // what has been received is read from it again; it is closed by whoever gets it
	Unsent   []byte   // what the loop has not sent
	WriteErr error    // of sending
}

const (
	// maxKept is how much is received of a conversation, and maxReads in how many pieces, before it is left.
	maxKept  = 16 << 10
	maxReads = 8

	// together is how many conversations begin before those under way have their turn. As long as others begin,
	// an answer lies unread, and seems to come later than it does.
	together = 8
)
