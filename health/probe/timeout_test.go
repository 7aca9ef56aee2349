package probe

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"gslb/health"
)

// pipeTo dials an in-memory connection with server at its other end.
func pipeTo(server func(net.Conn)) dialer {
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			server(far)
		}()
		return near, nil
	}
}

// deaf reads nothing. On an in-memory connection, where nothing is buffered, it has to
// write to learn that the peer has gone.
func deaf(conn net.Conn) { conn.Write([]byte{0}) }

// TestTimeouts has targets hang at every stage. The probe must end at its deadline, not
// later, and say how far it had come.
func TestTimeouts(t *testing.T) {
	never := func(ctx context.Context, network, address string) (net.Conn, error) {
		<-ctx.Done()
		to := net.TCPAddrFromAddrPort(mustAddrPort(address))
		return nil, &net.OpError{Op: "dial", Net: network, Addr: to, Err: context.DeadlineExceeded}
	}
	reply := "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 9\r\n\r\n"
	tests := []struct {
		name   string
		dial   dialer
		spec   health.Spec
		detail string
	}{
		{"connect", never, spec200("http://192.0.2.1/"), "timeout: connecting to 192.0.2.1:80"},
		{"handshake", pipeTo(hang), spec200("https://192.0.2.1/"), "timeout: TLS handshake with pipe"},
		{"request", pipeTo(func(c net.Conn) { io.CopyN(io.Discard, c, 4); deaf(c) }), spec200("http://192.0.2.1/"), "timeout: sending to pipe"},
		{"response", pipeTo(hang), spec200("http://192.0.2.1/"), "timeout: waiting for the response from pipe"},
		{"header", pipeTo(answerAndHang("HTTP/1.1 200 OK\r\n")), spec200("http://192.0.2.1/"), "timeout: waiting for the response from pipe"},
		{"body", pipeTo(answerAndHang(reply + "half")), specBody("http://192.0.2.1/", "ok"), "timeout: reading the body from pipe"},

		{"tcp connect", never, &health.TCP{Address: "192.0.2.1:25"}, "timeout: connecting to 192.0.2.1:25"},
		{"tcp send", pipeTo(deaf), &health.TCP{Address: "192.0.2.1:25", Send: "PING"}, "timeout: sending to pipe"},
		{"tcp answer", pipeTo(func(c net.Conn) { io.WriteString(c, "500 no"); hang(c) }), specGreeting("192.0.2.1:25", "^220"),
			`timeout: reading from pipe; what was read does not match "^220": got "500 no"`},

		{"dns over udp", pipeTo(hang), specDNS("192.0.2.1:53"), "timeout: waiting for the response from pipe"},
		{"dns connect", never, &health.DNS{Server: "192.0.2.1:53", Name: ".", Type: "NS", Rcodes: []string{"NOERROR"}, TCP: true}, "timeout: connecting to 192.0.2.1:53"},
		{"dns over tcp", pipeTo(func(c net.Conn) { io.CopyN(io.Discard, c, 19); c.Write([]byte{0}); hang(c) }),
			&health.DNS{Server: "192.0.2.1:53", Name: ".", Type: "NS", Rcodes: []string{"NOERROR"}, TCP: true}, "timeout: waiting for the response from pipe"},
		{"haproxy", pipeTo(answerAndHang(reply + "# px")), &health.HAProxy{Page: spec200("http://192.0.2.1/"), Backend: "app"}, "timeout: reading the body from pipe"},
		{"haproxy runtime", pipeTo(hang), &health.HAProxy{Address: "192.0.2.1:9999", Backend: "app"}, "timeout: reading from pipe"},

		{"dynamodb connect", never, specItem("http://192.0.2.1:8000"), "timeout: connecting to 192.0.2.1:8000"},
		{"dynamodb handshake", pipeTo(hang), specItem(""), "timeout: TLS handshake with pipe"},
		{"dynamodb response", pipeTo(hang), specItem("http://192.0.2.1:8000"), "timeout: waiting for the response from pipe"},
		{"dynamodb body", pipeTo(answerAndHang(reply + "{")), specItem("http://192.0.2.1:8000"), "timeout: reading the body from pipe"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				probe := mustMake(t, Options{Dial: test.dial, AWS: someCredentials}, test.spec)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				began := time.Now()
				want{health.Fail, "timeout", test.detail}.check(t, probe(ctx))
				if took := time.Since(began); took != 2*time.Second {
					t.Errorf("the probe took %v, want its timeout of 2s", took)
				}
			})
		})
	}
}

// A match that came in pieces too small to be tried one by one still counts at the end.
func TestMatchCountsAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := func(c net.Conn) {
			awaitRequest(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			for range 1000 {
				io.WriteString(c, ".")
			}
			io.WriteString(c, "ok")
			hang(c)
		}
		probe := mustMake(t, Options{Dial: pipeTo(server)}, specBody("http://192.0.2.1/", "ok"))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		want{health.Pass, "ok", ""}.check(t, probe(ctx))
	})
}

// A probe that is canceled ends at once and judges nothing.
func TestCancel(t *testing.T) {
	specs := []health.Spec{
		spec200("http://192.0.2.1/"), spec200("https://192.0.2.1/"), specGreeting("192.0.2.1:25", "^220"), specItem("http://192.0.2.1:8000"),
		specDNS("192.0.2.1:53"), &health.HAProxy{Address: "192.0.2.1:9999", Backend: "app"},
	}
	for _, spec := range specs {
		t.Run(spec.Kind(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				probe := mustMake(t, Options{Dial: pipeTo(hang), AWS: someCredentials}, spec)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				time.AfterFunc(time.Second, cancel)
				began := time.Now()
				want{health.Indeterminate, "canceled", ""}.check(t, probe(ctx))
				if took := time.Since(began); took != time.Second {
					t.Errorf("the probe took %v, canceled after 1s", took)
				}
			})
		})
	}
}

// The handshake of a server that speaks no TLS fails at once.
func TestHandshakeWithoutTLS(t *testing.T) {
	address := serve(t, "127.0.0.1", func(c net.Conn) {
		io.CopyN(io.Discard, c, 100)
		io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		hang(c)
	})
	want{health.Fail, "tls", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}.Error()}.check(t,
		runPromptly(t, mustMake(t, Options{}, spec200("https://"+address))))
}
