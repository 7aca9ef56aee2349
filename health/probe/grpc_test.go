package probe

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gslb/health"
)

// serveHTTP2 answers over HTTP/2, in plain text or over TLS.
func serveHTTP2(t testing.TB, certificates []tls.Certificate, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(certificates == nil)
	server.Config.Protocols.SetHTTP2(certificates != nil)
	if certificates == nil {
		server.Start()
	} else {
		server.EnableHTTP2 = true
		server.TLS = &tls.Config{Certificates: certificates}
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// calling answers a call with a message and the trailer of its outcome; no message: with the header alone.
func calling(message, code, said string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		prefix := ""
		if message != "" {
			w.WriteHeader(http.StatusOK)
			io.WriteString(w, message)
			prefix = http.TrailerPrefix
		}
		if code != "" {
			w.Header().Set(prefix+"Grpc-Status", code)
			w.Header().Set(prefix+"Grpc-Message", said)
		}
	}
}

func TestGRPC(t *testing.T) {
	t.Parallel()
	message := func(text string) string { return string(framed([]byte(text))) }
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    want
	}{
		"serving":           {calling(message("\x08\x01"), "0", ""), want{health.Pass, "ok", "SERVING"}},
		"other fields, too": {calling(message("\x12\x02hi\x08\x01"), "0", ""), want{health.Pass, "ok", "SERVING"}},
		"not serving":       {calling(message("\x08\x02"), "0", ""), want{health.Fail, "serving", `service "shop" is NOT_SERVING, want SERVING`}},
		"unknown":           {calling(message(""), "0", ""), want{health.Fail, "serving", "is UNKNOWN"}},
		"service unknown":   {calling(message("\x08\x03"), "0", ""), want{health.Fail, "serving", "is SERVICE_UNKNOWN"}},
		"another state":     {calling(message("\x08\x63"), "0", ""), want{health.Fail, "serving", "is status 99"}},
		"not found":         {calling("", "5", "unknown%20service"), want{health.Fail, "grpc", `NOT_FOUND: the health service knows nothing of service "shop": unknown service`}},
		"unimplemented":     {calling("", "12", "x"), want{health.Fail, "grpc", "UNIMPLEMENTED: the server has no health service (grpc.health.v1.Health), register it there: x"}},
		"unavailable":       {calling("", "14", ""), want{health.Fail, "grpc", "UNAVAILABLE"}},
		"no such code":      {calling("", "99", ""), want{health.Fail, "grpc", "code 99"}},
		"error afterwards":  {calling(message("\x08\x01"), "13", ""), want{health.Fail, "grpc", "INTERNAL"}},
		"unauthenticated":   {calling("", "16", ""), want{health.Indeterminate, "credentials", "UNAUTHENTICATED"}},
		"forbidden":         {calling("", "7", ""), want{health.Indeterminate, "credentials", "PERMISSION_DENIED"}},
		"no outcome":        {calling(message("\x08\x01"), "", ""), want{health.Fail, "protocol", "no grpc-status"}},
		"no message":        {calling("", "0", ""), want{health.Fail, "protocol", "too few for a message"}},
		"compressed":        {calling("\x01\x00\x00\x00\x02\x08\x01", "0", ""), want{health.Fail, "protocol", "compressed"}},
		"another length":    {calling("\x00\x00\x00\x00\x03\x08\x01", "0", ""), want{health.Fail, "protocol", "says that it has 3 bytes, and has 2"}},
		"garbage":           {calling(message("\xff\xff"), "0", ""), want{health.Fail, "protocol", "the answer is no message"}},
		"cut off":           {calling(message("\x08"), "0", ""), want{health.Fail, "protocol", "the answer is no message"}},
		"too long":          {calling(strings.Repeat("x", maxAnswer+1), "0", ""), want{health.Fail, "protocol", "longer than 4096 bytes"}},
		"a web server":      {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }, want{health.Fail, "protocol", "this is not gRPC: content type"}},
		"another path":      {http.NotFound, want{health.Fail, "status", "status 404, want 200 of a gRPC server"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := &health.GRPC{Address: serveHTTP2(t, nil, test.handler), Service: "shop"}
			test.want.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
		})
	}
}

func TestGRPCCall(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	certificates := []tls.Certificate{ca.sign(t, "app.example.com", time.Now().Add(time.Hour))}
	for service, want := range map[string]string{"": "\x00\x00\x00\x00\x00", "shop.Orders": "\x00\x00\x00\x00\x0d\x0a\x0bshop.Orders"} {
		for _, certificates := range [][]tls.Certificate{nil, certificates} {
			address := serveHTTP2(t, certificates, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Method != "POST" || r.URL.Path != "/grpc.health.v1.Health/Check" || r.Host != "app.example.com:50051" || string(body) != want ||
					r.Header.Get("Content-Type") != "application/grpc" || r.Header.Get("Te") != "trailers" || r.ContentLength != int64(len(want)) {
					t.Errorf("%s %s of %s with %v: %q", r.Method, r.URL, r.Host, r.Header, body)
				}
				calling(string(framed([]byte("\x08\x01"))), "0", "")(w, r)
			})
			spec := &health.GRPC{Address: "app.example.com:50051", Service: service}
			spec.Target = address
			spec.Secure = certificates != nil
			spec.TLS.RootsFile = ca.file(t)
			got := runPromptly(t, mustMake(t, Options{}, spec))
			if got.Verdict != health.Pass || (got.Notes != nil && !got.Notes.Expires.IsZero()) != spec.Secure {
				t.Errorf("%q, TLS %v: %+v", service, spec.Secure, got)
			}
		}
	}
}

func TestGRPCFails(t *testing.T) {
	t.Parallel()
	want{health.Fail, "refused", ""}.check(t, runPromptly(t, mustMake(t, Options{}, &health.GRPC{Address: refusing(t)})))
	old := serve(t, "127.0.0.1", answer("HTTP/1.1 400 Bad Request\r\n\r\n"))
	if got := runPromptly(t, mustMake(t, Options{}, &health.GRPC{Address: old})); got.Verdict != health.Fail {
		t.Errorf("a server of HTTP/1.1: %+v", got)
	}
	closed := serve(t, "127.0.0.1", func(net.Conn) {})
	if got := runPromptly(t, mustMake(t, Options{}, &health.GRPC{Address: closed})); got.Verdict != health.Fail {
		t.Errorf("a server that closes: %+v", got)
	}
	if _, err := New(Options{})(health.Target{Spec: &health.GRPC{Address: "192.0.2.1"}}); err == nil {
		t.Error("an address without a port was accepted")
	}
}

// Whatever comes as an answer: no panic, and either a state or an error.
func FuzzServingStatus(f *testing.F) {
	for _, message := range []string{"", "\x08\x01", "\x12\x02hi\x08\x01", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x0b\x0c"} {
		f.Add(framed([]byte(message)))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		status, err := servingStatus(body)
		if (status == "") == (err == nil) {
			t.Errorf("%q, %v", status, err)
		}
	})
}
