package probe

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gslb/health"
)

// A target is connected to, and nothing else changes: the Host header, and the name of the certificate.
func TestTarget(t *testing.T) {
	ca := newAuthority(t)
	certificate := ca.sign(t, "app.example.com", time.Now().Add(time.Hour))
	hosts := make(chan string, 1)
	address, names := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{certificate}},
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { hosts <- r.Host }))

	web := spec200("https://app.example.com/")
	web.Target, web.TLS.RootsFile = address, ca.file(t)
	want{health.Pass, "ok", "status 200"}.check(t, runPromptly(t, mustMake(t, Options{}, web)))
	if host, name := <-hosts, <-names; host != "app.example.com" || name != "app.example.com" {
		t.Errorf("http was asked for host %q and server name %q", host, name)
	}

	for _, test := range []struct {
		address string
		want    want
	}{
		{"app.example.com:443", want{health.Pass, "ok", "connected"}},
		{"", want{health.Fail, "tls", "doesn't contain any IP SANs"}},
	} {
		port := &health.TCP{Address: test.address, Link: health.Link{Target: address, Secure: true, TLS: health.TLS{RootsFile: web.TLS.RootsFile}}}
		test.want.check(t, runPromptly(t, mustMake(t, Options{}, port)))
		<-names
	}
}

// A redirect to another port goes to that port of the target.
func TestTargetRedirects(t *testing.T) {
	second := serve(t, "127.0.0.1", answer("HTTP/1.1 200 OK\r\n\r\n"))
	_, port, _ := net.SplitHostPort(second)
	first := serve(t, "127.0.0.1", answer("HTTP/1.1 302 Found\r\nLocation: http://app.example.com:"+port+"/\r\n\r\n"))
	spec := spec200("http://app.example.com/")
	spec.Target, spec.FollowRedirects = first, true
	want{health.Pass, "ok", "status 200"}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
}

func TestTargetWithoutPort(t *testing.T) {
	web := spec200("http://app.example.com/")
	web.Target = "127.0.0.1"
	for _, spec := range []health.Spec{web, &health.TCP{Link: health.Link{Target: "127.0.0.1"}}} {
		_, err := New(Options{})(health.Target{ID: "test", Spec: spec})
		if err == nil || !strings.Contains(err.Error(), "missing port in address") {
			t.Errorf("%s: %v", spec.Kind(), err)
		}
	}
}

// The header of the PROXY protocol comes first, before TLS too, and again with each connection.
func TestProxyHeader(t *testing.T) {
	ca := newAuthority(t)
	certificates := []tls.Certificate{ca.sign(t, "127.0.0.1", time.Now().Add(time.Hour))}
	address := serve(t, "127.0.0.1", func(conn net.Conn) {
		header := make([]byte, len(proxyHeader))
		if _, err := io.ReadFull(conn, header); err != nil || string(header) != "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00" {
			t.Errorf("the connection began with %q, %v", header, err)
			return
		}
		buffered := bufio.NewReader(conn)
		if first, err := buffered.Peek(1); err == nil && first[0] == 22 { // a record of a handshake
			secured := tls.Server(rest{conn, buffered}, &tls.Config{Certificates: certificates})
			answer("HTTP/1.1 200 OK\r\n\r\n")(secured)
			secured.Close()
			return
		}
		answer("HTTP/1.1 200 OK\r\n\r\n")(rest{conn, buffered})
	})
	plain, secure := spec200("http://"+address), spec200("https://"+address)
	secure.TLS.RootsFile = ca.file(t)
	plain.ProxyHeader, secure.ProxyHeader = true, true
	port := &health.TCP{Address: address, Send: "GET / HTTP/1.0\r\n\r\n", Pattern: regexp.MustCompile("200 OK"), Link: health.Link{ProxyHeader: true}}
	for _, spec := range []health.Spec{plain, secure, port} {
		want{health.Pass, "ok", ""}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
	}
}

// rest is a connection of which some has been read already.
type rest struct {
	net.Conn
	reader *bufio.Reader
}

func (r rest) Read(p []byte) (int, error) { return r.reader.Read(p) }

// pemFile writes what a PEM file of one block holds.
func pemFile(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestClientCertificate(t *testing.T) {
	ca := newAuthority(t)
	mine := ca.sign(t, "prober.example.com", time.Now().Add(time.Hour))
	key, err := x509.MarshalPKCS8PrivateKey(mine.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	link := health.Link{Secure: true, TLS: health.TLS{RootsFile: ca.file(t), CertFile: pemFile(t, "CERTIFICATE", mine.Certificate[0]), KeyFile: pemFile(t, "PRIVATE KEY", key)}}
	shown := make(chan string, 2)
	address, _ := serveTLS(t, &tls.Config{
		Certificates: []tls.Certificate{ca.sign(t, "127.0.0.1", time.Now().Add(time.Hour))}, ClientAuth: tls.RequireAnyClientCert,
	}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { shown <- r.TLS.PeerCertificates[0].DNSNames[0] }))

	web := spec200("https://" + address)
	web.Link = link
	port := &health.TCP{Address: address, Link: link, Send: "GET / HTTP/1.0\r\n\r\n", Pattern: regexp.MustCompile("200 OK")}
	for _, spec := range []health.Spec{web, port} {
		want{health.Pass, "ok", ""}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
		if got := <-shown; got != "prober.example.com" {
			t.Errorf("%s: the certificate of %q was shown", spec.Kind(), got)
		}
	}

	web.TLS.KeyFile = web.TLS.CertFile
	if _, err := New(Options{})(health.Target{ID: "test", Spec: web}); err == nil || !strings.Contains(err.Error(), "are not a certificate and its key") {
		t.Error(err)
	}
}

func TestMinVersion(t *testing.T) {
	ca := newAuthority(t)
	address, _ := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.sign(t, "127.0.0.1", time.Now().Add(time.Hour))}, MaxVersion: tls.VersionTLS12},
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, skip := range []bool{false, true} {
		for version, want := range map[uint16]want{
			tls.VersionTLS12: {health.Pass, "ok", ""},
			tls.VersionTLS13: {health.Fail, "tls", "protocol version not supported"},
		} {
			spec := spec200("https://" + address)
			spec.TLS = health.TLS{RootsFile: ca.file(t), MinVersion: version, SkipVerify: skip}
			want.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
		}
	}
}

// A certificate has no zones of addresses.
func TestNameOfAnAddress(t *testing.T) {
	for host, want := range map[string]string{
		"fe80::1%eth0": "fe80::1", "2001:DB8::1": "2001:db8::1", "192.0.2.1": "192.0.2.1", "App.example.com": "App.example.com", "": "",
	} {
		config, err := tlsConfig(&health.TLS{}, host)
		if err != nil || config.ServerName != want {
			t.Errorf("%q is verified as %q, want %q (%v)", host, config.ServerName, want, err)
		}
	}
}
