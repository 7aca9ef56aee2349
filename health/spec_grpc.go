package health

import (
	"cmp"
	"fmt"
)

// GRPC is a question to a server's own health service, grpc.health.v1.Health.
type GRPC struct {
	Address string // host:port; empty: the link's target
	Link
	Service string // whose state is asked for; empty: the server's as a whole
}

// Kind returns "grpc".
func (*GRPC) Kind() string { return "grpc" }

// Files are those of TLS.
func (g *GRPC) Files() []string { return g.TLS.Files() }

// Where is the target or else the address.
func (g *GRPC) Where() string { return cmp.Or(g.Target, g.Address) }

// Wants says what is to serve.
func (g *GRPC) Wants() []string {
	line := "wants the server to be SERVING"
	if g.Service != "" {
		line = fmt.Sprintf("wants service %q to be SERVING", g.Service)
	}
	return append([]string{line}, g.TLS.wants()...)
}
