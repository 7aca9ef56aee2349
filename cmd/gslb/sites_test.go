package main

import (
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"gslb/daemon/daemontest"
)

// startSites starts what the scripts probe, and returns the variables that say where it is.
//
//	WEB                 a healthy application, and in WEB_HOST, WEB_PORT the parts of its address
//	AMS_PORT            a port that is open at 127.0.0.2
//	REFUSED, ADMIN      addresses at which nobody listens; the second is for a server
//	BROKEN_PORT         one on the same host that is under maintenance
//	SITE                one with a path for each way to fail, and a DynamoDB that denies access at /
//	TLS                 a server whose certificate nobody trusts
func startSites(t *testing.T) map[string]string {
	t.Helper()
	web := newSite(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"status": "ok"}`) })
	broken := newSite(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, "under \x1b[31mmaintenance")
	})
	site := newSite(t, fail)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)

	ams, err := net.Listen("tcp", "127.0.0.2:0") // whoever connects is let in, by its backlog
	must(t, err)
	t.Cleanup(func() { ams.Close() })

	nobody := func() string { return daemontest.FreeAddress(t).String() }
	host, port, _ := net.SplitHostPort(web)
	_, brokenPort, _ := net.SplitHostPort(broken)
	return map[string]string{
		"WEB_HOST": host, "WEB_PORT": port, "BROKEN_PORT": brokenPort, "WEB": web, "REFUSED": nobody(), "ADMIN": nobody(), "AMS_PORT": fmt.Sprint(ams.Addr().(*net.TCPAddr).Port), "SITE": site, "TLS": secure.Listener.Addr().String(),
	}
}

func newSite(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// fail fails as the path says.
func fail(w http.ResponseWriter, r *http.Request) {
	half := func(text string) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, text)
		if r.URL.Path == "/slow" {
			io.Copy(io.Discard, conn) // until the peer has gone
		}
	}
	switch r.URL.Path {
	case "/loop":
		http.Redirect(w, r, "/loop", http.StatusFound)
	case "/close":
		half("HTTP/1.1 200 OK\r\nX-Half: ye")
	case "/slow":
		half("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal")
	default:
		body := `{"__type":"com.amazon.coral.service#AccessDeniedException","message":"User AKIDEXAMPLE may not"}`
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.Header().Set("X-Amzn-Requestid", "4FFD9G4NPPF0C1FEKCDKRCPJIFVV4KQNSO5AEMVJF66Q9ASUAAJG")
		w.Header().Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE([]byte(body))))
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, body)
	}
}

// expand fills the variables of the environment into a file: expand zones.toml.
func expand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: expand file…")
	}
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
	}
}
