package probe

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
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
		return &fault{at: lookingUp, peer: dns.Name, err: explainLookup(dns)}
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		address = op.Addr.String()
	}
	return &fault{at: connecting, peer: address, err: err}
}

// errResolver marks a lookup that failed before any name server could say a word.
var errResolver = errors.New("the lookup did not get out of this host")

// lookupErrnos are the failures of this host's socket to its resolver.
var lookupErrnos = []syscall.Errno{
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL,
	syscall.EACCES, syscall.EPERM, syscall.ECONNREFUSED, syscall.ENETUNREACH, syscall.EHOSTUNREACH,
}

// explainLookup adds errResolver to a failed lookup where that is the reason. Package net
// keeps only the text of a system call's error here, so the text is what there is to judge
// by; without this, a host without file descriptors would take every name for gone.
func explainLookup(err *net.DNSError) error {
	for _, errno := range lookupErrnos {
		if strings.HasSuffix(err.Err, ": "+errno.Error()) {
			return fmt.Errorf("%w: %w", errResolver, err)
		}
	}
	return err
}

// cause is the text of an error without what package net puts before it: the fault has
// said that already.
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
