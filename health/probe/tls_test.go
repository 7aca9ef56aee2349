//go:debug x509negativeserial=1

package probe

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/health"
)

func mustAddrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{certificate, key}
}

// sign makes a server's certificate for a name or an address.
func (a *authority) sign(t testing.TB, name string, notAfter time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: notAfter.Add(-2 * time.Hour), NotAfter: notAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// file writes the authority's certificate where a roots file is asked for.
func (a *authority) file(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "roots.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// serveTLS answers every request over TLS. It returns the address, and a channel that the
// server names of the clients go to.
func serveTLS(t testing.TB, config *tls.Config, handler http.Handler) (address string, names <-chan string) {
	t.Helper()
	asked := make(chan string, 8)
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		asked <- hello.ServerName
		return nil, nil
	}
	server := httptest.NewUnstartedServer(handler)
	server.TLS = config
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), asked
}

func TestTLS(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	roots := ca.file(t)
	valid, over := time.Now().Add(time.Hour), time.Now().Add(-time.Minute)

	tests := []struct {
		name        string
		certificate tls.Certificate
		spec        health.HTTP
		want        want
		asked       string // the server name in the handshake
	}{
		{"by address", ca.sign(t, "127.0.0.1", valid), health.HTTP{}, want{health.Pass, "ok", ""}, ""},
		{"by host", ca.sign(t, "app.example.com", valid), health.HTTP{Host: "app.example.com"}, want{health.Pass, "ok", ""}, "app.example.com"},
		{"by host with a port", ca.sign(t, "app.example.com", valid), health.HTTP{Host: "app.example.com:8443"}, want{health.Pass, "ok", ""}, "app.example.com"},
		{"by server name", ca.sign(t, "tls.example.com", valid), health.HTTP{Host: "app.example.com", Link: health.Link{TLS: health.TLS{ServerName: "tls.example.com"}}}, want{health.Pass, "ok", ""}, "tls.example.com"},
		{"wrong name", ca.sign(t, "other.example.com", valid), health.HTTP{Host: "app.example.com"},
			want{health.Fail, "tls", "certificate is valid for other.example.com, not app.example.com"}, "app.example.com"},
		{"expired", ca.sign(t, "app.example.com", over), health.HTTP{Host: "app.example.com"},
			want{health.Fail, "tls", "certificate has expired"}, "app.example.com"},
		{"unknown authority", stranger.sign(t, "app.example.com", valid), health.HTTP{Host: "app.example.com"},
			want{health.Fail, "tls", "certificate signed by unknown authority"}, "app.example.com"},
		{"not verified", stranger.sign(t, "other.example.com", over), health.HTTP{Host: "app.example.com", Link: health.Link{TLS: health.TLS{SkipVerify: true}}}, want{health.Pass, "ok", ""}, "app.example.com"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			address, names := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{test.certificate}}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			test.spec.URL, test.spec.TLS.RootsFile = "https://"+address, roots
			test.spec.Status = []health.StatusRange{{From: 200, To: 200}}
			test.want.check(t, runPromptly(t, mustMake(t, Options{}, &test.spec)))
			if diff := cmp.Diff(test.asked, <-names); diff != "" {
				t.Error("server name:", diff)
			}
		})
	}
}

// signRSA makes a server's certificate with an RSA key, which RSA key exchange needs, and
// any serial number.
func (a *authority) signRSA(t testing.TB, name string, serial int64) tls.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{name},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestOldTLS probes servers that speak nothing but what the name says.
func TestOldTLS(t *testing.T) {
	ca := newAuthority(t)
	roots, certificate := ca.file(t), ca.signRSA(t, "app.example.com", 7)
	suite := func(id uint16) *tls.Config {
		return &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{id}}
	}
	version := func(v uint16) *tls.Config { return &tls.Config{MinVersion: v, MaxVersion: v} }
	tests := []struct {
		name              string
		server            *tls.Config
		usual, compatible health.Verdict
	}{
		{"TLS 1.3", version(tls.VersionTLS13), health.Pass, health.Pass},
		{"TLS 1.2", version(tls.VersionTLS12), health.Pass, health.Pass},
		{"RSA key exchange, GCM", suite(tls.TLS_RSA_WITH_AES_128_GCM_SHA256), health.Pass, health.Pass},
		{"RSA key exchange, CBC", suite(tls.TLS_RSA_WITH_AES_256_CBC_SHA), health.Pass, health.Pass},
		{"RSA key exchange, CBC with SHA-256", suite(tls.TLS_RSA_WITH_AES_128_CBC_SHA256), health.Fail, health.Pass},
		{"3DES", suite(tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA), health.Fail, health.Pass},
		{"RC4", suite(tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA), health.Fail, health.Fail},
		{"TLS 1.1", version(tls.VersionTLS11), health.Fail, health.Pass},
		{"TLS 1.0", version(tls.VersionTLS10), health.Fail, health.Pass},
	}
	for _, test := range tests {
		for compatible, verdict := range map[bool]health.Verdict{false: test.usual, true: test.compatible} {
			t.Run(fmt.Sprintf("%s/compatible=%v", test.name, compatible), func(t *testing.T) {
				server := test.server.Clone()
				server.Certificates = []tls.Certificate{certificate}
				address, _ := serveTLS(t, server, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
				spec := spec200("https://" + address)
				spec.Host, spec.TLS.RootsFile, spec.TLS.Compatible = "app.example.com", roots, compatible
				expected := want{health.Pass, "ok", ""}
				if verdict == health.Fail {
					expected = want{health.Fail, "tls", "TLS handshake with"}
				}
				expected.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
			})
		}
	}
}

// A certificate that need not be looked at is not: it may be none at all.
func TestOddCertificate(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	junk := tls.Certificate{Certificate: [][]byte{[]byte("no certificate")}, PrivateKey: key}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		address := serve(t, "127.0.0.1", func(c net.Conn) {
			secured := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{junk}, MaxVersion: version, NextProtos: []string{"http/1.1"}})
			answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(secured)
			secured.Close()
		})
		for skip, want := range map[bool]want{
			false: {health.Fail, "tls", "failed to parse certificate"},
			true:  {health.Pass, "ok", "body matches"},
		} {
			spec := specBody("https://"+address, "^ok$")
			spec.Host, spec.TLS.SkipVerify = "app.example.com", skip
			want.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
		}
	}
}

// A serial number below zero is no reason to fail.
func TestNegativeSerial(t *testing.T) {
	ca := newAuthority(t)
	certificate := ca.sign(t, "app.example.com", time.Now().Add(time.Hour))
	// Package x509 makes no such certificate. The number is an INTEGER of one byte.
	der := bytes.Clone(certificate.Certificate[0])
	at := bytes.Index(der, []byte{2, 1, 2, 0x30})
	if at < 0 {
		t.Fatal("the serial number is not where it should be")
	}
	der[at+2] = 0xfb // -5
	certificate.Certificate = [][]byte{der}
	address, _ := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{certificate}}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	spec := spec200("https://" + address)
	spec.Host, spec.TLS.SkipVerify = "app.example.com", true
	want{health.Pass, "ok", ""}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
}

func TestTLSServers(t *testing.T) {
	ca := newAuthority(t)
	certificates := []tls.Certificate{ca.sign(t, "127.0.0.1", time.Now().Add(time.Hour))}
	tests := []struct {
		name   string
		server func(net.Conn)
		want   want
	}{
		{"closes at accept", func(net.Conn) {}, want{health.Fail, "closed", "TLS handshake with 127.0.0.1:"}},
		{"closes in the handshake", func(c net.Conn) { io.CopyN(io.Discard, c, 100) }, want{health.Fail, "closed", "TLS handshake with 127.0.0.1:"}},
		{"wants another protocol", func(c net.Conn) {
			tls.Server(c, &tls.Config{Certificates: certificates, NextProtos: []string{"other/1"}}).Handshake()
		}, want{health.Fail, "tls", "no application protocol"}},
		{"wants a certificate", func(c net.Conn) {
			server := tls.Server(c, &tls.Config{Certificates: certificates, ClientAuth: tls.RequireAnyClientCert})
			server.Handshake()
			server.Close()
			hang(c)
		}, want{health.Fail, "tls", "certificate required"}},
		{"closes after the handshake", func(c net.Conn) {
			server := tls.Server(c, &tls.Config{Certificates: certificates})
			awaitRequest(server)
			server.Close()
		}, want{health.Fail, "closed", "waiting for the response"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec := spec200("https://" + serve(t, "127.0.0.1", test.server))
			spec.TLS.RootsFile = ca.file(t)
			test.want.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
		})
	}
}

// A check of http that is redirected to https verifies as a check of https does.
func TestHTTPRedirectToTLS(t *testing.T) {
	ca := newAuthority(t)
	secure, names := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.sign(t, "app.example.com", time.Now().Add(time.Hour))}},
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	_, port, _ := net.SplitHostPort(secure)
	plain := serve(t, "127.0.0.1", answer("HTTP/1.1 301 Moved Permanently\r\nLocation: https://app.example.com:"+port+"/\r\n\r\n"))

	spec := spec200("http://" + plain)
	spec.Host, spec.FollowRedirects, spec.TLS.RootsFile = "app.example.com", true, ca.file(t)
	want{health.Pass, "ok", ""}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
	if got := <-names; got != "app.example.com" {
		t.Errorf("server name %q", got)
	}
}
