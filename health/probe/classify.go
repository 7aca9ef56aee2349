package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"gslb/health"
)

// errorReasons gives the reason of errors that mean the same at every stage. The first
// that matches counts.
var errorReasons = []struct {
	err    error
	reason string
}{
	// The prober's own: no file descriptor, memory or local port is left, this host's
	// firewall or sandbox forbids the connection, its kernel lacks the address family, its
	// resolver cannot be asked, or it has no root certificates. None of that says anything
	// of the target, and all of it meets many targets at once: judged as fails, it would
	// take the world down.
	{syscall.EMFILE, "local"},
	{syscall.ENFILE, "local"},
	{syscall.ENOBUFS, "local"},
	{syscall.ENOMEM, "local"},
	{syscall.EADDRNOTAVAIL, "local"},
	{syscall.EADDRINUSE, "local"},
	{syscall.EACCES, "local"},
	{syscall.EPERM, "local"},
	{syscall.EAFNOSUPPORT, "local"},
	{errResolver, "local"},
	{errNoRoute, "local"},
	{errNoRoots, "local"},
	{errClock, "clock"},

	{os.ErrDeadlineExceeded, "timeout"},
	{context.DeadlineExceeded, "timeout"},
	{syscall.ETIMEDOUT, "timeout"},

	{syscall.ECONNREFUSED, "refused"},

	// A router's word about the target. This host's own is marked as errNoRoute.
	{syscall.EHOSTUNREACH, "unreachable"},
	{syscall.ENETUNREACH, "unreachable"},
	{syscall.EHOSTDOWN, "unreachable"},
	{syscall.ENETDOWN, "unreachable"},

	{io.EOF, "closed"},
	{io.ErrUnexpectedEOF, "closed"},
	{syscall.ECONNRESET, "closed"},
	{syscall.ECONNABORTED, "closed"},
	{syscall.EPIPE, "closed"},
}

// stageReasons is for all other errors.
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
	if errors.Is(ctx.Err(), context.Canceled) {
		return canceled()
	}
	switch reason := reasonOf(err); reason {
	case "local", "clock":
		return indeterminate(reason, "%s", oneLine(err.Error()))
	case "timeout":
		return fail(reason, "timeout: %s", where(err))
	case "closed":
		return fail(reason, "%s: the peer closed the connection", where(err))
	default:
		return fail(reason, "%s", oneLine(err.Error()))
	}
}

// canceled is for a probe that was told to stop: the program ends, or the target is gone.
func canceled() health.Result { return indeterminate("canceled", "canceled before it could judge") }

func reasonOf(err error) string {
	for _, e := range errorReasons {
		if errors.Is(err, e.err) {
			return e.reason
		}
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
