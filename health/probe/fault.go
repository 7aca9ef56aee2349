package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// stage is what a probe was doing; its text is followed by the peer's name or address.
type stage string

const (
	lookingUp   stage = "looking up"
	connecting  stage = "connecting to"
	handshaking stage = "TLS handshake with"
	sending     stage = "sending to"
	waiting     stage = "waiting for the response from"
	reading     stage = "reading from"
	readingBody stage = "reading the body from"
)

// fault is what went wrong between this host and a target, and when.
type fault struct {
	at   stage
	peer string // an address; while looking up, the name
	err  error
}

func (f *fault) Error() string { return fmt.Sprintf("%s %s: %s", f.at, f.peer, cause(f.err)) }

func (f *fault) Unwrap() error { return f.err }

// dialFault tells a lookup that failed from a connection that did.
func dialFault(address string, err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return &fault{at: lookingUp, peer: dns.Name, err: explainUnsent(dns)}
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		address = op.Addr.String()
	}
	return &fault{at: connecting, peer: address, err: err}
}

// explainDial marks the error of a connection that did not open if this host is at fault. It ends
// with the context.
func (n *network) explainDial(ctx context.Context, l *lookup, err error) error {
	var f *fault
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case !errors.As(err, &f):
	case f.at == lookingUp && errors.As(f.err, &dns):
		f.err = l.explain(ctx, dns)
	case f.at == connecting && errors.As(f.err, &op):
		f.err = n.explainRoute(op)
	}
	return err
}

// errNoRoute marks a connection that did not leave this host.
var errNoRoute = errors.New("this host has no route there")

// errNoSource is the error of a route that there is, for a host without an address for it.
var errNoSource = errors.New("it has no address to send from")

// errNoCarrier is the error of a route by an interface that is up, but connected to nothing:
// a cable without a peer, a virtual machine whose network is gone.
var errNoCarrier = errors.New("its interface has no carrier")

// errProhibited marks what a router has forbidden.
var errProhibited = errors.New("a router on the way forbids it")

// explainRoute distinguishes an error of this host from one that a router on the way sent. The
// errors alone do not tell: "network is unreachable" may be an ICMP message about the target.
//
//	this host has a way there   error                  who speaks
//	no                          any, a timeout too     this host
//	yes                         EACCES, with IPv6      a router (RFC 4443, section 3.1, code 1)
//	yes                         any other              as errorReasons says
func (n *network) explainRoute(err *net.OpError) error {
	var errno syscall.Errno
	to := ipOf(err.Addr)
	if to == nil || !errors.As(err, &errno) && !err.Timeout() {
		return err
	}
	var refused syscall.Errno
	switch noWay := n.route(to); {
	case errors.As(noWay, &refused):
		return fmt.Errorf("%w: %s", errNoRoute, cause(err))
	case noWay != nil:
		return fmt.Errorf("%w: %w: %s", errNoRoute, noWay, cause(err))
	case errno == syscall.EACCES && to.IP.To4() == nil:
		return fmt.Errorf("%w: %w", errProhibited, errno)
	}
	return err
}

// ipOf is the address of a connection's end, of whichever transport; nil: it is of neither.
func ipOf(address net.Addr) *net.TCPAddr {
	switch a := address.(type) {
	case *net.TCPAddr:
		return a
	case *net.UDPAddr:
		return &net.TCPAddr{IP: a.IP, Port: a.Port, Zone: a.Zone}
	}
	return nil
}

// cause is the text of an error without the prefix of package net, which repeats what the fault
// says.
func cause(err error) string {
	switch e := err.(type) {
	case *net.OpError:
		return cause(e.Err)
	case *os.SyscallError:
		return cause(e.Err)
	case *net.DNSError:
		return e.Err
	}
	return err.Error()
}
