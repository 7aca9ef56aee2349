package probe

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"gslb/health"
)

// expiring adds to the result of a probe until when the certificates are valid that the server has shown, and
// fails a pass if that is too soon.
func (n *network) expiring(conn *connection, settings *health.TLS, r health.Result) health.Result {
	secured, ok := conn.Conn.(*tls.Conn)
	if !ok {
		return r // no TLS, or a certificate that was not parsed
	}
	state := secured.ConnectionState()
	now := time.Now()
	return judgeExpiry(settings, r, validUntil(&state), n.clocks.likely(now))
}

// validUntil is when the first of the certificates ends that prove who the server is; of several chains that
// prove it, the one counts that lasts longest. Of a server that is not verified it is that of its own certificate.
func validUntil(state *tls.ConnectionState) time.Time {
	var latest time.Time
	chains := state.VerifiedChains
	if len(chains) == 0 && len(state.PeerCertificates) > 0 {
		chains = [][]*x509.Certificate{state.PeerCertificates[:1]}
	}
	for _, chain := range chains {
		first := chain[0].NotAfter
		for _, c := range chain[1:] {
			if c.NotAfter.Before(first) {
				first = c.NotAfter
			}
		}
		if first.After(latest) {
			latest = first
		}
	}
	return latest
}

// judgeExpiry judges how long certificates are still valid.
//
//	valid for less than   a pass             is noted as expiring
//	nothing that is set   stays              no
//	expires               stays              yes
//	expires_fail          fails, "expires"   yes
//
// All else stays as it is. The certificate of a server that fails for another reason expires, too.
func judgeExpiry(settings *health.TLS, r health.Result, until, now time.Time) health.Result {
	if until.IsZero() {
		return r
	}
	left := until.Sub(now)
	tooShort := settings.ExpiresFail > 0 && left < settings.ExpiresFail
	notes := notesOf(r)
	notes.Expires, notes.Expiring = until, tooShort || settings.Expires > 0 && left < settings.Expires
	r.Notes = &notes
	if r.Verdict == health.Pass && tooShort {
		failed := fail("expires", "the certificate is valid until %s, %s more, want %s",
			until.UTC().Format(time.RFC3339), roughly(left), roughly(settings.ExpiresFail))
		failed.Notes = r.Notes
		return failed
	}
	if r.Verdict == health.Pass && notes.Expiring {
		r.Detail += fmt.Sprintf("; the certificate must be renewed: valid until %s, %s more", until.UTC().Format(time.RFC3339), roughly(left))
	}
	return r
}
