package probe

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/miekg/dns"

	"gslb/health"
)

// resolveTo dials real addresses for made-up ones, and nothing else.
func resolveTo(t testing.TB, real map[string]string) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		to, ok := real[address]
		if !ok {
			t.Errorf("unexpected connection to %s", address)
			return nil, syscall.ECONNREFUSED
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}
}

// nameServer answers every DNS query with a code and no records. It returns a dialer that
// asks it.
func nameServer(t testing.TB, rcode int) dialer {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: socket, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		w.WriteMsg(new(dns.Msg).SetRcode(q, rcode))
	})}
	ended := make(chan struct{})
	go func() { defer close(ended); server.ActivateAndServe() }()
	t.Cleanup(func() { socket.Close(); <-ended })
	return dialerVia(func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", socket.LocalAddr().String())
	})
}

// dialerVia dials with a resolver that reaches its name servers in its own way.
func dialerVia(dial dialer) dialer {
	return (&net.Dialer{Resolver: newResolver(dial)}).DialContext
}

func TestLookups(t *testing.T) {
	errno := func(call string, errno syscall.Errno) dialer {
		return dialerVia(func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "udp", Err: os.NewSyscallError(call, errno)}
		})
	}
	tests := []struct {
		name string
		dial dialer
		want want
	}{
		{"name gone", nameServer(t, dns.RcodeNameError), want{health.Fail, "name", "looking up app.gone.example: no such host"}},
		{"no address", nameServer(t, dns.RcodeSuccess), want{health.Fail, "name", "looking up app.gone.example: "}},
		{"server failure", nameServer(t, dns.RcodeServerFailure), want{health.Fail, "name", "server misbehaving"}},
		{"no file descriptor left", errno("socket", syscall.EMFILE), want{health.Indeterminate, "local", "too many open files"}},
		{"resolver is down", errno("read", syscall.ECONNREFUSED), want{health.Indeterminate, "local", "the lookup did not get out of this host"}},
	}
	specs := []health.Spec{
		spec200("http://app.gone.example:1/"),
		&health.TCP{Address: "app.gone.example:1"},
		specItem("http://app.gone.example:1"),
	}
	for _, test := range tests {
		for _, spec := range specs {
			t.Run(test.name+"/"+spec.Kind(), func(t *testing.T) {
				test.want.check(t, runPromptly(t, mustMake(t, Options{Dial: test.dial, AWS: someCredentials}, spec)))
			})
		}
	}
}

// TestLocalFaults has this host fail in all the ways that say nothing of the target.
func TestLocalFaults(t *testing.T) {
	address := serve(t, "127.0.0.1", hang)
	for _, errno := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL,
		syscall.EADDRINUSE, syscall.EPERM, syscall.EACCES, syscall.EAFNOSUPPORT,
	} {
		control := func(string, string, syscall.RawConn) error { return os.NewSyscallError("socket", errno) }
		o := Options{Dial: (&net.Dialer{Control: control}).DialContext, AWS: someCredentials}
		for _, spec := range []health.Spec{
			spec200("http://" + address), &health.TCP{Address: address}, specItem("http://" + address),
		} {
			t.Run(spec.Kind()+"/"+errno.Error(), func(t *testing.T) {
				want{health.Indeterminate, "local", "connecting to " + address + ": " + errno.Error()}.check(t,
					runPromptly(t, mustMake(t, o, spec)))
			})
		}
	}
}

func TestClassify(t *testing.T) {
	at := func(s stage, err error) error { return &fault{at: s, peer: "192.0.2.1:80", err: err} }
	tests := []struct {
		err  error
		want want
	}{
		{at(connecting, syscall.EHOSTUNREACH), want{health.Fail, "unreachable", "connecting to 192.0.2.1:80: no route to host"}},
		{at(connecting, syscall.ENETUNREACH), want{health.Fail, "unreachable", "network is unreachable"}},
		{at(connecting, syscall.ETIMEDOUT), want{health.Fail, "timeout", "timeout: connecting to 192.0.2.1:80"}},
		{at(connecting, errors.New("odd")), want{health.Fail, "connect", "connecting to 192.0.2.1:80: odd"}},
		{at(handshaking, errors.New("odd")), want{health.Fail, "tls", "TLS handshake with 192.0.2.1:80: odd"}},
		{at(sending, syscall.EPIPE), want{health.Fail, "closed", "sending to 192.0.2.1:80: the peer closed the connection"}},
		{at(reading, errors.New("odd")), want{health.Fail, "protocol", "reading from 192.0.2.1:80: odd"}},
		{errors.New("odd"), want{health.Fail, "protocol", "odd"}},
	}
	for _, test := range tests {
		test.want.check(t, classify(t.Context(), test.err))
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want{health.Indeterminate, "canceled", ""}.check(t, classify(ctx, at(reading, os.ErrDeadlineExceeded)))
}
