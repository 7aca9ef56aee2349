package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/net/ipv6"
)

// udpSocket answers at one UDP socket. Its readers share the socket and nothing else.
type udpSocket struct {
	conn         *net.UDPConn
	limits       Limits
	logger       *slog.Logger
	newResponder func() *responder
}

// run answers until ctx ends, then what the socket still holds, and closes it.
func (u *udpSocket) run(ctx context.Context) {
	settle := onEnd(ctx, func() { _ = u.conn.SetReadDeadline(past()) })
	var readers sync.WaitGroup
	for range u.limits.UDPReaders {
		readers.Go(func() { u.serve(ctx) })
	}
	readers.Wait()
	settle()
	u.drain()
	_ = u.conn.Close()
}

// serve answers one datagram after the other until ctx ends.
func (u *udpSocket) serve(ctx context.Context) {
	reader := u.newReader()
	var pause backoff
	for ctx.Err() == nil {
		err := reader.answerOne()
		switch {
		case err == nil:
			pause.reset()
		case errors.Is(err, os.ErrDeadlineExceeded):
			// Only the end of ctx sets a deadline.
		default:
			reader.meter.complain(u.logger, "reading from a UDP socket failed; it is tried again", err)
			pause.wait(ctx)
		}
	}
}

// drain answers what was received before the readers stopped, for Limits.Drain at most.
func (u *udpSocket) drain() {
	until := time.Now().Add(u.limits.Drain)
	if u.conn.SetReadDeadline(until) != nil {
		return
	}
	reader := u.newReader()
	for received(u.conn) && time.Now().Before(until) {
		if reader.answerOne() != nil {
			return
		}
	}
}

// udpReader is what one goroutine needs to answer at a UDP socket.
type udpReader struct {
	*responder
	conn *net.UDPConn
	in   []byte
	oob  []byte
}

func (u *udpSocket) newReader() *udpReader {
	return &udpReader{
		responder: u.newResponder(),
		conn:      u.conn,
		in:        make([]byte, 1<<16),
		// IPv6's control message is the larger one.
		oob: ipv6.NewControlMessage(ipv6.FlagDst | ipv6.FlagInterface),
	}
}

// answerOne waits for a datagram and answers it. Its error is of reading; a reply that
// cannot be sent is counted, since only its client could do anything about it.
func (r *udpReader) answerOne() error {
	n, oobn, _, client, err := r.conn.ReadMsgUDPAddrPort(r.in, r.oob)
	if err != nil {
		return err
	}
	out := r.respond(r.in[:n], unmap(client))
	if out == nil {
		return nil
	}
	if _, _, err := r.conn.WriteMsgUDPAddrPort(out, fromWhere(r.oob[:oobn]), client); err != nil {
		r.meter.dropped(dropSend)
	}
	return nil
}

func unmap(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}
