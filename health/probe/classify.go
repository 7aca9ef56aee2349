package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"gslb/health"
)

// errorReasons gives each error its reason, by where it comes from: the target or a router on the
// way, so that the probe fails; or this host, so that nothing can be judged. The errors mean the
// same at every stage. The first that matches counts; errors that explain others come first.
//
// A fault of this host affects many targets at once. If it counted as fails, every region would go
// down.
var errorReasons = []struct {
	err    error
	reason string
}{
	// Errors that were added after a further look: see fault.go, lookup.go, roots.go, clock.go.
	{errResolver, "local"},         // it answers for nothing else either, or was not reached
	{errNoRoute, "local"},          // the routing table of this host has no way to the address
	{errProhibited, "unreachable"}, // a router's, although it reads as a fault of this host
	{errNoRoots, "local"},          // some or all root certificates could not be read
	{errClock, "clock"},            // the certificate is valid by the clocks of most peers

	// This host lacks something: a descriptor, in this process or at all; memory; a port of
	// its own, or the address that it had.
	{syscall.EMFILE, "local"},
	{syscall.ENFILE, "local"},
	{syscall.ENOBUFS, "local"},
	{syscall.ENOMEM, "local"},
	{syscall.EAGAIN, "local"},
	{syscall.EADDRNOTAVAIL, "local"},
	{syscall.EADDRINUSE, "local"},
	// It forbids something: a rule of its firewall for what leaves (EPERM), a security
	// module, a route that prohibits (EACCES), a filter of system calls.
	{syscall.EACCES, "local"},
	{syscall.EPERM, "local"},
	{syscall.ENOSYS, "local"},
	// Its kernel lacks the address family, or this program may not use it.
	{syscall.EAFNOSUPPORT, "local"},
	{syscall.EPROTONOSUPPORT, "local"},
	{syscall.ESOCKTNOSUPPORT, "local"},
	// This program itself has closed the connection.
	{net.ErrClosed, "local"},

	// No answer came. The meter finds out whether this host was too late to see it.
	{os.ErrDeadlineExceeded, "timeout"},
	{context.DeadlineExceeded, "timeout"},
	{syscall.ETIMEDOUT, "timeout"},

	// The target's host, or a firewall in front of it. A rejecting rule of this host's own firewall
	// looks the same.
	{syscall.ECONNREFUSED, "refused"},

	// A router on the way, by ICMP (RFC 1122, section 3.2.2.1), or the last router, which does not
	// find the target on its link. If the target is on a link of this host, this host does not find
	// it.
	{syscall.EHOSTUNREACH, "unreachable"},
	{syscall.ENETUNREACH, "unreachable"},
	{syscall.EHOSTDOWN, "unreachable"},
	{syscall.ENETDOWN, "unreachable"},
	{syscall.ENOPROTOOPT, "unreachable"},

	// The target has closed the connection, or someone on the way.
	{io.EOF, "closed"},
	{io.ErrUnexpectedEOF, "closed"},
	{syscall.ECONNRESET, "closed"},
	{syscall.ECONNABORTED, "closed"},
	{syscall.EPIPE, "closed"},
}

// stageReasons gives the reason of all other errors, which come from what the target sent.
var stageReasons = map[stage]string{
	lookingUp:   "name",
	connecting:  "connect",
	handshaking: "tls",
	sending:     "protocol",
	waiting:     "protocol",
	reading:     "protocol",
	readingBody: "protocol",
}

// classify makes the result of an exchange that err ended. The detail says at which stage
// and with whom.
func classify(ctx context.Context, err error) health.Result {
	result := judgeError(ctx, err)
	var refused *tls.CertificateVerificationError
	if errors.As(err, &refused) && len(refused.UnverifiedCertificates) > 0 {
		until := refused.UnverifiedCertificates[0].NotAfter
		var invalid x509.CertificateInvalidError
		if errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert.NotAfter.Before(until) {
			until = invalid.Cert.NotAfter // one that signed it has ended first
		}
		result.Notes = &health.Notes{Expires: until, Expiring: time.Now().After(until)}
	}
	return result
}

func judgeError(ctx context.Context, err error) health.Result {
	if errors.Is(ctx.Err(), context.Canceled) {
		return canceled()
	}
	switch reason := reasonOf(err); reason {
	case "local", "clock":
		return indeterminate(reason, "%v", err)
	case "timeout":
		return fail(reason, "timeout: %s", where(err))
	case "closed":
		return fail(reason, "%s: the peer closed the connection", where(err))
	default:
		return fail(reason, "%v", err)
	}
}

// isBlank reports whether a dead network of this host, or one of its firewalls, could have made the
// result too. That the name does not exist is said by a resolver, which may stand in the same dead
// network. A connection that is refused, closed or answered shows that something lives at its end. What made
// a program fail is not known, nor what keeps those silent who should call.
func isBlank(r health.Result) bool {
	return r.Verdict == health.Fail && (r.Reason == "timeout" || r.Reason == "unreachable" || r.Reason == "name" || r.Reason == "exit" || r.Reason == "silent")
}

// canceled is the result of a probe that was told to stop: the program ends, or the target was
// removed.
func canceled() health.Result { return indeterminate("canceled", "canceled before it could judge") }

func reasonOf(err error) string {
	for _, e := range errorReasons {
		if errors.Is(err, e.err) {
			return e.reason
		}
	}
	var roots x509.SystemRootsError
	if errors.As(err, &roots) {
		return "local"
	}
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		return "timeout"
	}
	if isTLS(err) {
		return "tls"
	}
	var f *fault
	if errors.As(err, &f) {
		return stageReasons[f.at]
	}
	return "protocol"
}

// isTLS says whether an error is of the TLS layer. The stage alone does not tell: in TLS
// 1.3 a server asks for a client's certificate, and misses it, after the handshake is done
// on this side (RFC 8446, section 4.4.2.4).
func isTLS(err error) bool {
	var record tls.RecordHeaderError
	var alert *net.OpError
	return errors.As(err, &record) ||
		errors.As(err, &alert) && (alert.Op == "remote error" || alert.Op == "local error")
}

// where says at which stage a fault happened, and with whom.
func where(err error) string {
	var f *fault
	if !errors.As(err, &f) {
		return err.Error()
	}
	return string(f.at) + " " + f.peer
}
