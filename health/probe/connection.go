package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"gslb/internal/blindtls"
)

// The protocols that are offered in TLS (RFC 7301): HTTP/1.1, and HTTP/2 where a check wants that.
const (
	protocol  = "http/1.1"
	protocol2 = "h2"
)

// dialer opens a connection, as net.Dialer.DialContext does.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// network opens the connections of all probes. It is safe for concurrent use.
type network struct {
	dial, redial dialer // for the first and the second attempt to open a connection
	lookups      *lookups
	route        func(*net.TCPAddr) error
	roots        *roots
	clocks       *clocks
	readers      sync.Pool // of *bufio.Reader
	http2        *http.Transport
}

func newNetwork(dial, redial, nameServers dialer) *network {
	return &network{
		dial:    dial,
		redial:  redial,
		lookups: newLookups(nameServers),
		route:   newRoutes().to,
		roots:   newRoots(),
		clocks:  newClocks(),
		readers: sync.Pool{New: func() any { return bufio.NewReader(nil) }},
		http2:   overHTTP2(),
	}
}

// endpoint is where a connection goes.
type endpoint struct {
	address   string      // host:port
	datagrams bool        // over UDP, and nothing else is set
	proxied   bool        // it begins with the header of the PROXY protocol
	tls       *tls.Config // nil: no TLS
}

// transport is what package net calls it.
func (e *endpoint) transport() string {
	if e.datagrams {
		return "udp"
	}
	return "tcp"
}

// connection is a connection of a probe, with TLS if the endpoint wants it. Its reads and writes
// fail as soon as the probe's context is done.
type connection struct {
	net.Conn
	raw     net.Conn // what TLS runs on; without TLS, Conn
	release func() bool
	route   func(*net.TCPAddr) error
}

// connect opens a connection and, where the endpoint wants it, makes the TLS handshake.
// An error of it is a fault.
func (n *network) connect(ctx context.Context, to endpoint) (*connection, error) {
	c, err := n.reach(ctx, to)
	if err != nil || to.tls == nil {
		return c, err
	}
	began := time.Now()
	config, trusted := n.trust(ctx, to.tls)
	secured := tls.Client(c.raw, config)
	err = secured.Handshake()
	traceOf(ctx).secured(secured, config, began, err)
	if err == nil {
		c.Conn = secured
		return c, nil
	}
	c.close()
	err = explainRoots(trusted, err)
	err = explainValidity(err, n.clocks.ahead(time.Now()), time.Now())
	failed := c.fault(handshaking, err)
	if !blindly(to.tls) || reasonOf(failed) != "tls" {
		return nil, failed
	}
	if c, err = n.reach(ctx, to); err != nil {
		return nil, failed
	}
	began = time.Now()
	if c.Conn, err = blindtls.Client(c.raw, to.tls.ServerName, to.tls.NextProtos...); err != nil {
		c.close()
		return nil, failed
	}
	traceOf(ctx).step(Step{Phase: TLS, Began: began, Text: "again, without parsing the certificate, which is not verified (skip_verify)"}, nil)
	return c, nil
}

// blindly says whether a handshake that has failed is made again without parsing the certificate. Package tls
// parses every certificate, and knows only some kinds of keys. A certificate that is not verified must not
// fail because of its form: package blindtls does not parse it. That package shows no certificate of its own,
// speaks TLS 1.2 to servers that want it, and does not learn which protocol was chosen.
func blindly(config *tls.Config) bool {
	return config.InsecureSkipVerify && len(config.Certificates) == 0 && config.MinVersion <= tls.VersionTLS12 &&
		!slices.Contains(config.NextProtos, protocol2)
}

// reach opens a connection without TLS.
func (n *network) reach(ctx context.Context, to endpoint) (*connection, error) {
	began, trace := time.Now(), traceOf(ctx)
	within, lookup := n.lookups.follow(ctx, to.address)
	raw, err := n.open(trace.dialing(within), to.transport(), to.address)
	lookup.over()
	if err != nil {
		return nil, n.explainDial(ctx, lookup, dialFault(to.address, err))
	}
	trace.connected(raw, began)
	c := n.adopt(ctx, raw)
	if to.proxied {
		began = time.Now()
		_, err := io.WriteString(raw, proxyHeader)
		trace.step(Step{Phase: Request, Began: began, Text: "header of the PROXY protocol, version 2, LOCAL"}, err)
		if err != nil {
			defer c.close()
			return nil, c.fault(sending, err)
		}
	}
	return c, nil
}

// adopt makes an open connection one of a probe.
func (n *network) adopt(ctx context.Context, raw net.Conn) *connection {
	// The deadline is set only when the context is done. Nearly all connections end before that,
	// and need no second timer.
	release := context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })
	return &connection{Conn: raw, raw: raw, route: n.route, release: release}
}

// close ends the connection at once, without TLS's close_notify: that protects against truncation,
// and nothing more is read.
func (c *connection) close() {
	c.release()
	c.raw.Close()
}

// fault says what went wrong on the connection. An answer may be missing because this host's own
// interface went down.
func (c *connection) fault(at stage, err error) error {
	to := ipOf(c.raw.RemoteAddr())
	if reason := reasonOf(err); to != nil && (reason == "timeout" || reason == "unreachable") {
		if noWay := c.route(to); noWay != nil {
			err = fmt.Errorf("%w: %w", errNoRoute, noWay)
		}
	}
	return &fault{at: at, peer: c.raw.RemoteAddr().String(), err: adviseTLS(err)}
}
