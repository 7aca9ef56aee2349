package probe

import (
	"context"
	"errors"
	"net"
	"time"
)

// attempt is how one try to open a connection ended.
type attempt struct {
	conn net.Conn
	err  error
}

// open opens a connection, so that one lost packet does not fail a probe: the kernel
// repeats a SYN after a second (RFC 6298, section 2), Go's resolver a query after five, and
// a probe may have less time than that in all. What has not opened after a third of the
// time is tried a second time, from the look-up on, while the first try goes on; where that
// look-up has no answer either, at the next name server.
//
//	first attempt                   second attempt      what counts
//	ends within a third             is not made         the first, whatever it is
//	is silent for a third           opens before it     the second; the first is ended
//	opens after all                 is silent or fails  the first; the second is ended
//	gets an answer, "refused"       is silent           that answer; the second is ended
//	is silent                       gets an answer      that answer; the first is ended
//	fails in this host, times out   whatever it is      the second, if it opens or gets an answer
//
// If both end alike, the first counts. The other connection is closed before open returns.
func (n *network) open(ctx context.Context, transport, address string) (net.Conn, error) {
	deadline, limited := ctx.Deadline()
	if !limited {
		return n.dial(ctx, transport, address)
	}
	// Its end cancels the other attempt. A connection that is open does not depend on it.
	ctx, decided := context.WithCancel(ctx)
	defer decided()

	second := make(chan attempt, 1)
	again := time.AfterFunc(time.Until(deadline)/3, func() {
		conn, err := n.redial(ctx, transport, address)
		if isAnswer(address, err) {
			decided()
		}
		second <- attempt{conn, err}
	})

	conn, err := n.dial(ctx, transport, address)
	if again.Stop() {
		return conn, err
	}
	if isAnswer(address, err) {
		decided()
	}
	other := <-second
	switch {
	case err == nil:
		if other.conn != nil {
			other.conn.Close()
		}
		return conn, nil
	case other.err == nil, !isAnswer(address, err) && isAnswer(address, other.err):
		return other.conn, other.err
	}
	return nil, err
}

// isAnswer says whether the target, or the network on the way, ended an attempt. Silence is not an
// answer, nor is a fault of this host.
func isAnswer(address string, err error) bool {
	if err == nil {
		return true
	}
	if errors.Is(err, context.Canceled) {
		return false
	}
	reason := reasonOf(dialFault(address, err))
	return reason != "local" && reason != "timeout"
}

// directDial opens connections with a resolver of its own. A resolver joins concurrent lookups of
// the same name, so that the two attempts of a probe need two resolvers.
func directDial(nameServers dialer) dialer {
	// A probe's connection is too short-lived for keep-alives, and arming them costs four
	// system calls.
	return (&net.Dialer{KeepAlive: -1, Resolver: newResolver(nameServers)}).DialContext
}
