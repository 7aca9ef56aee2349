package health

import (
	"fmt"
	"time"

	"gslb/internal/plural"
)

// Spec is what a probe needs to know: a pointer to a struct of its kind, such as [HTTP]. Its JSON form says
// everything of what is probed and how, but for the content of Files.
type Spec interface {
	// Kind is the check's type as the configuration writes it: "http", "tcp", "dynamodb".
	Kind() string
	// Files are the paths of the files whose content belongs to what is probed and how: roots, secrets.
	Files() []string
	// Where names what is probed, for people: a host and port, a region; empty: there is no better name
	// than the check's.
	Where() string
	// Wants says what must come back, a line each, for people.
	Wants() []string
}

// Link is how a probe reaches a server, where the check leaves that open.
type Link struct {
	// Target is the host and port that is connected to; empty: what the check itself names.
	Target string `json:",omitempty"`
	// ProxyHeader says that each connection begins with a header of version 2 of the PROXY protocol.
	ProxyHeader bool `json:",omitempty"`
	// Secure says that TLS is spoken, where nothing else says it: that of HTTP goes by the URL.
	Secure bool `json:",omitempty"`
	TLS    TLS  `json:",omitzero"`
}

// TLS is how a probe speaks TLS, where it does.
type TLS struct {
	ServerName string `json:",omitempty"` // that the certificate is verified by; empty: of the kind's own
	SkipVerify bool   `json:",omitempty"` // of the server's certificate
	RootsFile  string `json:",omitempty"` // PEM file of the roots to verify by; empty: the system's
	CertFile   string `json:",omitempty"` // PEM file of the client's certificate; empty: none
	KeyFile    string `json:",omitempty"` // of its key
	MinVersion uint16 `json:",omitempty"` // as package tls has it; 0: its default
	Compatible bool   `json:",omitempty"` // with what servers spoke in 2020

	// How long the certificates that the server shows must be valid at least. With less than Expires a person
	// must renew them, and with less than ExpiresFail the probe fails.
	Expires     time.Duration `json:",omitempty"`
	ExpiresFail time.Duration `json:",omitempty"`
}

// Files are the paths of the roots, the certificate and its key.
func (t *TLS) Files() []string {
	var list []string
	for _, path := range []string{t.RootsFile, t.CertFile, t.KeyFile} {
		if path != "" {
			list = append(list, path)
		}
	}
	return list
}

// wants says for how long a certificate must be valid, if that is wanted.
func (t *TLS) wants() []string {
	const day = 24 * time.Hour
	switch d := t.ExpiresFail; {
	case d == 0:
		return nil
	case d%day == 0:
		return []string{"wants a certificate that is valid for " + plural.Of(int(d/day), "day", "days") + " more"}
	default:
		return []string{fmt.Sprintf("wants a certificate that is valid for %s more", d)}
	}
}
