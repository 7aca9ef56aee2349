package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// overHTTP2 is net/http's transport as far as it is needed: it speaks HTTP/2 at once (RFC 9113, section 3.3) on the
// connection that is in its context, whose TLS is done.
func overHTTP2() *http.Transport {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	return &http.Transport{
		Protocols: &protocols,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return newAsking(ctx.Value(connectionKey{}).(*connection).Conn), nil
		},
		DisableCompression:     true, // a body is judged as it comes
		MaxResponseHeaderBytes: maxHeader,
	}
}

type connectionKey struct{}

// asking is a connection on which nothing is read before the request is sent. net/http says of a server that closes,
// or refuses, before then only that the connection cannot be used, or waits for an answer. A client need not wait for
// the server's settings (RFC 9113, section 3.4).
type asking struct {
	net.Conn
	writes atomic.Int32 // the first has the client's preface and settings, the second the request
	sent   chan struct{}
	send   func() // closes sent
}

func newAsking(conn net.Conn) *asking {
	sent := make(chan struct{})
	return &asking{Conn: conn, sent: sent, send: sync.OnceFunc(func() { close(sent) })}
}

func (c *asking) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if c.writes.Add(1) > 1 {
		c.send()
	}
	return n, err
}

func (c *asking) Read(b []byte) (int, error) {
	<-c.sent
	return c.Conn.Read(b)
}

func (c *asking) Close() error {
	c.send()
	return c.Conn.Close()
}

// exchange2 is exchange over HTTP/2.
func (n *network) exchange2(ctx context.Context, r *request) (*response, error) {
	conn, err := n.connect(ctx, r.to)
	if err != nil {
		return nil, err
	}
	if secured, ok := conn.Conn.(*tls.Conn); ok && secured.ConnectionState().NegotiatedProtocol != protocol2 {
		conn.close()
		return nil, conn.fault(handshaking, errors.New("the server does not speak HTTP/2"))
	}
	began, trace := time.Now(), traceOf(ctx)
	client, err := n.http2.NewClientConn(context.WithValue(ctx, connectionKey{}, conn), "http", r.to.address)
	if err != nil {
		conn.close()
		return nil, conn.fault(sending, err)
	}
	message := r.message.WithContext(ctx)
	if r.body != "" {
		message.Body = io.NopCloser(strings.NewReader(r.body))
	}
	trace.sent(as2(r.bytes), began, nil)
	began = time.Now()
	resp, err := client.RoundTrip(message)
	if err != nil {
		conn.close()
		client.Close()
		return nil, conn.fault(waiting, err)
	}
	trace.headed(resp, began)
	n.clocks.note(conn.raw.RemoteAddr(), resp.Header, time.Now())
	return &response{Response: resp, network: n, conn: conn, client: client, trace: trace}, nil
}

// as2 is what is shown of a request that is sent over HTTP/2. What is sent has another form, and no Connection header.
func as2(request []byte) []byte {
	shown := bytes.Replace(request, []byte(" HTTP/1.1\r\n"), []byte(" HTTP/2\r\n"), 1)
	return bytes.Replace(shown, []byte("\r\nConnection: close\r\n"), []byte("\r\n"), 1)
}

// headed tells of a response's header that came over HTTP/2.
func (t *trace) headed(resp *http.Response, began time.Time) {
	if t == nil {
		return
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/2 %d\r\n", resp.StatusCode)
	if err := resp.Header.Write(&b); err != nil {
		return // a buffer takes everything
	}
	b.WriteString("\r\n")
	t.mu.Lock()
	shown := t.hidden.response(b.Bytes())
	t.mu.Unlock()
	t.step(Step{Phase: Response, Began: began, Text: fmt.Sprintf("%d fields of header", len(resp.Header)), Data: shown}, nil)
}
