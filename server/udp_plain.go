package server

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/net/ipv6"
)

// plainSocket reads and answers one datagram at a time, by several goroutines. It is the way
// wherever there is no other.
type plainSocket struct {
	conn    *net.UDPConn
	readers int
}

func (p *plainSocket) Close() error { return p.conn.Close() }

func (p *plainSocket) serve(ctx context.Context, u *udpServer) {
	settle := onEnd(ctx, func() { _ = p.conn.SetReadDeadline(past()) })
	var reading sync.WaitGroup
	for range p.readers {
		reading.Go(func() { p.read(ctx, u) })
	}
	reading.Wait()
	settle()
	p.drain(u)
	_ = p.conn.Close()
}

// read answers one datagram after the other until ctx ends.
func (p *plainSocket) read(ctx context.Context, u *udpServer) {
	reader := p.newReader(u)
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
func (p *plainSocket) drain(u *udpServer) {
	until := time.Now().Add(u.limits.Drain)
	if p.conn.SetReadDeadline(until) != nil {
		return
	}
	reader := p.newReader(u)
	for received(p.conn) && time.Now().Before(until) {
		if reader.answerOne() != nil {
			return
		}
	}
}

// plainReader is what one goroutine needs to answer at a UDP socket.
type plainReader struct {
	*responder
	conn *net.UDPConn
	in   []byte
	oob  []byte
}

func (p *plainSocket) newReader(u *udpServer) *plainReader {
	return &plainReader{
		responder: u.newResponder(),
		conn:      p.conn,
		in:        make([]byte, 1<<16),
		// IPv6's control message is the larger one.
		oob: ipv6.NewControlMessage(ipv6.FlagDst | ipv6.FlagInterface),
	}
}

// answerOne waits for a datagram and answers it. Its error is of reading; a reply that
// cannot be sent is counted, since only its client could do anything about it.
func (r *plainReader) answerOne() error {
	n, oobn, _, client, err := r.conn.ReadMsgUDPAddrPort(r.in, r.oob)
	if err != nil {
		return err
	}
	out := r.respond(r.in[:n], unmap(client))
	if out == nil {
		return nil
	}
	if _, _, err := r.conn.WriteMsgUDPAddrPort(out, fromWhere(r.oob[:oobn]), client); err != nil {
		r.meter.drop(dropSend)
	}
	return nil
}
