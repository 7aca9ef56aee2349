package health

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"strings"
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

// HTTP is a request and what must come back. A new connection is made for each probe.
type HTTP struct {
	URL    string // absolute; the scheme says whether it is TLS
	Method string
	Host   string // Host header and TLS server name; empty: the URL's
	Link
	Headers map[string]string
	Body    string // of the request

	Status          []StatusRange  // any of them passes
	Pattern         *regexp.Regexp // the response's body must match; nil: not read
	MaxBody         int64          // bytes of the response's body that are looked at
	FollowRedirects bool           // at most ten, never to another address

	Load LoadFrom `json:",omitzero"` // what a response that passes says of the pool's load
}

// Kind returns "http".
func (*HTTP) Kind() string { return "http" }

// Files are those of TLS.
func (h *HTTP) Files() []string { return h.TLS.Files() }

// Where is the target or else the URL's host, and the port if that has one.
func (h *HTTP) Where() string {
	if h.Target != "" {
		return h.Target
	}
	if u, err := url.Parse(h.URL); err == nil {
		return u.Host
	}
	return ""
}

// Wants says which status is wanted, and which body.
func (h *HTTP) Wants() []string {
	line := "wants status " + StatusText(h.Status)
	if h.Pattern != nil {
		line += fmt.Sprintf(", and a body that matches %q in its first %d bytes", h.Pattern, h.MaxBody)
	}
	if h.FollowRedirects {
		line += ", after redirects"
	}
	return []string{line}
}

// StatusRange is a range of HTTP status codes, both ends included.
type StatusRange struct{ From, To int }

// StatusText writes a list of status codes as the configuration does.
func StatusText(list []StatusRange) string {
	words := make([]string, len(list))
	for i, r := range list {
		if r.From == r.To {
			words[i] = fmt.Sprint(r.From)
		} else {
			words[i] = fmt.Sprintf("%d-%d", r.From, r.To)
		}
	}
	return strings.Join(words, ", ")
}

// TCP is a connection that must open and, where asked, a short exchange on it.
type TCP struct {
	Address string // host:port, IPv6 in brackets
	Link
	Send    string         // written once connected; empty: nothing
	Pattern *regexp.Regexp // what is read must match; nil: nothing is read
}

// Kind returns "tcp".
func (*TCP) Kind() string { return "tcp" }

// Files are those of TLS.
func (t *TCP) Files() []string { return t.TLS.Files() }

// Where is the target or else the address.
func (t *TCP) Where() string { return cmp.Or(t.Target, t.Address) }

// Wants says what is to be read.
func (t *TCP) Wants() []string {
	if t.Pattern != nil {
		return []string{fmt.Sprintf("wants to read something that matches %q", t.Pattern)}
	}
	return []string{"wants to connect"}
}
