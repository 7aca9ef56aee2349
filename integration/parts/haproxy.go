package parts

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
)

// HAProxy is a region's load balancer: HTTP on one address, spread over the app servers
// that pass its health check, and 503 where none does.
type HAProxy struct {
	*Part
	Listen netip.AddrPort
}

// HAProxyConfig says how to run a load balancer.
type HAProxyConfig struct {
	Name   string // of the part
	Listen netip.AddrPort
	Also   []netip.AddrPort // where it listens besides: its IPv6 address
	Apps   []netip.AddrPort
}

// StartHAProxy starts a load balancer and returns once it accepts connections.
func (l *Lab) StartHAProxy(ctx context.Context, config HAProxyConfig) (*HAProxy, error) {
	haproxy, err := find("haproxy")
	if err != nil {
		return nil, err
	}
	dir, err := l.folder(config.Name)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "haproxy.cfg")
	if err := render(file, "haproxy.cfg", config); err != nil {
		return nil, err
	}
	h := &HAProxy{Listen: config.Listen}
	h.Part, err = l.start(ctx, program{
		name: config.Name,
		path: haproxy,
		args: []string{"-db", "-f", file}, // one process, in the foreground
		ready: func(ctx context.Context) error {
			_, _, err := Get(ctx, h.URL("/health"))
			return err
		},
	})
	return h, err
}

// URL is the load balancer's, for a path that begins with a slash.
func (h *HAProxy) URL(path string) string { return "http://" + h.Listen.String() + path }

// Serves waits until a request for a path through the load balancer is answered with that
// status code.
func (h *HAProxy) Serves(ctx context.Context, path string, status int) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	what := fmt.Sprintf("%s answers %s with %d", h.Name(), path, status)
	return Until(ctx, what, func(ctx context.Context) error {
		return getsStatus(ctx, h.URL(path), status)
	})
}
