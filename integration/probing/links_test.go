//go:build integration

package probing

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"gslb/integration/parts"
)

// haproxyLinks takes connections in all the ways that checks make them.
var haproxyLinks = template.Must(template.New("haproxy.cfg").Parse(`
defaults
    mode http
    timeout connect 2s
    timeout client  5s
    timeout server  5s

userlist probers
    user gslb insecure-password open-sesame

frontend plain
    bind {{.Proxied}} accept-proxy
    bind {{.HTTP2}} proto h2
    http-request auth unless { path /open } or { http_auth(probers) }
    http-request return status 200 content-type application/json hdr X-Role primary hdr X-Client %[src] string '{"status": "ok", "lag": 3}'

frontend secure
    bind {{.Secure}} accept-proxy ssl crt {{.Dir}}/server.pem ca-file {{.Dir}}/ca.pem verify required alpn h2,http/1.1 ssl-min-ver TLSv1.3
    http-request return status 200 hdr X-Prober %[ssl_c_s_dn(CN)] content-type text/plain hdr X-Version %[req.ver] string ok

frontend expired
    bind {{.Expired}} ssl crt {{.Dir}}/expired.pem
    http-request return status 200 content-type text/plain string ok
`))

var gslbLinks = template.Must(template.New("zones.toml").Parse(`
[server]
listen = ["{{.Listen}}"]
[admin]
listen = "{{.Admin}}"
{{range .Checks}}
[checks.{{.ID}}]
{{.Keys}}
[pools.{{.ID}}]
members = ["127.0.0.1"]
checks  = ["{{.ID}}"]
[zones."{{.ID}}.example"]
nameservers = { ns1 = ["192.0.2.1"] }
names.n = { pools = ["{{.ID}}"] }
{{end}}`))

// TestLinks checks a real HAProxy over connections of all kinds: with the header of the PROXY protocol, over HTTP/2, with
// a client's certificate, with a password; and certificates that end too soon, or have ended.
func TestLinks(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	lab, dir := parts.ForTest(t), t.TempDir()
	ca := newIssuer(t, dir)
	ca.issue(t, dir, "server", time.Now().Add(10*24*time.Hour))
	ca.issue(t, dir, "client", time.Now().Add(24*time.Hour))
	ca.issue(t, dir, "expired", time.Now().Add(-time.Hour))
	must(t, os.WriteFile(filepath.Join(dir, "basic"), []byte("gslb:open-sesame\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "wrong"), []byte("gslb:open-barley\n"), 0o600))

	port := func() netip.AddrPort {
		at, err := lab.FreePort(netip.MustParseAddr("127.0.0.1"))
		must(t, err)
		return at
	}
	proxied, http2, secure, expired, listen, admin := port(), port(), port(), port(), port(), port()
	file := render(t, "haproxy.cfg", haproxyLinks, map[string]any{"Proxied": proxied, "HTTP2": http2, "Secure": secure, "Expired": expired, "Dir": dir})
	_, err := lab.StartProgram(ctx, parts.Program{
		Name: "haproxy", Path: "haproxy", Args: []string{"-db", "-f", file},
		Ready: func(ctx context.Context) error {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", expired.String())
			if err == nil {
				conn.Close()
			}
			return err
		},
	})
	must(t, err)

	web := func(at netip.AddrPort, path string) string {
		return fmt.Sprintf("type = \"http\"\nurl = \"http://app.example.com%s\"\ntarget = \"%v\"\n", path, at)
	}
	tls := fmt.Sprintf("server_name = \"app.example.com\"\nroots_file = \"%s/ca.pem\"\n", dir)
	client := tls + fmt.Sprintf("cert_file = \"%s/client.pem\"\nkey_file = \"%s/client.key\"\nproxy_protocol = true\nmin_tls = \"1.3\"\n", dir, dir)
	https := fmt.Sprintf("type = \"http\"\nurl = \"https://%v/\"\n", secure)
	basic := fmt.Sprintf("auth = { basic_file = \"%s/basic\" }\n", dir)
	checks := []struct {
		ID, Keys string
		want     verdict
		said     string
	}{
		{"proxied", web(proxied, "/open") + "proxy_protocol = true\nexpect.headers = { X-Client = \"^127.0.0.1$\" }\nexpect.json = { path = \"lag\", max = 5 }", pass, "lag is as wanted"},
		{"unproxied", web(proxied, "/open"), fail, ""},
		{"two", web(http2, "/open") + "http2 = true\nexpect.headers = { X-Role = \"^primary$\" }", pass, "status 200"},
		{"one", web(http2, "/open"), fail, ""},
		{"known", web(proxied, "/") + "proxy_protocol = true\n" + basic, pass, "status 200"},
		{"unknown", web(proxied, "/") + "proxy_protocol = true\n", fail, "status 401, want 200-299"},
		{"mistaken", web(proxied, "/") + "proxy_protocol = true\n" + strings.Replace(basic, "basic\"", "wrong\"", 1), fail, "status 401, want 200-299"},
		{"client", https + client + "expect.headers = { X-Prober = \"^client$\", X-Version = \"^1.1$\" }\nexpires = \"3d\"", pass, "status 200"},
		{"client2", https + client + "http2 = true\nexpect.headers = { X-Prober = \"^client$\", X-Version = \"^2.0$\" }\nexpires = \"14d\"", pass, "the certificate must be renewed"},
		{"stranger", https + tls + "proxy_protocol = true", fail, "certificate required"},
		{"handshake", fmt.Sprintf("type = \"tls\"\naddress = \"%v\"\nexpires_fail = \"3d\"\n", secure) + client, pass, "handshake done, TLS 1.3"},
		{"short", fmt.Sprintf("type = \"tls\"\naddress = \"%v\"\nexpires_fail = \"14d\"\n", secure) + client, fail, "the certificate is valid until"},
		{"expired", fmt.Sprintf("type = \"tls\"\naddress = \"%v\"\n", expired) + tls, fail, "certificate has expired"},
		{"steps", fmt.Sprintf("type = \"tcp\"\naddress = \"%v\"\n", secure) + client + "tls = true\n" +
			`steps = [{ send = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", expect = "^HTTP/1.1 200" }, { expect = "(?m)^ok$" }, { send = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", expect = "(?i)connection: close" }]`, pass, "what was read matches"},
	}
	got, said := runGSLB(t, ctx, lab, gslbLinks, map[string]any{"Listen": listen, "Admin": admin, "Checks": checks}, listen, admin)
	for _, check := range checks {
		if got[check.ID] != check.want || !strings.Contains(said[check.ID], check.said) {
			t.Errorf("%s: %s: %s; want %s: …%s…", check.ID, got[check.ID], said[check.ID], check.want, check.said)
		}
	}
}

// issuer signs certificates.
type issuer struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// newIssuer makes an authority, and ca.pem of it.
func newIssuer(t *testing.T, dir string) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	made := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(365 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, made, made, key.Public(), key)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return &issuer{made, key}
}

// issue makes NAME.key, and NAME.pem with the certificate and its key.
func (ca *issuer) issue(t *testing.T, dir, name string, until time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	made := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"app.example.com"}, NotBefore: until.Add(-48 * time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if until.After(time.Now()) {
		made.NotBefore = time.Now().Add(-time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, made, ca.certificate, key.Public(), ca.key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	must(t, os.WriteFile(filepath.Join(dir, name+".key"), secret, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, name+".pem"), append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), secret...), 0o600))
}
