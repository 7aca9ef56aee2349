package probe

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"gslb/health"
	"gslb/internal/files"
)

// endpointOf is where the connections of a probe go that wants to reach an address, and how they begin. The
// protocols are those that are offered in TLS (RFC 7301).
//
//	the link has   the address is   connects to   verifies the name of
//	no target      given            the address   the address
//	a target       given            the target    the address
//	a target       empty            the target    the target
//
// The link's own server name comes before both names.
func endpointOf(link *health.Link, address string, protocols ...string) (endpoint, error) {
	to := endpoint{address: cmp.Or(link.Target, address), proxied: link.ProxyHeader}
	if _, _, err := net.SplitHostPort(to.address); err != nil {
		return endpoint{}, fmt.Errorf("address: %w", err)
	}
	if !link.Secure {
		return to, nil
	}
	host, _, err := net.SplitHostPort(cmp.Or(address, link.Target))
	if err != nil {
		return endpoint{}, fmt.Errorf("address: %w", err)
	}
	to.tls, err = tlsConfig(&link.TLS, host, protocols...)
	return to, err
}

// proxyHeader begins a connection that a proxy has opened for itself, as for its health checks: version 2,
// command LOCAL, no family, no addresses. The server uses the addresses of the connection (The PROXY protocol,
// sections 2 and 2.2, https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
const proxyHeader = "\r\n\r\n\x00\r\nQUIT\n" + "\x20" + "\x00" + "\x00\x00"

// tlsConfig is what a kind of check that speaks TLS does it with. The name that the certificate is verified
// by, if the settings have none, is that of host.
func tlsConfig(settings *health.TLS, host string, protocols ...string) (*tls.Config, error) {
	config := &tls.Config{
		ServerName:         settings.ServerName,
		NextProtos:         protocols,
		InsecureSkipVerify: settings.SkipVerify,
		CipherSuites:       cipherSuites(settings.Compatible),
		MinVersion:         settings.MinVersion,
		// A server may ask for a client's certificate only when it knows what is wanted of it (RFC 5246, section 7.4.1.1).
		Renegotiation: tls.RenegotiateOnceAsClient,
	}
	if settings.Compatible {
		config.MinVersion = tls.VersionTLS10
	}
	if config.ServerName == "" {
		config.ServerName = nameOf(&url.URL{Host: bracketed(host)})
	}
	if settings.RootsFile != "" {
		pem, err := files.Read(settings.RootsFile, maxRoots)
		if err != nil {
			return nil, fmt.Errorf("roots file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("roots file: %s holds no certificate in PEM form", settings.RootsFile)
		}
	}
	if settings.CertFile != "" {
		pair, err := keyPair(settings.CertFile, settings.KeyFile)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// nameOf is what the certificate of a URL's server is verified by. The zone of an address is this host's own matter
// (RFC 4007, section 11.2).
func nameOf(u *url.URL) string {
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		return addr.WithZone("").String()
	}
	return u.Hostname()
}

// keyPair reads a certificate and its key. Its errors tell nothing of what the files hold.
func keyPair(certFile, keyFile string) (tls.Certificate, error) {
	chain, err := files.Read(certFile, maxRoots)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate file: %w", err)
	}
	key, err := files.Read(keyFile, maxRoots)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("key file: %w", err)
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate file: %s and %s are not a certificate and its key: %w", certFile, keyFile, err)
	}
	return pair, nil
}

// cipherSuites are those of TLS 1.2 and before. By default package tls leaves out RSA key exchange,
// since it has no forward secrecy. A probe has no secrets to protect, the server proves its
// identity in the same way, and curl and HAProxy accept it. Weak suites are only for compatible,
// and RC4 is never used.
func cipherSuites(compatible bool) []uint16 {
	var ids []uint16
	for _, suite := range tls.CipherSuites() {
		ids = append(ids, suite.ID)
	}
	for _, suite := range tls.InsecureCipherSuites() {
		weak := strings.Contains(suite.Name, "_3DES_") || strings.HasSuffix(suite.Name, "_CBC_SHA256")
		if !strings.Contains(suite.Name, "_RC4_") && (compatible || !weak) {
			ids = append(ids, suite.ID)
		}
	}
	return ids
}
