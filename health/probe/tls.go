package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"gslb/health"
)

// newTLS makes the probe of a handshake. The rest of it is in connect, and in expiring.
func newTLS(n *network, spec *health.Handshake) (health.Probe, error) {
	if !spec.Secure {
		return nil, errors.New("tls: it is off, so that there would be no handshake")
	}
	to, err := endpointOf(&spec.Link, spec.Address)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) health.Result {
		conn, err := n.connect(ctx, to)
		if err != nil {
			return classify(ctx, err)
		}
		defer conn.close()
		detail := "handshake done"
		if secured, ok := conn.Conn.(*tls.Conn); ok {
			detail = fmt.Sprintf("handshake done, %s", tls.VersionName(secured.ConnectionState().Version))
		}
		return n.expiring(conn, &spec.TLS, pass(detail))
	}, nil
}
