package blindtls

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestServers speaks with servers of package tls whose certificates are no certificates.
func TestServers(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]crypto.Signer{"RSA": rsaKey, "P-256": p256, "Ed25519": ed}
	for name, key := range keys {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for _, curve := range []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384} {
				for _, suite := range []uint16{0, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384} {
					switch {
					case version == tls.VersionTLS13 && (suite != 0 || curve == tls.CurveP384), suite != 0 && name != "RSA":
						continue
					}
					config := &tls.Config{
						Certificates: []tls.Certificate{{Certificate: [][]byte{[]byte("no certificate"), {}}, PrivateKey: key}},
						MaxVersion:   version, CurvePreferences: []tls.CurveID{curve}, NextProtos: []string{"http/1.1"},
						ClientAuth: tls.RequestClientCert,
					}
					if suite != 0 {
						config.CipherSuites = []uint16{suite}
					}
					t.Run(fmt.Sprintf("%s/%s/%v/%x", name, tls.VersionName(version), curve, suite), func(t *testing.T) { converse(t, config) })
				}
			}
		}
	}
}

// converse has the server echo lines, and a long text.
func converse(t *testing.T, config *tls.Config) {
	near, far := net.Pipe()
	near.SetDeadline(time.Now().Add(30 * time.Second))
	served := make(chan error, 1)
	var state tls.ConnectionState
	go func() {
		defer far.Close()
		server := tls.Server(far, config)
		err := server.Handshake()
		state = server.ConnectionState()
		if err == nil {
			_, err = io.Copy(server, io.LimitReader(server, 100_000))
		}
		if err == nil {
			err = server.Close()
		}
		served <- err
	}()
	client, err := Client(near, "app.example.com", "http/1.1")
	if err != nil {
		near.Close()
		t.Fatalf("%v; the server: %v", err, <-served)
	}
	text := bytes.Repeat([]byte("0123456789"), 10_000)
	go client.Write(text)
	got, err := io.ReadAll(client)
	if err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d bytes came back of %d, then %v", len(got), len(text), err)
	}
	near.Close()
	if err := <-served; err != nil {
		t.Error("the server:", err)
	}
	if state.ServerName != "app.example.com" || state.NegotiatedProtocol != "http/1.1" {
		t.Errorf("the server was asked for %q and %q", state.ServerName, state.NegotiatedProtocol)
	}
}

// TestNoTLS speaks with what is no server of TLS, or one that says no.
func TestNoTLS(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 400 Bad Request\r\n\r\n":     "not TLS",
		"\x15\x03\x03\x00\x02\x02\x28":         "alert 0228",
		"\x16\x03\x03\x00\x04\x02\xff\xff\xff": "has 16777215 bytes",
		"\x16\x03\x03\x00\x04\x02\x00\x00\x00": "malformed",
		"":                                     "EOF",
	} {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			bufio.NewReader(far).Peek(64)
			io.WriteString(far, answer)
		}()
		_, err := Client(near, "", "http/1.1")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want …%s…", answer, err, want)
		}
		near.Close()
	}
}

// FuzzServer has a server say anything.
func FuzzServer(f *testing.F) {
	f.Add([]byte("\x16\x03\x03\x00\x04\x02\x00\x00\x00"))
	hello := append([]byte{3, 3}, make([]byte, 32)...)
	hello = append(hello, 0, 0xc0, 0x2f, 0, 0, 0)
	message := append([]byte{serverHello}, vector(3, hello)...)
	share := append([]byte{serverKeyExchange}, vector(3, append([]byte{3, 0, 0x1d}, vector(1, make([]byte, 32))...))...)
	f.Add(append(header(recordHandshake, len(message)), message...))
	all := append(append(message, share...), serverHelloDone, 0, 0, 0)
	f.Add(append(header(recordHandshake, len(all)), all...))
	f.Fuzz(func(t *testing.T, answer []byte) {
		near, far := net.Pipe()
		go func() {
			go io.Copy(io.Discard, far)
			far.Write(answer)
			far.Close()
		}()
		near.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := Client(near, "app.example.com", "http/1.1"); err == nil {
			t.Error("a handshake with nobody succeeded")
		}
		near.Close()
	})
}
