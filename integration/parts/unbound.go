package parts

import (
	"context"
	"net/netip"
	"path/filepath"

	"github.com/miekg/dns"
)

// Unbound is a caching resolver.
type Unbound struct {
	*Part
	Listen netip.AddrPort
}

// UnboundConfig says how to run a resolver.
type UnboundConfig struct {
	Name   string // of the part
	Listen netip.AddrPort
	// Stubs are the zones whose servers the resolver knows, at any port. It finds
	// everything below them by following delegations, whose servers it asks at port 53: see
	// [Isolated]. Nothing else can be resolved.
	Stubs map[string][]netip.AddrPort
	// Options are further lines for its server clause: "cache-min-ttl: 0".
	Options []string

	Dir string // of the part; filled in
}

// StartUnbound starts a resolver and returns once it answers, if only with SERVFAIL.
func (l *Lab) StartUnbound(ctx context.Context, config UnboundConfig) (*Unbound, error) {
	unbound, err := find("unbound")
	if err != nil {
		return nil, err
	}
	config.Dir, err = l.folder(config.Name)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(config.Dir, "unbound.conf")
	if err := render(file, "unbound.conf", config); err != nil {
		return nil, err
	}
	u := &Unbound{Listen: config.Listen}
	u.Part, err = l.start(ctx, program{
		name: config.Name,
		path: unbound,
		args: []string{"-d", "-p", "-c", file}, // in the foreground, without a file for its id
		ready: func(ctx context.Context) error {
			_, err := Ask(ctx, config.Listen, "localhost.", dns.TypeA) // its own, asks nobody
			return err
		},
	})
	return u, err
}
