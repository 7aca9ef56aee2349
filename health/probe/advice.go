package probe

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// alertAdvice is what the alerts of a server (RFC 8446, section 6), and the errors of package tls, mean for a check.
// The package gives them as text alone.
var alertAdvice = []struct{ end, advice string }{
	{"remote error: tls: no application protocol", "the server does not speak the HTTP that it is offered; http2 of the check chooses which"},
	{"remote error: tls: protocol version not supported", `the server does not speak TLS 1.2 or 1.3 as the check wants it; see min_tls, and tls = "compatible" for older ones`},
	{"remote error: tls: unrecognized name", "the server has nothing under the name that it is asked for; see host and server_name"},
	{"remote error: tls: certificate required", "the server wants a certificate of its client; see cert_file"},
	{"remote error: tls: handshake failure", `nothing that is offered suits the server; it may want a certificate (cert_file), another name (server_name) or old ciphers (tls = "compatible")`},
	{"remote error: tls: bad certificate", "the server does not take the certificate that it is shown; see cert_file"},
	{"remote error: tls: unknown certificate authority", "the server does not trust who issued the certificate that it is shown; see cert_file"},
	{"remote error: tls: expired certificate", "the certificate that the server is shown has ended; renew cert_file"},
}

// adviseTLS adds to an error of TLS what an operator can do about it.
//
//	the error                                     is added
//	an alert of the server                        what it means for the check
//	an old version that the server has chosen     that it is older than the check allows
//	no TLS at all                                 what came instead
//	an expired certificate that is not the leaf   whose it is
//	an unknown authority                          which certificate is missing
func adviseTLS(err error) error {
	var header tls.RecordHeaderError
	var refused *tls.CertificateVerificationError
	switch {
	case errors.As(err, &header) && bytes.HasPrefix(header.RecordHeader[:], []byte("HTTP/")):
		return fmt.Errorf("%w: the server speaks HTTP there, without TLS", err)
	case errors.As(err, &header) && header.Conn != nil: // it is the first record
		return fmt.Errorf("%w: it begins with %q", err, header.RecordHeader[:])
	case errors.As(err, &refused):
		return adviseCertificate(err, refused.UnverifiedCertificates)
	case err != nil && strings.Contains(err.Error(), "server selected unsupported protocol version"):
		return fmt.Errorf(`%w: it is older than the check allows; see tls = "compatible"`, err)
	}
	for _, a := range alertAdvice {
		if err != nil && strings.HasSuffix(err.Error(), a.end) {
			return fmt.Errorf("%w: %s", err, a.advice)
		}
	}
	return err
}

// adviseCertificate is adviseTLS for a certificate that was not accepted, of those that the server has shown.
func adviseCertificate(err error, shown []*x509.Certificate) error {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case len(shown) == 0:
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && !invalid.Cert.Equal(shown[0]):
		return fmt.Errorf("%w: that of %q, by which the server's own is verified", err, invalid.Cert.Subject)
	case errors.As(err, &unknown):
		last := lastOf(shown)
		if bytes.Equal(last.RawIssuer, last.RawSubject) {
			return fmt.Errorf("%w: %q, which has signed itself; if it is right, name it in roots_file (for a dynamodb check, in AWS_CA_BUNDLE)", err, last.Subject)
		}
		return fmt.Errorf("%w: %q is none of the roots that the check goes by, and the server has not sent its certificate: an intermediate one may be missing there", err, last.Issuer)
	}
	return err
}

// lastOf is the end of the chain that begins with the first certificate, as far as the others go.
func lastOf(shown []*x509.Certificate) *x509.Certificate {
	last := shown[0]
	for range shown {
		for _, c := range shown {
			if bytes.Equal(last.RawIssuer, c.RawSubject) && !bytes.Equal(last.RawIssuer, last.RawSubject) {
				last = c
				break
			}
		}
	}
	return last
}
