package probe

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gslb/health"
)

// spec200 is the simplest check: GET, 200-299.
func spec200(url string) *health.HTTP {
	return &health.HTTP{URL: url, Status: []health.StatusRange{{From: 200, To: 299}}}
}

// specBody also wants a pattern in the first 4 KiB of the body.
func specBody(url, pattern string) *health.HTTP {
	spec := spec200(url)
	spec.Pattern = regexp.MustCompile(pattern)
	spec.MaxBody = 4096
	return spec
}

// TestHTTPServers probes servers of all manners. None of the probes has a reason to wait
// for its timeout.
func TestHTTPServers(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	endless := func(conn net.Conn) {
		answer(ok + "\r\n{\"status\": \"ok\"}")(conn)
		for {
			if _, err := io.WriteString(conn, strings.Repeat("filler ", 100)); err != nil {
				return
			}
		}
	}
	tests := []struct {
		name    string
		server  func(net.Conn)
		pattern string // "": the status alone decides
		want    want
	}{
		{"ok", answer(ok + "Content-Length: 2\r\n\r\nhi"), "", want{health.Pass, "ok", "status 200"}},
		{"HTTP/1.0", answer("HTTP/1.0 200 OK\r\n\r\nhi"), "hi", want{health.Pass, "ok", "body matches"}},
		{"wrong status", answer("HTTP/1.1 503 Service Unavailable\r\n\r\n"), "", want{health.Fail, "status", "status 503, want 200-299"}},
		{"redirect is a status", answer("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"), "", want{health.Fail, "status", "status 302, want 200-299"}},
		{"interim responses", answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" + ok + "\r\n"), "", want{health.Pass, "ok", "status 200"}},
		{"switching protocols", answerAndHang("HTTP/1.1 101 Switching Protocols\r\n\r\n"), "", want{health.Fail, "status", "status 101"}},

		{"closes at accept", func(net.Conn) {}, "", want{health.Fail, "closed", "the peer closed the connection"}},
		{"closes after the request", answer(""), "", want{health.Fail, "closed", "waiting for the response from 127.0.0.1:"}},
		{"resets", reset, "", want{health.Fail, "closed", "the peer closed the connection"}},
		{"closes within the header", answer(ok + "Content-Type: text/pl"), "", want{health.Fail, "closed", "waiting for the response"}},
		{"closes after the header", answer(ok + "Content-Length: 10\r\n\r\n"), "ok", want{health.Fail, "closed", "reading the body from 127.0.0.1:"}},
		{"closes after the header, body not asked for", answer(ok + "Content-Length: 10\r\n\r\n"), "", want{health.Pass, "ok", ""}},
		{"closes before the match", answer(ok + "Content-Length: 10\r\n\r\nhalf"), "ok", want{health.Fail, "closed", "reading the body from"}},
		{"closes after the match", answer(ok + "Content-Length: 10\r\n\r\nok"), "ok", want{health.Pass, "ok", ""}},

		{"garbage", answer("SSH-2.0-OpenSSH_9.9\r\n"), "", want{health.Fail, "protocol", "malformed HTTP status line"}},
		{"a TLS alert", answer("\x15\x03\x01\x00\x02\x02\x46\r\n"), "", want{health.Fail, "protocol", "malformed HTTP status line"}},
		{"a TLS alert and no more", answer("\x15\x03\x03\x00\x02\x02\x28"), "", want{health.Fail, "protocol", "the server speaks HTTP over TLS there"}},
		{"a tab after the status", answer("HTTP/1.1 200\tOK\r\nContent-Length: 2\r\n\r\nOK"), "^OK$", want{health.Pass, "ok", ""}},
		{"empty codings", answer(ok + "Transfer-Encoding: chunked, ,\r\nTransfer-Encoding:\r\n\r\n2\r\nOK\r\n0\r\n\r\n"), "^OK$", want{health.Pass, "ok", ""}},
		{"garbage in the header", answer(ok + "no colon\r\n\r\n"), "", want{health.Fail, "protocol", "malformed header line"}},
		{"garbage for a chunk", answer(ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "ok", want{health.Fail, "protocol", "reading the body from"}},
		{"length as a list", answer(ok + "Content-Length: 2, 2\r\n\r\nOK"), "^OK$", want{health.Pass, "ok", ""}},
		{"lengths differ", answer(ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nOK"), "", want{health.Fail, "protocol", `more than one Content-Length: "2,3"`}},
		{"length is no number", answer(ok + "Content-Length: +2\r\n\r\nOK"), "", want{health.Fail, "protocol", `malformed Content-Length "+2"`}},
		{"bare line feeds", answer("HTTP/1.1 200\nTransfer-Encoding: chunked\n\n2\nOK\n0\n\n"), "^OK$", want{health.Pass, "ok", ""}},
		{"extension and trailer", answer(ok + "Transfer-Encoding: chunked\r\n\r\n2;a=\"b\"\r\nOK\r\n0\r\nX-A: b\r\n\r\n"), "^OK$", want{health.Pass, "ok", ""}},
		{"trailer without end", answer(ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n" + strings.Repeat("X-A: b\r\n", 50_000)), "^OK$", want{health.Pass, "ok", ""}},
		{"odd bytes in the header", answer(ok + "X-A: \x01\r\x7f\xff\r\n(X): y\r\nX-B: c\r\n d\r\nContent-Length: 2\r\n\r\nOK"), "^OK$", want{health.Pass, "ok", ""}},
		{"another coding", answer(ok + "Transfer-Encoding: identity\r\n\r\nOK"), "^OK$", want{health.Pass, "ok", ""}},
		{"a chunk that is longer than it says", answer(ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nOK\r\n0\r\n\r\n"), "OK", want{health.Fail, "protocol", "after its end"}},
		{"extension without end", answer(ok + "Transfer-Encoding: chunked\r\n\r\n2;" + strings.Repeat("x", 100_000)), "OK", want{health.Fail, "protocol", "more overhead than content"}},
		{"more overhead than content", answer(ok + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\ny\r\n", 100)), "OK",
			want{health.Fail, "protocol", "more overhead than content"}},
		{"header without end", headerWithoutEnd, "", want{health.Fail, "protocol", "its header is longer than 65536 bytes"}},

		{"body does not match", answer(ok + "\r\n{\"status\": \"no\"}"), `"status":\s*"ok"`,
			want{health.Fail, "body", `body does not match "\"status\":\\s*\"ok\"": got "{\"status\": \"no\"}"`}},
		{"a long body is shown in part", answer(ok + "\r\n" + strings.Repeat("x", 200)), "ok",
			want{health.Fail, "body", `got "` + strings.Repeat("x", 80) + `"`}},
		{"chunks", answer(ok + "Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"), "^ok$", want{health.Pass, "ok", ""}},
		{"silent after the match", answerAndHang(ok + "\r\nall ok"), "ok", want{health.Pass, "ok", ""}},
		{"silent, body not asked for", answerAndHang(ok + "\r\n"), "", want{health.Pass, "ok", ""}},
		{"the end decides", answer(ok + "\r\nok and not ok"), "ok$", want{health.Pass, "ok", ""}},
		{"the end decides otherwise", answer(ok + "\r\nok, not"), "ok$", want{health.Fail, "body", ""}},
		{"endless, matches", endless, `"ok"`, want{health.Pass, "ok", ""}},
		{"endless, does not match", endless, "nowhere", want{health.Fail, "body", `"nowhere" in its first 4096 bytes: got`}},
		{"drips, and hangs after the match", drip(ok + "\r\n" + strings.Repeat("drip ", 20) + "ok"), "ok", want{health.Pass, "ok", ""}},
		{"no body where one is expected", answer("HTTP/1.1 204 No Content\r\n\r\n"), "ok", want{health.Fail, "body", `got ""`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec := spec200("http://" + serve(t, "127.0.0.1", test.server) + "/health")
			if test.pattern != "" {
				spec = specBody(spec.URL, test.pattern)
			}
			test.want.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
		})
	}
}

func reset(conn net.Conn) {
	awaitRequest(conn)
	conn.(*net.TCPConn).SetLinger(0)
}

func headerWithoutEnd(conn net.Conn) {
	answer("HTTP/1.1 200 OK\r\n")(conn)
	for {
		if _, err := io.WriteString(conn, "X-Filler: more of it\r\n"); err != nil {
			return
		}
	}
}

// drip sends text byte by byte, and keeps the connection open. The text ends with its
// point: with pieces this small, the last of them may be looked at only at the deadline,
// unless there are as few as here.
func drip(text string) func(net.Conn) {
	return func(conn net.Conn) {
		awaitRequest(conn)
		for i := range len(text) {
			if _, err := io.WriteString(conn, text[i:i+1]); err != nil {
				return
			}
		}
		io.WriteString(conn, strings.Repeat(".", 64))
		hang(conn)
	}
}

// A server may refuse a request before it has read all of it.
func TestHTTPAnswerBeforeRequestIsRead(t *testing.T) {
	address := serve(t, "127.0.0.1", func(conn net.Conn) {
		io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
		conn.(*net.TCPConn).CloseWrite()
		io.CopyN(io.Discard, conn, 1<<16)
	})
	spec := spec200("http://" + address)
	spec.Method, spec.Body = "POST", strings.Repeat("x", 16<<20)
	want{health.Fail, "status", "status 413"}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
}

func TestHTTPRefused(t *testing.T) {
	address := refusing(t)
	got := runPromptly(t, mustMake(t, Options{}, spec200("http://"+address)))
	wanted := health.Result{Verdict: health.Fail, Reason: "refused", Detail: "connecting to " + address + ": connection refused"}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Error(diff)
	}
}

func TestHTTPOverIPv6(t *testing.T) {
	address := serve(t, "::1", answer("HTTP/1.1 200 OK\r\n\r\n"))
	want{health.Pass, "ok", ""}.check(t, runPromptly(t, mustMake(t, Options{}, spec200("http://"+address+"/"))))
}

func TestHTTPStatusRanges(t *testing.T) {
	address := serve(t, "127.0.0.1", answer("HTTP/1.1 404 Not Found\r\n\r\n"))
	tests := []struct {
		ranges []health.StatusRange
		want   want
	}{
		{[]health.StatusRange{{From: 200, To: 299}, {From: 404, To: 404}}, want{health.Pass, "ok", "status 404"}},
		{[]health.StatusRange{{From: 404, To: 410}}, want{health.Pass, "ok", ""}},
		{[]health.StatusRange{{From: 400, To: 404}}, want{health.Pass, "ok", ""}},
		{[]health.StatusRange{{From: 200, To: 204}, {From: 301, To: 301}}, want{health.Fail, "status", "status 404, want 200-204, 301"}},
		{[]health.StatusRange{{From: 400, To: 403}, {From: 405, To: 499}}, want{health.Fail, "status", "want 400-403, 405-499"}},
	}
	for _, test := range tests {
		t.Run(health.StatusText(test.ranges), func(t *testing.T) {
			spec := &health.HTTP{URL: "http://" + address, Status: test.ranges}
			test.want.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
		})
	}
}

// seen is what a server sees of a request.
type seen struct {
	Method, URI, Proto, Host, Body string
	Header                         http.Header
}

func TestHTTPRequest(t *testing.T) {
	requests := make(chan seen, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- seen{r.Method, r.RequestURI, r.Proto, r.Host, string(body), r.Header}
	}))
	t.Cleanup(server.Close)
	address := server.Listener.Addr().String()

	tests := []struct {
		name string
		spec health.HTTP
		want seen
	}{
		{"plain", health.HTTP{URL: server.URL},
			seen{"GET", "/", "HTTP/1.1", address, "", http.Header{"User-Agent": {"gslb/health"}, "Connection": {"close"}}}},
		{"everything set", health.HTTP{
			URL: server.URL + "/health?deep=1#part", Method: "POST", Host: "app.example.com", Body: "ping",
			Headers: map[string]string{"user-agent": "other", "x-check": " padded "}},
			seen{"POST", "/health?deep=1", "HTTP/1.1", "app.example.com", "ping", http.Header{
				"User-Agent": {"other"}, "X-Check": {"padded"}, "Content-Length": {"4"}, "Connection": {"close"}}}},
		{"upgrade", health.HTTP{URL: server.URL, Headers: map[string]string{"Connection": "Upgrade", "Upgrade": "websocket"}},
			seen{"GET", "/", "HTTP/1.1", address, "", http.Header{
				"User-Agent": {"gslb/health"}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"}}}},
		{"credentials in the URL", health.HTTP{URL: "http://user:secret@" + address},
			seen{"GET", "/", "HTTP/1.1", address, "", http.Header{
				"User-Agent": {"gslb/health"}, "Connection": {"close"}, "Authorization": {"Basic dXNlcjpzZWNyZXQ="}}}},
		{"a query that needs escapes", health.HTTP{URL: server.URL + "/o k?a=b c&d=%20é"},
			seen{"GET", "/o%20k?a=b%20c&d=%20%C3%A9", "HTTP/1.1", address, "", http.Header{"User-Agent": {"gslb/health"}, "Connection": {"close"}}}},
		{"HEAD", health.HTTP{URL: server.URL, Method: "HEAD"},
			seen{"HEAD", "/", "HTTP/1.1", address, "", http.Header{"User-Agent": {"gslb/health"}, "Connection": {"close"}}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.spec.Status = []health.StatusRange{{From: 200, To: 200}}
			want{health.Pass, "ok", ""}.check(t, runPromptly(t, mustMake(t, Options{}, &test.spec)))
			if diff := cmp.Diff(test.want, <-requests); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHTTPOpensAConnectionEachTime(t *testing.T) {
	var opened atomic.Int32
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)

	probe := mustMake(t, Options{}, spec200(server.URL))
	for range 3 {
		runPromptly(t, probe)
	}
	if got := opened.Load(); got != 3 {
		t.Errorf("3 probes opened %d connections", got)
	}
}

func TestHTTPIgnoresProxies(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://"+refusing(t))
	t.Setenv("NO_PROXY", "")
	// The proxy functions of net/http spare loopback addresses, so the target is a name.
	address := serve(t, "127.0.0.1", answer("HTTP/1.1 200 OK\r\n\r\n"))
	_, port, _ := net.SplitHostPort(address)
	o := Options{Dial: resolveTo(t, map[string]string{"app.example:" + port: address})}
	want{health.Pass, "ok", ""}.check(t, runPromptly(t, mustMake(t, o, spec200("http://app.example:"+port))))
}

// An IPv6 address stands in brackets in the Host header.
func TestHTTPHost(t *testing.T) {
	for host, sent := range map[string]string{
		"::1": "[::1]", "[::1]": "[::1]", "[::1]:8080": "[::1]:8080", "192.0.2.1": "192.0.2.1",
		"app.example.com": "app.example.com", "app.example.com:8080": "app.example.com:8080", "": "192.0.2.1:80",
	} {
		spec := spec200("http://192.0.2.1:80/")
		spec.Host = host
		config, err := tlsConfig(&spec.TLS, spec.Host, protocol)
		if err != nil {
			t.Fatal(err)
		}
		r, err := firstRequest(spec, config, "")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(r.bytes), "\r\nHost: "+sent+"\r\n") {
			t.Errorf("host %q: sent %q", host, r.bytes)
		}
		if host == "::1" && config.ServerName != "::1" {
			t.Errorf("server name %q", config.ServerName)
		}
	}
}

func TestHTTPRedirects(t *testing.T) {
	var last atomic.Pointer[seen]
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		last.Store(&seen{Method: r.Method, URI: r.RequestURI, Host: r.Host, Body: string(body)})
		if r.URL.Path != "/end" {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		var status int
		fmt.Sscan(r.FormValue("status"), &status)
		w.Header()["Location"] = []string{r.FormValue("location")}
		w.WriteHeader(status)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	address := server.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(address)

	const end = "/end"
	tests := []struct {
		name           string
		method         string
		host           string
		path           string
		want           want
		method2, host2 string // of the last request
		body2          string
	}{
		{"relative", "GET", "app.example.com", "/to?status=301&location=/end", want{health.Pass, "ok", ""}, "GET", "app.example.com", "ping"},
		{"to the address", "GET", "app.example.com", "/to?status=302&location=" + server.URL + end, want{health.Pass, "ok", ""}, "GET", address, "ping"},
		{"to the host", "GET", "app.example.com", "/to?status=302&location=http://APP.example.com:" + port + end, want{health.Pass, "ok", ""}, "GET", "APP.example.com:" + port, "ping"},
		{"without a scheme", "GET", "", "/to?status=302&location=//" + address + end, want{health.Pass, "ok", ""}, "GET", address, "ping"},
		{"a query with spaces", "GET", "", "/to?status=302&location=/end%3Fa%3Db+c%C3%A9", want{health.Pass, "ok", ""}, "GET", address, "ping"},
		{"to the host, in letters", "GET", "xn--bcher-kva.example", "/to?status=302&location=http://B%C3%BCcher.example:" + port + end, want{health.Pass, "ok", ""}, "GET", "xn--bcher-kva.example:" + port, "ping"},
		{"to letters elsewhere", "GET", "", "/to?status=302&location=http://b%C3%BCcher.example/", want{health.Fail, "redirects", "leaves 127.0.0.1"}, "", "", ""},
		{"303 becomes GET", "PUT", "", "/to?status=303&location=/end", want{health.Pass, "ok", ""}, "GET", address, ""},
		{"302 after POST becomes GET", "POST", "", "/to?status=302&location=/end", want{health.Pass, "ok", ""}, "GET", address, ""},
		{"307 stays POST", "POST", "", "/to?status=307&location=/end", want{health.Pass, "ok", ""}, "POST", address, "ping"},
		{"308 stays PUT", "PUT", "", "/to?status=308&location=/end", want{health.Pass, "ok", ""}, "PUT", address, "ping"},
		{"the last status counts", "GET", "", "/to?status=302&location=/nowhere", want{health.Fail, "status", "status 404"}, "GET", address, "ping"},
		{"no location", "GET", "", "/to?status=302", want{health.Fail, "status", "status 302"}, "", "", ""},
		{"not a redirect", "GET", "", "/to?status=304&location=/end", want{health.Fail, "status", "status 304"}, "", "", ""},
		{"loop", "GET", "", "/loop", want{health.Fail, "redirects", "more than 10 redirects"}, "", "", ""},
		{"elsewhere", "GET", "app.example.com", "/to?status=302&location=http://login.example.com/", want{health.Fail, "redirects", `redirect to "http://login.example.com/" leaves 127.0.0.1`}, "", "", ""},
		{"not http", "GET", "", "/to?status=302&location=ftp://" + address + "/", want{health.Fail, "redirects", "neither http nor https"}, "", "", ""},
		{"not a URL", "GET", "", "/to?status=302&location=http://[::", want{health.Fail, "redirects", "is not a URL"}, "", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			last.Store(nil)
			spec := spec200(server.URL + test.path)
			spec.FollowRedirects, spec.Method, spec.Host, spec.Body = true, test.method, test.host, "ping"
			test.want.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
			got := last.Load()
			if test.method2 == "" && got == nil {
				return
			}
			if diff := cmp.Diff([]string{test.method2, test.host2, test.body2}, []string{got.Method, got.Host, got.Body}); diff != "" {
				t.Error(diff)
			}
		})
	}
}
