//go:build integration

package probing

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"gslb/integration/parts"
)

// oddTLS is a server of OpenSSL's with a certificate that is odd in some way.
type oddTLS struct {
	name    string
	request []string // how the certificate is made, besides what all have
	serve   []string // how it is served
	// why says why gslb may differ from both judges; empty: it must not.
	why string
}

var oddTLSServers = []oddTLS{
	{name: "usual"},
	{name: "TLS 1.2", serve: []string{"-tls1_2"}},
	{name: "negative serial number", request: []string{"-set_serial", "-5"}},
	{name: "serial number of 30 bytes", request: []string{"-set_serial", "0x" + strings.Repeat("7f", 30)}},
	{name: "name that is no URI", request: []string{"-addext", "subjectAltName=URI:http://[bad"}},
	{name: "name that is no domain name", request: []string{"-addext", "subjectAltName=DNS:b\u00fccher.example"}},
	{name: "name that is no mail address", request: []string{"-addext", "subjectAltName=email:nobody"}},
	{name: "constraint that is no address", request: []string{"-addext", "nameConstraints=permitted;DNS:.*bad"}},
	{name: "odd extension", request: []string{"-addext", "basicConstraints=critical,DER:0400"}},
	{name: "RSA of 1024 bits", request: []string{"-newkey", "rsa:1024"}, serve: []string{"-cipher", "DEFAULT@SECLEVEL=0"}},
	{name: "RSA-PSS", request: []string{"-newkey", "rsa-pss"}},
	{name: "RSA-PSS, TLS 1.2", request: []string{"-newkey", "rsa-pss"}, serve: []string{"-tls1_2"}},
	{name: "Ed25519", request: []string{"-newkey", "ed25519"}},
	{name: "Ed448", request: []string{"-newkey", "ed448"}},
	{name: "Ed448, TLS 1.2", request: []string{"-newkey", "ed448"}, serve: []string{"-tls1_2"}},
	{name: "P-521", request: []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"}},
	{name: "secp256k1", request: []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"}},
	{name: "brainpool", request: []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"}, serve: []string{"-tls1_2"}},
	{name: "RSA key exchange", request: []string{"-newkey", "rsa:2048"}, serve: []string{"-tls1_2", "-cipher", "AES128-GCM-SHA256"}},
	{name: "RSA key exchange and CBC", request: []string{"-newkey", "rsa:2048"}, serve: []string{"-tls1_2", "-cipher", "AES256-SHA"}},
	{name: "ChaCha20", serve: []string{"-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}},
	{name: "asks for a certificate", serve: []string{"-verify", "1"}},
	{name: "DHE", request: []string{"-newkey", "rsa:2048"}, serve: []string{"-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"}, why: "package tls has no DHE"},
}

// tlsTarget is one that runs.
type tlsTarget struct {
	oddTLS
	At netip.AddrPort
}

// ID names a target in the configurations.
func (t tlsTarget) ID() string { return fmt.Sprintf("s%d", t.At.Port()) }

// start makes the certificate and starts the server. OpenSSL answers every request with a
// page about the connection.
func (o oddTLS) start(t *testing.T, ctx context.Context, lab *parts.Lab) tlsTarget {
	t.Helper()
	at, err := lab.FreePort(netip.MustParseAddr("127.0.0.1"))
	must(t, err)
	dir := t.TempDir()
	key, file := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	args := []string{"req", "-x509", "-nodes", "-keyout", key, "-out", file, "-subj", "/CN=x", "-utf8"}
	if !strings.Contains(strings.Join(o.request, " "), "-newkey") {
		args = append(args, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
	}
	out, err := parts.Output(ctx, "openssl", append(args, o.request...)...)
	if err != nil {
		t.Fatalf("%s: %v: %s", o.name, err, out)
	}
	_, err = lab.StartProgram(ctx, parts.Program{
		Name: fmt.Sprintf("openssl-%d", at.Port()), Path: "openssl",
		Args: append([]string{"s_server", "-accept", at.String(), "-key", key, "-cert", file, "-www", "-quiet"}, o.serve...),
		Ready: func(ctx context.Context) error {
			return exec.CommandContext(ctx, "bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/127.0.0.1/%d", at.Port())).Run()
		},
	})
	must(t, err)
	return tlsTarget{o, at}
}

var haproxyTLS = template.Must(template.New("haproxy.cfg").Parse(`
defaults
    mode http
    timeout connect 2s
    timeout client  5s
    timeout server  5s
    timeout check   2s

frontend results
    bind {{.Listen}}
    stats enable
    stats uri /

backend tls
    option httpchk
    http-check send meth GET uri / ver HTTP/1.1 hdr Host odd.example.com hdr Connection close
    http-check expect status 200
    default-server check check-ssl verify none inter 3s fall 1 rise 1 check-sni odd.example.com
{{- range .Targets}}
    server {{.ID}} {{.At}}{{end}}
`))

var gslbTLS = template.Must(template.New("zones.toml").Parse(`
[server]
listen = ["{{.Listen}}"]
[admin]
listen = "{{.Admin}}"
{{range .Targets}}
[checks.{{.ID}}]
type     = "http"
url      = "https://{{.At}}/"
host     = "odd.example.com"
timeout  = "2s"
expect   = { status = ["200"] }
insecure_skip_verify = true
[pools.{{.ID}}]
members = ["127.0.0.1"]
checks  = ["{{.ID}}"]
[zones."{{.ID}}.example"]
nameservers = { ns1 = ["192.0.2.1"] }
names.n = { pools = ["{{.ID}}"] }
{{end}}`))

// TestOddTLS has gslb, curl and HAProxy judge servers with odd certificates, which none of
// them is to verify.
func TestOddTLS(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	lab := parts.ForTest(t)
	var targets []tlsTarget
	for _, odd := range oddTLSServers {
		targets = append(targets, odd.start(t, ctx, lab))
	}
	loopback := netip.MustParseAddr("127.0.0.1")
	listen, err := lab.FreePort(loopback)
	must(t, err)
	admin, err := lab.FreePort(loopback)
	must(t, err)
	ours, said := runGSLB(t, ctx, lab, gslbTLS, map[string]any{"Listen": listen, "Admin": admin, "Targets": targets}, listen, admin)
	haproxys, haproxySaid := runHAProxy(t, ctx, lab, haproxyTLS, map[string]any{"Targets": targets}, len(targets))

	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			cmd := exec.CommandContext(ctx, "curl", "--silent", "--show-error", "--insecure", "--http1.1", "--max-time", "2",
				"--output", os.DevNull, "--write-out", "%{http_code}", "https://"+target.At.String()+"/")
			var code, complaint bytes.Buffer
			cmd.Stdout, cmd.Stderr = &code, &complaint
			_ = cmd.Run() // what it says of the end does not matter
			curls := verdictOf(code.String() == "200")
			judges, got := haproxys[target.ID()], ours[target.ID()]
			want := verdictOf(curls == pass || judges == pass)
			if target.why != "" {
				want = fail
			}
			if got != want {
				t.Errorf("gslb says %q, want %q\ngslb: %s\ncurl: %s: %s\nHAProxy: %s: %s",
					got, want, said[target.ID()], curls, complaint.String(), judges, haproxySaid[target.ID()])
			}
		})
	}
}

// TestRenegotiation has a server of OpenSSL's begin a second handshake before it answers, as servers do that want a
// certificate for some of their pages alone. curl goes along, and so does HAProxy.
func TestRenegotiation(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	lab := parts.ForTest(t)
	loopback := netip.MustParseAddr("127.0.0.1")
	var at [3]netip.AddrPort
	for i := range at {
		var err error
		at[i], err = lab.FreePort(loopback)
		must(t, err)
	}
	dir := t.TempDir()
	key, file := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	out, err := parts.Output(ctx, "openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", key, "-out", file, "-subj", "/CN=x")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	server := exec.CommandContext(ctx, "openssl", "s_server", "-accept", at[0].String(), "-key", key, "-cert", file, "-tls1_2", "-msg")
	answers, err := server.StdinPipe()
	must(t, err)
	said, err := server.StdoutPipe()
	must(t, err)
	must(t, server.Start())
	listens, ended, seen := make(chan struct{}), make(chan struct{}), make(chan int, 1)
	go func() {
		defer close(ended)
		finished, most := 0, 0 // handshakes of a connection
		for lines := bufio.NewScanner(said); lines.Scan(); {
			switch line := lines.Text(); {
			case line == "ACCEPT" && most == 0:
				close(listens)
				most = 1
			case strings.Contains(line, "ClientHello") && finished == 2:
				finished = 0 // of the next probe
			case strings.HasPrefix(line, "GET "):
				finished = 1
				io.WriteString(answers, "r\n")
			case strings.HasPrefix(line, "<<<") && strings.Contains(line, "Finished") && finished == 1:
				finished = 2
				io.WriteString(answers, "HTTP/1.1 200 OK\nContent-Length: 2\n\nok\n")
				select {
				case seen <- finished:
				default:
				}
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		_ = server.Wait()
	})
	select {
	case <-listens:
	case <-ctx.Done():
		t.Fatal("openssl does not listen")
	}
	target := tlsTarget{oddTLS{name: "renegotiates"}, at[0]}
	verdicts, details := runGSLB(t, ctx, lab, gslbTLS, map[string]any{"Listen": at[1], "Admin": at[2], "Targets": []tlsTarget{target}}, at[1], at[2])
	if verdicts[target.ID()] != pass {
		t.Errorf("gslb says %q: %s", verdicts[target.ID()], details[target.ID()])
	}
	select {
	case <-seen:
	default:
		t.Error("there was no second handshake")
	}
}
