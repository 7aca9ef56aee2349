package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"gslb/health"
	"gslb/zones"
	"gslb/zones/problem"
)

// link is how a check reaches a server, before it is applied to a pool.
type link struct {
	fixed              health.Link
	target, serverName *text
}

func (k *link) fill(f *filling) health.Link {
	filled := k.fixed
	filled.Target = f.fill(k.target)
	filled.TLS.ServerName = f.fill(k.serverName)
	return filled
}

// secure says whether a check asks for TLS whose other keys do not say.
func (raw *rawLink) secure() bool { return raw.TLS != nil && raw.TLS != false }

// link reads the keys that all kinds have that open a connection to what they judge. If no TLS is spoken,
// keys about TLS have no effect, and advice says why and what to do instead of removing them.
func (l *loader) link(c *check, raw *rawLink, secure bool, advice string) *link {
	k := &link{fixed: health.Link{ProxyHeader: raw.Proxy, TLS: health.TLS{
		SkipVerify: raw.SkipVerify,
		RootsFile:  l.roots(c.at.Key("roots_file"), raw.RootsFile),
		Compatible: l.compatibleTLS(c.at.Key("tls"), raw.TLS),
	}}}
	settings := &k.fixed.TLS
	settings.MinVersion = l.minTLS(c.at.Key("min_tls"), raw.MinTLS, settings.Compatible)
	settings.CertFile, settings.KeyFile = l.clientCertificate(c, raw)
	settings.Expires, settings.ExpiresFail = l.expiry(c, raw)
	if raw.Target != nil {
		k.target = l.text(c, c.at.Key("target"), *raw.Target, always, readHostPort)
	}
	if raw.ServerName != nil {
		k.serverName = l.text(c, c.at.Key("server_name"), *raw.ServerName, never, readServerName)
	}

	if raw.SkipVerify && raw.RootsFile != nil {
		l.Add(c.at.Key("roots_file"), "insecure_skip_verify = true ignores it; remove one of the two")
	}
	if secure {
		return k
	}
	for key, given := range map[string]bool{
		"tls":                  raw.secure(),
		"min_tls":              raw.MinTLS != nil,
		"server_name":          raw.ServerName != nil,
		"insecure_skip_verify": raw.SkipVerify,
		"roots_file":           raw.RootsFile != nil,
		"cert_file":            raw.CertFile != nil,
		"key_file":             raw.KeyFile != nil,
		"expires":              raw.Expires != nil,
		"expires_fail":         raw.ExpiresFail != nil,
	} {
		if given {
			l.Add(c.at.Key(key), "%s, or remove this", advice)
		}
	}
	return k
}

// linkByKey is link for a kind that speaks TLS if the key tls says so.
func (l *loader) linkByKey(c *check, raw *rawLink) *link {
	k := l.link(c, raw, raw.secure(), "no TLS is spoken; set tls = true")
	k.fixed.Secure = raw.secure()
	return k
}

// linkByURL is link for a kind that speaks TLS if its URL says so, or a redirect from it.
func (l *loader) linkByURL(c *check, raw *rawLink, url string, redirects bool) *link {
	secure := redirects || !strings.HasPrefix(strings.ToLower(url), "http://")
	if raw.TLS == false && strings.HasPrefix(strings.ToLower(url), "https://") {
		l.Add(c.at.Key("tls"), "found false; expected none, since the url is https")
	}
	return l.link(c, raw, secure, "the url is http, so that no TLS is spoken; make it https")
}

// How long a certificate may have to be valid: nothing is reported before 0s, and maxExpiry is above what any
// certificate is valid for.
const (
	minExpiry = time.Second
	maxExpiry = 10 * 365 * 24 * time.Hour
)

// expiry reads how long before its end a certificate is reported, and how long before it fails.
func (l *loader) expiry(c *check, raw *rawLink) (warn, fail time.Duration) {
	if raw.Expires != nil && l.durationWithin(c.at.Key("expires"), *raw.Expires, minExpiry, maxExpiry) {
		warn = raw.Expires.Duration
	}
	if raw.ExpiresFail != nil && l.durationWithin(c.at.Key("expires_fail"), *raw.ExpiresFail, minExpiry, maxExpiry) {
		fail = raw.ExpiresFail.Duration
		if raw.Expires != nil && fail > warn {
			l.Add(c.at.Key("expires_fail"), "found %s; expected at most expires, %s, so that somebody is told before it fails", raw.ExpiresFail, raw.Expires.plain())
		}
	}
	return warn, fail
}

// compatibleTLS reads how old the TLS may be that a server speaks. Whether it is spoken at all is the
// kind's matter.
func (l *loader) compatibleTLS(at *problem.Place, value any) bool {
	switch value {
	case nil, true, false, "default":
		return false
	case "compatible":
		return true
	}
	if word, ok := value.(string); ok {
		l.Add(at, `found %q; expected "default" or "compatible"`, word)
	} else {
		l.Add(at, `found %s; expected true, false, "default" or "compatible"`, describe(value))
	}
	return false
}

// minTLS reads the oldest version of TLS that a server may choose.
func (l *loader) minTLS(at *problem.Place, version *string, compatible bool) uint16 {
	switch {
	case version == nil:
		return 0
	case compatible:
		l.Add(at, `tls = "compatible" is for servers that speak less; remove one of the two`)
	case *version == "1.2":
		return tls.VersionTLS12
	case *version == "1.3":
		return tls.VersionTLS13
	default:
		l.Add(at, `found %q; expected "1.2" or "1.3"`, *version)
	}
	return 0
}

// roots reads the file of root certificates, so that a bad one is found now and a changed one
// makes a new configuration, and returns its path.
func (l *loader) roots(at *problem.Place, name *string) string {
	if name == nil {
		return ""
	}
	path := l.files.path(*name)
	pem, err := l.files.readSmall(path)
	if err != nil {
		l.Add(at, "found %q; expected a readable file: %v", *name, err)
	} else if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		l.Add(at, "found %q; expected a file with at least one certificate in PEM", *name)
	}
	return path
}

// clientCertificate reads the certificate that a check shows of itself, and its key, for the same reasons as
// roots, and returns their paths.
func (l *loader) clientCertificate(c *check, raw *rawLink) (cert, key string) {
	pair := keyPair{"cert_file", "key_file", raw.CertFile, raw.KeyFile, "servers refuse it"}
	if l.certificate(c.at, pair) == nil {
		return "", ""
	}
	return l.files.path(*raw.CertFile), l.files.path(*raw.KeyFile)
}

// readServerName reads a name to verify a certificate by.
func readServerName(s string) (string, error) {
	if _, err := netip.ParseAddr(s); err == nil {
		return s, nil
	}
	name, err := zones.ASCIIName(s)
	if err == nil {
		_, err = domainName(name)
	}
	if err != nil {
		return "", fmt.Errorf("found %q; expected a domain name or an address, without a port", s)
	}
	return name, nil
}
