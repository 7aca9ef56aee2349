package health

import "cmp"

// Handshake is a handshake of TLS, and what it tells of the server's certificate.
type Handshake struct {
	Address string // host:port, IPv6 in brackets
	Link
}

// Kind returns "tls".
func (*Handshake) Kind() string { return "tls" }

// Files are those of TLS.
func (h *Handshake) Files() []string { return h.TLS.Files() }

// Where is the target or else the address.
func (h *Handshake) Where() string { return cmp.Or(h.Target, h.Address) }

// Wants says how long the certificate must be valid.
func (h *Handshake) Wants() []string {
	line := "wants a handshake"
	if !h.TLS.SkipVerify {
		line += ", and a certificate that is verified"
	}
	return append([]string{line}, h.TLS.wants()...)
}
