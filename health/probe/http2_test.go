package probe

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gslb/health"
)

// serve2 answers over HTTP/2: without TLS where there is no config.
func serve2(t *testing.T, config *tls.Config, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	if config == nil {
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Start()
	} else {
		server.Config.Protocols.SetHTTP2(true)
		server.TLS, server.EnableHTTP2 = config, true
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestHTTP2(t *testing.T) {
	ca := newAuthority(t)
	roots := ca.file(t)
	certificates := []tls.Certificate{ca.sign(t, "app.example.com", time.Now().Add(time.Hour))}
	got := make(chan string, 2)
	handler := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- fmt.Sprintf("%s %s %s %s %s %q", r.Proto, r.Method, r.Host, r.RequestURI, r.Header.Get("X-Probe"), body)
		w.Header().Set("X-Role", "primary")
		if r.URL.Path == "/from" {
			http.Redirect(w, r, "/health?a=b", http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, `{"status": "ok"}`)
	}
	for scheme, address := range map[string]string{"http": serve2(t, nil, handler), "https": serve2(t, &tls.Config{Certificates: certificates}, handler)} {
		spec := spec200(scheme + "://" + address + "/health?a=b")
		spec.HTTP2, spec.Host, spec.TLS.RootsFile = true, "app.example.com", roots
		spec.Method, spec.Body, spec.Headers = "POST", "ping", map[string]string{"X-Probe": "gslb"}
		spec.WantHeaders = map[string]*regexp.Regexp{"X-Role": regexp.MustCompile("^primary$")}
		spec.JSON, spec.MaxBody = &health.JSONValue{Path: "status", Equals: "ok"}, 4096
		result := runPromptly(t, mustMake(t, Options{}, spec))
		want{health.Pass, "ok", "status 202, status is as wanted"}.check(t, result)
		if request := <-got; request != `HTTP/2.0 POST app.example.com /health?a=b gslb "ping"` {
			t.Error(request)
		}
		if scheme == "https" && (result.Notes == nil || result.Notes.Expires.IsZero()) {
			t.Error("it is not noted when the certificate expires")
		}

		spec.Method, spec.Body, spec.JSON, spec.FollowRedirects, spec.URL = "GET", "", nil, true, scheme+"://"+address+"/from"
		want{health.Pass, "ok", "status 202"}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
		if one, two := <-got, <-got; one != `HTTP/2.0 GET app.example.com /from gslb ""` || two != `HTTP/2.0 GET app.example.com /health?a=b gslb ""` {
			t.Error(one, two)
		}
		spec.Status = []health.StatusRange{{From: 200, To: 200}}
		want{health.Fail, "status", "status 202, want 200"}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
		<-got
		<-got
	}
}

// TestHTTP2Servers probes servers that do not speak HTTP/2, or badly. None of the probes has a reason to wait.
func TestHTTP2Servers(t *testing.T) {
	ca := newAuthority(t)
	certificates := []tls.Certificate{ca.sign(t, "127.0.0.1", time.Now().Add(time.Hour))}
	const settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	raw := func(bytes string) func(net.Conn) {
		return func(conn net.Conn) {
			io.WriteString(conn, bytes)
			hang(conn)
		}
	}
	for name, test := range map[string]struct {
		server func(net.Conn)
		secure bool
		want   want
	}{
		"HTTP/1.1": {answerAndHang("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), false, want{health.Fail, "protocol", "waiting for the response from 127.0.0.1:"}},
		"no ALPN":  {func(c net.Conn) { tls.Server(c, &tls.Config{Certificates: certificates}).Handshake(); hang(c) }, true, want{health.Fail, "tls", "the server does not speak HTTP/2"}},
		"another ALPN": {func(c net.Conn) {
			tls.Server(c, &tls.Config{Certificates: certificates, NextProtos: []string{"http/1.1"}}).Handshake()
			hang(c)
		}, true, want{health.Fail, "tls", "no application protocol"}},
		"closes":              {func(c net.Conn) { io.CopyN(io.Discard, c, 24) }, false, want{health.Fail, "closed", "the peer closed the connection"}},
		"closes later":        {func(c net.Conn) { io.WriteString(c, settings); io.CopyN(io.Discard, c, 60) }, false, want{health.Fail, "closed", "the peer closed the connection"}},
		"garbage":             {raw("garbage and more of it"), false, want{health.Fail, "protocol", ""}},
		"goes away":           {raw(settings + "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0b"), false, want{health.Fail, "protocol", ""}},
		"resets":              {raw(settings + "\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x07"), false, want{health.Fail, "protocol", "REFUSED_STREAM"}},
		"status is no number": {raw(settings + "\x00\x00\x05\x01\x05\x00\x00\x00\x01\x48\x03abc"), false, want{health.Fail, "protocol", "status"}},
	} {
		t.Run(name, func(t *testing.T) {
			scheme := map[bool]string{false: "http", true: "https"}[test.secure]
			spec := spec200(scheme + "://" + serve(t, "127.0.0.1", test.server))
			spec.HTTP2, spec.TLS.RootsFile = true, ca.file(t)
			test.want.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
		})
	}
}

// What a server says before it was asked is read when it is. A connection that is closed keeps nobody waiting.
func TestAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		conn := newAsking(ours)
		go io.WriteString(theirs, "no")
		go io.Copy(io.Discard, theirs)
		var got atomic.Value
		go func() {
			text := make([]byte, 2)
			io.ReadFull(conn, text)
			got.Store(string(text))
			_, err := conn.Read(text)
			got.Store(err.Error())
		}()
		for _, written := range []string{"preface", "request"} {
			if synctest.Wait(); got.Load() != nil {
				t.Fatalf("before the %s there is %v", written, got.Load())
			}
			io.WriteString(conn, written)
		}
		if synctest.Wait(); got.Load() != "no" {
			t.Errorf("the server's word is %v", got.Load())
		}
		conn.Close()
		if synctest.Wait(); got.Load() != io.ErrClosedPipe.Error() {
			t.Errorf("after the end there is %v", got.Load())
		}
		silent := newAsking(ours)
		ended := make(chan error)
		go func() {
			_, err := silent.Read(nil)
			ended <- err
		}()
		silent.Close()
		if err := <-ended; err != io.ErrClosedPipe {
			t.Error(err)
		}
	})
}

// What does not end in time fails by the timeout, wherever it stops.
func TestHTTP2Timeout(t *testing.T) {
	slow := serve2(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/body") {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	})
	for address, detail := range map[string]string{
		serve(t, "127.0.0.1", hang): "timeout: waiting for the response from 127.0.0.1:",
		slow:                        "timeout: waiting for the response from 127.0.0.1:",
		slow + "/body":              "timeout: reading the body from 127.0.0.1:",
	} {
		spec := specBody("http://"+address, "x$")
		spec.HTTP2 = true
		steps, result := followed(t, Options{}, spec, time.Second/5)
		want{health.Fail, "timeout", detail}.check(t, result)
		if told := shown(steps); !strings.Contains(told, "GET / HTTP/2\r\n") && !strings.Contains(told, "GET /body HTTP/2\r\n") {
			t.Errorf("the request was not told of: %s", told)
		}
	}
}
