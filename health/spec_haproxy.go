package health

import (
	"cmp"
	"fmt"

	"gslb/internal/plural"
)

// HAProxy is a look at HAProxy's own view of the servers behind it.
type HAProxy struct {
	// Page is the request for the statistics as CSV; nil: Address is asked.
	Page *HTTP `json:",omitempty"`
	// Address is that of the Runtime API over TCP: host:port.
	Address string `json:",omitempty"`
	Link

	Backend    string // as HAProxy's configuration names it
	MinServers int    // that must be up

	Load LoadFrom `json:",omitzero"` // "servers": the share of servers that are up is the pool's weight
}

// Kind returns "haproxy".
func (*HAProxy) Kind() string { return "haproxy" }

// Files are those of the request, or of TLS.
func (h *HAProxy) Files() []string {
	if h.Page != nil {
		return h.Page.Files()
	}
	return h.TLS.Files()
}

// Where is what is asked.
func (h *HAProxy) Where() string {
	if h.Page != nil {
		return h.Page.Where()
	}
	return cmp.Or(h.Target, h.Address)
}

// Wants says how many servers are wanted.
func (h *HAProxy) Wants() []string {
	line := fmt.Sprintf("wants backend %q with at least %s up", h.Backend, plural.Of(h.MinServers, "server", "servers"))
	link := &h.Link
	if h.Page != nil {
		link = &h.Page.Link
	}
	return append([]string{line}, link.TLS.wants()...)
}
