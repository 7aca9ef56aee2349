package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"
)

// maxHeader bounds the bytes of a response before its body, interim responses included.
const maxHeader = 64 << 10

// response is the header of a response on a connection that is still open, so
// that its body can be read.
type response struct {
	*http.Response
	network *network
	conn    *connection
	reader  *bufio.Reader    // of the connection; nil: HTTP/2
	client  *http.ClientConn // of HTTP/2
	trace   *trace
	read    *bodyTrace // nil: nothing was read of the body, or nothing is traced
}

// exchange opens a connection, sends one request as it is, and returns the response once
// its header is there. An error of it is a fault.
//
// It does what net/http's Transport does for a connection that is used once. Without the
// Transport's pool and its two goroutines for each connection, it needs half of the allocations and
// less than half of the processor time outside the kernel. It also knows the stage of every error.
func (n *network) exchange(ctx context.Context, to endpoint, method string, request []byte) (*response, error) {
	conn, err := n.connect(ctx, to)
	if err != nil {
		return nil, err
	}
	// A server may answer and close before it has read everything, so that writing fails although
	// there is a response.
	began, trace := time.Now(), traceOf(ctx)
	_, writeErr := conn.Write(request)
	trace.sent(request, began, writeErr)
	return n.receive(ctx, conn, method, writeErr)
}

// receive returns the response to a request that was sent, as far as that went.
func (n *network) receive(ctx context.Context, conn *connection, method string, writeErr error) (*response, error) {
	trace := traceOf(ctx)
	tap := trace.tap(conn)
	input := &io.LimitedReader{R: tap.reader(conn), N: maxHeader}
	reader := n.borrow(input)
	header, err := readResponse(reader, method)
	tap.header(reader.Buffered(), err)
	if err != nil {
		conn.close()
		n.giveBack(reader)
		switch {
		case input.N <= 0:
			return nil, conn.fault(waiting, fmt.Errorf("its header is longer than %d bytes", maxHeader))
		case writeErr != nil:
			return nil, conn.fault(sending, writeErr)
		}
		return nil, conn.fault(waiting, err)
	}
	n.clocks.note(conn.raw.RemoteAddr(), header.Header, time.Now())
	input.N = math.MaxInt64
	return &response{Response: header, network: n, conn: conn, reader: reader, trace: trace}, nil
}

// Read reads from the body. Its errors are faults, except for io.EOF.
func (r *response) Read(p []byte) (int, error) {
	if r.trace != nil && r.read == nil {
		r.read = &bodyTrace{began: time.Now()}
	}
	n, err := r.Body.Read(p)
	if r.read != nil {
		r.read.add(p[:n], err)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.conn.fault(readingBody, err)
	}
	return n, err
}

// close ends the connection without reading the rest of the body, which the body's own Close would
// do.
func (r *response) close() {
	r.tellBody()
	r.conn.close()
	if r.client != nil {
		r.client.Close()
		return
	}
	r.network.giveBack(r.reader)
}

// tellBody traces what was read of the body. What a check does not read, but has come, is shown too: where the
// status is wrong it mostly says why.
func (r *response) tellBody() {
	switch {
	case r.trace == nil:
	case r.read != nil:
		note := ""
		if !r.read.ended && r.read.err == nil {
			note = ", after which the check has stopped reading"
		}
		r.trace.received(Body, r.read.began, r.read.data, r.read.size, note, r.read.err)
	case r.reader != nil && r.reader.Buffered() > 0:
		came, _ := r.reader.Peek(r.reader.Buffered())
		r.trace.received(Body, time.Now(), came, int64(len(came)), ", which came with the header; the check does not read it", nil)
	}
}

func (n *network) borrow(from io.Reader) *bufio.Reader {
	reader := n.readers.Get().(*bufio.Reader)
	reader.Reset(from)
	return reader
}

// giveBack returns a reader to the pool, without the connection it would keep in memory.
func (n *network) giveBack(reader *bufio.Reader) {
	reader.Reset(nil)
	n.readers.Put(reader)
}
