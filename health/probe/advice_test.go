package probe

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"gslb/health"
)

// issued is a certificate, the key of its subject, and what it was signed by.
type issued struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// issue signs a certificate for an hour, unless change says otherwise; without a parent, by itself.
func issue(t *testing.T, parent *issued, name string, change func(*x509.Certificate)) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	change(template)
	by, signer := template, key
	if parent != nil {
		by, signer = parent.Certificate, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{certificate, key}
}

func asAuthority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
}

// TestAdvice has handshakes fail. The result says what an operator is to look at.
func TestAdvice(t *testing.T) {
	named := func(c *x509.Certificate) { c.DNSNames = []string{"app.example.com"} }
	root := issue(t, nil, "root", asAuthority)
	between := issue(t, root, "between", asAuthority)
	ended := issue(t, root, "ended", func(c *x509.Certificate) { asAuthority(c); c.NotAfter = time.Now().Add(-time.Minute) })
	shown := func(own *issued, more ...*issued) *tls.Config {
		chain := tls.Certificate{PrivateKey: own.key, Certificate: [][]byte{own.Raw}}
		for _, c := range more {
			chain.Certificate = append(chain.Certificate, c.Raw)
		}
		return &tls.Config{Certificates: []tls.Certificate{chain}}
	}
	good := shown(issue(t, root, "", named))
	speaking := func(config *tls.Config, change func(*tls.Config)) func(net.Conn) {
		config = config.Clone()
		change(config)
		return func(c net.Conn) {
			secured := tls.Server(c, config)
			answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(secured)
			secured.Close()
		}
	}
	as := func(*tls.Config) {}
	saying := func(raw string) func(net.Conn) {
		return func(c net.Conn) {
			io.CopyN(io.Discard, c, 50)
			io.WriteString(c, raw)
			hang(c)
		}
	}
	own := issue(t, between, "", named)
	underEnded := issue(t, ended, "", named)
	for name, test := range map[string]struct {
		server func(net.Conn)
		want   want
	}{
		"as it should be":       {speaking(good, as), want{health.Pass, "ok", ""}},
		"intermediate":          {speaking(shown(own, between), as), want{health.Pass, "ok", ""}},
		"in any order":          {speaking(shown(own, root, ended, between), as), want{health.Pass, "ok", ""}},
		"no intermediate":       {speaking(shown(own), as), want{health.Fail, "tls", `"CN=between" is none of the roots that the check goes by, and the server has not sent its certificate`}},
		"another one":           {speaking(shown(own, ended), as), want{health.Fail, "tls", `"CN=between" is none of the roots that the check goes by`}},
		"signed by itself":      {speaking(shown(issue(t, nil, "app", named)), as), want{health.Fail, "tls", `"CN=app", which has signed itself`}},
		"a root that is none":   {speaking(shown(issue(t, issue(t, nil, "other", asAuthority), "", named)), as), want{health.Fail, "tls", `"CN=other" is none of the roots that the check goes by`}},
		"intermediate is over":  {speaking(shown(underEnded, ended), as), want{health.Fail, "tls", `that of "CN=ended", by which the server's own is verified`}},
		"an older version":      {speaking(good, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), want{health.Fail, "tls", "see min_tls, and tls = "}},
		"wants a certificate":   {speaking(good, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }), want{health.Fail, "tls", "see cert_file"}},
		"wants one, by TLS 1.2": {speaking(good, func(c *tls.Config) { c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12 }), want{health.Fail, "tls", "it may want a certificate (cert_file)"}},
		"another protocol":      {speaking(good, func(c *tls.Config) { c.NextProtos = []string{"h3"} }), want{health.Fail, "tls", "http2 of the check chooses which"}},
		"no such name":          {saying("\x15\x03\x03\x00\x02\x02\x70"), want{health.Fail, "tls", "see host and server_name"}},
		"an old version chosen": {saying("\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01" + string(make([]byte, 32)) + "\x00\xc0\x13\x00"), want{health.Fail, "tls", "older than the check allows"}},
		"HTTP":                  {saying("HTTP/1.1 400 Bad Request\r\n\r\n"), want{health.Fail, "tls", "the server speaks HTTP there, without TLS"}},
		"SSH":                   {saying("SSH-2.0-OpenSSH_9.9\r\n"), want{health.Fail, "tls", `it begins with "SSH-2"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := spec200("https://" + serve(t, "127.0.0.1", test.server))
			spec.Host, spec.TLS.RootsFile = "app.example.com", (&authority{root.Certificate, root.key}).file(t)
			got := runPromptly(t, mustMake(t, Options{}, spec))
			test.want.check(t, got)
			if over := name == "intermediate is over"; over && (got.Notes == nil || !got.Notes.Expiring || !got.Notes.Expires.Equal(ended.NotAfter)) {
				t.Errorf("it is noted as %+v, want that the first of the chain has ended", got.Notes)
			}
		})
	}
}

// A server may remark on the name before it goes on, as some do that are asked for another one (RFC 6066, section 3).
func TestWarningIsNoFailure(t *testing.T) {
	ca := newAuthority(t)
	certificates := []tls.Certificate{ca.sign(t, "app.example.com", time.Now().Add(time.Hour))}
	spec := spec200("https://" + serve(t, "127.0.0.1", func(c net.Conn) {
		io.WriteString(c, "\x15\x03\x03\x00\x02\x01\x70")
		secured := tls.Server(c, &tls.Config{Certificates: certificates, MaxVersion: tls.VersionTLS12})
		answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(secured)
		secured.Close()
	}))
	spec.Host, spec.TLS.RootsFile = "app.example.com", ca.file(t)
	want{health.Pass, "ok", ""}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
}
