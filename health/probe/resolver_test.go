package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/health"
	"gslb/internal/hostdns"
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

// nameServer answers DNS queries as reply says; nil: not at all. It returns a dialer that
// connects to it, whichever name server is meant.
func nameServer(t testing.TB, reply func(q *dns.Msg) *dns.Msg) dialer {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: socket, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if m := reply(q); m != nil {
			w.WriteMsg(m)
		}
	})}
	ended := make(chan struct{})
	go func() { defer close(ended); server.ActivateAndServe() }()
	t.Cleanup(func() { socket.Close(); <-ended })
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", socket.LocalAddr().String())
	}
}

// noNameServers is for probes that have no name to look up, or a Dial that does so itself.
func noNameServers(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: "udp", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}
}

// dialerVia dials with a resolver that reaches its name servers in its own way.
func dialerVia(dial dialer) dialer { return directDial(dial) }

// rcodes answers with a code for each name, without records; silent: not at all. The name
// "*" is for all others.
func rcodes(codes map[string]int) func(*dns.Msg) *dns.Msg {
	return func(q *dns.Msg) *dns.Msg {
		rcode, ok := codes[q.Question[0].Name]
		if !ok {
			rcode = codes["*"]
		}
		if rcode == silent {
			return nil
		}
		m := new(dns.Msg).SetRcode(q, rcode)
		m.RecursionAvailable = true
		return m
	}
}

const silent = -1

// downFor has nobody listen for queries with a label, as if they came to a name server that
// others do not.
func downFor(label string, nameServers dialer) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := nameServers(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &unheard{conn.(*net.UDPConn), label}, nil
	}
}

type unheard struct {
	*net.UDPConn
	label string
}

func (d *unheard) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(d.label)) {
		return 0, &net.OpError{Op: "write", Net: "udp", Err: os.NewSyscallError("write", syscall.ECONNREFUSED)}
	}
	return d.UDPConn.Write(p)
}

// TestLookups is the table above lookups.
func TestLookups(t *testing.T) {
	answers := func(codes map[string]int) func(testing.TB) dialer {
		return func(t testing.TB) dialer { return nameServer(t, rcodes(codes)) }
	}
	errno := func(call string, errno syscall.Errno) func(testing.TB) dialer {
		return func(testing.TB) dialer {
			return func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "udp", Err: os.NewSyscallError(call, errno)}
			}
		}
	}
	const gone = "app.gone.example."
	var (
		lame    = func(q *dns.Msg) *dns.Msg { return new(dns.Msg).SetReply(q) }
		garbage = func(q *dns.Msg) *dns.Msg {
			return &dns.Msg{MsgHdr: dns.MsgHdr{Id: q.Id, Response: true}} // without the question
		}
		// half knows that there is no IPv4, and fails for all else.
		half = func(q *dns.Msg) *dns.Msg {
			if q.Question[0].Qtype == dns.TypeA {
				return rcodes(nil)(q)
			}
			return rcodes(map[string]int{"*": dns.RcodeServerFailure})(q)
		}
		for1 = func(name string, reply func(*dns.Msg) *dns.Msg) func(testing.TB) dialer {
			return func(t testing.TB) dialer {
				return nameServer(t, func(q *dns.Msg) *dns.Msg {
					if q.Question[0].Name == name || name == "*" {
						return reply(q)
					}
					return rcodes(nil)(q)
				})
			}
		}
		ours      = want{health.Indeterminate, "local", "this host's resolver answers for nothing else either"}
		notAsked  = want{health.Indeterminate, "local", "the lookup did not get out of this host"}
		itsName   = want{health.Fail, "name", "looking up app.gone.example"}
		itsSilent = want{health.Fail, "timeout", "timeout: looking up app.gone.example"}
	)
	tests := []struct {
		name        string
		nameServers func(testing.TB) dialer
		want        want
	}{
		{"name gone", answers(map[string]int{"*": dns.RcodeNameError}), want{health.Fail, "name", "looking up app.gone.example.: no such host"}},
		{"no address", answers(nil), itsName},

		{"all fail", answers(map[string]int{"*": dns.RcodeServerFailure}), ours},
		{"all refused", answers(map[string]int{"*": dns.RcodeRefused}), ours},
		{"nothing is implemented", answers(map[string]int{"*": dns.RcodeNotImplemented}), ours},
		{"silence", answers(map[string]int{"*": silent}), ours},
		{"lame for all", for1("*", lame), ours},
		{"garbage for all", for1("*", garbage), ours},
		{"no IPv4 for all, it fails for IPv6", for1("*", half), ours},

		{"it fails", answers(map[string]int{gone: dns.RcodeServerFailure}), itsName},
		{"it is refused", answers(map[string]int{gone: dns.RcodeRefused}), itsName},
		{"silence about it", answers(map[string]int{gone: silent}), itsSilent},
		{"lame for it", for1(gone, lame), itsName},
		{"no IPv4 for it, it fails for IPv6", for1(gone, half), itsName},
		{"the next one, which is down, is asked for it", func(t testing.TB) dialer {
			return downFor("gone", nameServer(t, rcodes(nil)))
		}, itsName},

		{"no file descriptor left", errno("socket", syscall.EMFILE), want{health.Indeterminate, "local", "too many open files"}},
		{"resolver is down", errno("read", syscall.ECONNREFUSED), notAsked},
		{"no route to the resolver", errno("connect", syscall.ENETUNREACH), notAsked},
		{"interface is down", errno("write", syscall.ENETDOWN), notAsked},
		{"firewall", errno("write", syscall.EPERM), notAsked},
	}
	specs := []health.Spec{
		spec200("http://app.gone.example.:1/"),
		&health.TCP{Address: "app.gone.example.:1"},
		specItem("http://app.gone.example.:1"),
	}
	for _, test := range tests {
		for _, spec := range specs {
			t.Run(test.name+"/"+spec.Kind(), func(t *testing.T) {
				t.Parallel()
				probe := mustMake(t, Options{NameServers: test.nameServers(t), AWS: someCredentials}, spec)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // so long that no busy machine is late for half of it
				defer cancel()
				test.want.check(t, probe(ctx))
			})
		}
	}
}

// TestLookupsOfOthers has a resolver that knows nothing of the root, as one for a company's
// own names may. What it says of the other names that are probed is what it is judged by.
func TestLookupsOfOthers(t *testing.T) {
	var codes atomic.Pointer[map[string]int]
	maker := New(Options{NameServers: nameServer(t, func(q *dns.Msg) *dns.Msg { return rcodes(*codes.Load())(q) })})
	probe := func(name string) health.Result {
		t.Helper()
		p, err := maker(health.Target{ID: health.TargetID(name), Spec: &health.TCP{Address: name + ":1"}})
		if err != nil {
			t.Fatal(err)
		}
		return runPromptly(t, p)
	}
	const failed = dns.RcodeServerFailure
	codes.Store(&map[string]int{"*": failed, "a.example.": dns.RcodeNameError})
	want{health.Indeterminate, "local", "resolver"}.check(t, probe("b.example."))
	want{health.Fail, "refused", ""}.check(t, probe("localhost")) // which no name server was asked for
	want{health.Indeterminate, "local", "resolver"}.check(t, probe("b.example."))
	want{health.Fail, "name", "a.example"}.check(t, probe("a.example."))
	want{health.Fail, "name", "b.example"}.check(t, probe("b.example."))

	// What it answered before it broke does not count.
	codes.Store(&map[string]int{"*": failed})
	want{health.Indeterminate, "local", "resolver"}.check(t, probe("b.example."))
	want{health.Indeterminate, "local", "resolver"}.check(t, probe("a.example."))

	// A root that it still has in its cache does not either, since it says nothing of others.
	codes.Store(&map[string]int{"*": failed, ".": dns.RcodeSuccess})
	want{health.Indeterminate, "local", "resolver"}.check(t, probe("b.example."))
}

// TestSearchList has a resolver fail that knows of its own that the name is not there in a
// domain of the search list: package net then says that there is no such host at all.
func TestSearchList(t *testing.T) {
	noSuchHost := &net.DNSError{Err: "no such host", Name: "app.example", IsNotFound: true}
	for _, rcode := range []int{dns.RcodeServerFailure, dns.RcodeRefused, dns.RcodeNameError, dns.RcodeSuccess} {
		all := newLookups(nameServer(t, rcodes(map[string]int{"*": rcode})))
		err := (&lookup{all: all, name: "app.example", began: time.Now()}).explain(t.Context(), noSuchHost)
		if ours := errors.Is(err, errResolver); ours != (rcode == dns.RcodeServerFailure || rcode == dns.RcodeRefused) {
			t.Errorf("%s: %v", dns.RcodeToString[rcode], err)
		}
	}
}

// TestServerAfter asks the next name server of the resolver's file.
func TestServerAfter(t *testing.T) {
	const three = "nameserver 192.0.2.1\n# nameserver 192.0.2.9\nnameserver 2001:db8::2\noptions timeout:1\nnameserver 192.0.2.3\n"
	for _, test := range []struct{ file, address, want string }{
		{three, "192.0.2.1:53", "[2001:db8::2]:53"},
		{three, "[2001:db8::2]:53", "192.0.2.3:53"},
		{three, "192.0.2.3:53", "192.0.2.1:53"},
		{three, "127.0.0.1:53", "127.0.0.1:53"},
		{"nameserver 192.0.2.1\n", "192.0.2.1:53", "192.0.2.1:53"},
		{"", "127.0.0.1:53", "[::1]:53"},
	} {
		if got := serverAfter(hostdns.Parse([]byte(test.file)), test.address); got != test.want {
			t.Errorf("after %s: %s, want %s", test.address, got, test.want)
		}
	}
}

// TestMaxHeard bounds what is remembered of names.
func TestMaxHeard(t *testing.T) {
	l := newLookups(noNameServers)
	began := time.Now()
	for i := range 2 * maxHeard {
		l.hear(fmt.Sprint(i))
	}
	if len(l.heard) != maxHeard {
		t.Errorf("%d names are remembered, want %d", len(l.heard), maxHeard)
	}
	if !l.answersOthers("0", began) || l.answersOthers("0", time.Now()) {
		t.Error("the names that were heard last are gone")
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

// TestClassify is errorReasons, a row each, and what the stage decides.
func TestClassify(t *testing.T) {
	at := func(s stage, err error) error { return &fault{at: s, peer: "192.0.2.1:80", err: err} }
	verified := func(err error) error { return &tls.CertificateVerificationError{Err: err} }
	local := func(detail string) want { return want{health.Indeterminate, "local", detail} }
	failed := func(reason, detail string) want { return want{health.Fail, reason, detail} }
	tests := []struct {
		err  error
		want want
	}{
		{at(lookingUp, fmt.Errorf("%w: %w", errResolver, &net.DNSError{Err: "i/o timeout", IsTimeout: true})), local("resolver")},
		{at(connecting, fmt.Errorf("%w: %w", errNoRoute, syscall.ENETUNREACH)), local("no route there: network is unreachable")},
		{at(connecting, fmt.Errorf("%w: %w", errProhibited, syscall.EACCES)), failed("unreachable", "a router on the way forbids it")},
		{at(handshaking, fmt.Errorf("%w: %w", errNoRoots, verified(x509.UnknownAuthorityError{}))), local("root certificates")},
		{at(handshaking, fmt.Errorf("%w: %w", errClock, verified(x509.CertificateInvalidError{Cert: new(x509.Certificate)}))),
			want{health.Indeterminate, "clock", "time synchronisation"}},
		{at(handshaking, verified(x509.SystemRootsError{Err: syscall.EMFILE})), local("failed to load system roots")},

		{at(connecting, syscall.EMFILE), local("too many open files")},
		{at(connecting, syscall.ENFILE), local("too many open files in system")},
		{at(connecting, syscall.ENOBUFS), local("no buffer space")},
		{at(connecting, syscall.ENOMEM), local("cannot allocate memory")},
		{at(connecting, syscall.EAGAIN), local("temporarily unavailable")},
		{at(connecting, syscall.EADDRNOTAVAIL), local("cannot assign requested address")},
		{at(connecting, syscall.EADDRINUSE), local("address already in use")},
		{at(connecting, syscall.EACCES), local("permission denied")},
		{at(sending, syscall.EPERM), local("operation not permitted")},
		{at(connecting, syscall.ENOSYS), local("not implemented")},
		{at(connecting, syscall.EAFNOSUPPORT), local("address family")},
		{at(connecting, syscall.EPROTONOSUPPORT), local("protocol not supported")},
		{at(connecting, syscall.ESOCKTNOSUPPORT), local("socket type not supported")},
		{at(reading, net.ErrClosed), local("closed network connection")},

		{at(reading, os.ErrDeadlineExceeded), failed("timeout", "timeout: reading from 192.0.2.1:80")},
		{at(connecting, context.DeadlineExceeded), failed("timeout", "timeout: connecting to")},
		{at(connecting, syscall.ETIMEDOUT), failed("timeout", "timeout: connecting to 192.0.2.1:80")},
		{at(lookingUp, &net.DNSError{Err: "i/o timeout", IsTimeout: true}), failed("timeout", "timeout: looking up")},
		{at(connecting, syscall.ECONNREFUSED), failed("refused", "connection refused")},
		{at(connecting, syscall.EHOSTUNREACH), failed("unreachable", "connecting to 192.0.2.1:80: no route to host")},
		{at(connecting, syscall.ENETUNREACH), failed("unreachable", "network is unreachable")},
		{at(connecting, syscall.EHOSTDOWN), failed("unreachable", "host is down")},
		{at(connecting, syscall.ENETDOWN), failed("unreachable", "network is down")},
		{at(connecting, syscall.ENOPROTOOPT), failed("unreachable", "protocol not available")},
		{at(waiting, io.EOF), failed("closed", "the peer closed the connection")},
		{at(readingBody, io.ErrUnexpectedEOF), failed("closed", "reading the body from")},
		{at(reading, syscall.ECONNRESET), failed("closed", "")},
		{at(connecting, syscall.ECONNABORTED), failed("closed", "")},
		{at(sending, syscall.EPIPE), failed("closed", "sending to 192.0.2.1:80: the peer closed the connection")},

		{at(lookingUp, &net.DNSError{Err: "no such host", IsNotFound: true}), failed("name", "no such host")},
		{at(lookingUp, &net.DNSError{Err: "server misbehaving", IsTemporary: true}), failed("name", "server misbehaving")},
		{at(connecting, &net.AddrError{Err: "no suitable address found"}), failed("connect", "no suitable address")},
		{at(connecting, syscall.EINVAL), failed("connect", "invalid argument")},
		{at(handshaking, verified(x509.UnknownAuthorityError{})), failed("tls", "unknown authority")},
		{at(handshaking, verified(x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"b.example"}}, Host: "a.example"})), failed("tls", "a.example")},
		{at(handshaking, verified(x509.CertificateInvalidError{Cert: new(x509.Certificate), Reason: x509.Expired})), failed("tls", "expired")},
		{at(handshaking, verified(x509.CertificateInvalidError{Cert: new(x509.Certificate), Reason: x509.NotAuthorizedToSign})), failed("tls", "not authorized")},
		{at(handshaking, verified(x509.InsecureAlgorithmError(x509.SHA1WithRSA))), failed("tls", "SHA1")},
		{at(handshaking, verified(x509.UnhandledCriticalExtension{})), failed("tls", "unhandled critical extension")},
		{at(handshaking, tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}), failed("tls", "first record")},
		{at(waiting, &net.OpError{Op: "remote error", Err: tls.AlertError(116)}), failed("tls", "certificate required")},
		{at(waiting, &net.OpError{Op: "local error", Err: tls.AlertError(20)}), failed("tls", "bad record MAC")},
		{at(handshaking, errors.New("odd")), failed("tls", "TLS handshake with 192.0.2.1:80: odd")},
		{at(connecting, errors.New("odd")), failed("connect", "connecting to 192.0.2.1:80: odd")},
		{at(waiting, errors.New("malformed HTTP response")), failed("protocol", "malformed HTTP response")},
		{at(reading, errors.New("odd")), failed("protocol", "reading from 192.0.2.1:80: odd")},
		{errors.New("odd"), failed("protocol", "odd")},
	}
	for _, test := range tests {
		test.want.check(t, classify(t.Context(), test.err))
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want{health.Indeterminate, "canceled", ""}.check(t, classify(ctx, at(reading, os.ErrDeadlineExceeded)))
}

// TestExplainRoute is the table above explainRoute.
func TestExplainRoute(t *testing.T) {
	n := newNetwork(noNameServers, noNameServers, noNameServers)
	noWay := func(*net.TCPAddr) error { return syscall.ENETUNREACH }
	way := func(*net.TCPAddr) error { return nil }
	dead := func(*net.TCPAddr) error { return fmt.Errorf("%w (eth0)", errNoCarrier) }
	tests := []struct {
		to    string
		route func(*net.TCPAddr) error
		errno syscall.Errno
		want  want
	}{
		{"192.0.2.1:80", noWay, syscall.ENETUNREACH, want{health.Indeterminate, "local", "connecting to 192.0.2.1:80: this host has no route there: network is unreachable"}},
		{"192.0.2.1:80", noWay, syscall.EHOSTUNREACH, want{health.Indeterminate, "local", ""}}, // an "unreachable" route
		{"192.0.2.1:80", noWay, syscall.ETIMEDOUT, want{health.Indeterminate, "local", ""}},    // its interface went down
		{"192.0.2.1:80", way, syscall.ETIMEDOUT, want{health.Fail, "timeout", ""}},
		{"192.0.2.1:80", dead, syscall.ETIMEDOUT, want{health.Indeterminate, "local", "this host has no route there: its interface has no carrier (eth0): connection timed out"}},
		{"192.0.2.1:80", dead, syscall.EHOSTUNREACH, want{health.Indeterminate, "local", "no carrier"}}, // its neighbour does not answer
		{"192.0.2.1:80", noWay, syscall.EINVAL, want{health.Indeterminate, "local", ""}},                // a "blackhole" route
		{"[2001:db8::1]:80", noWay, syscall.EACCES, want{health.Indeterminate, "local", ""}},            // a "prohibit" route
		{"192.0.2.1:80", way, syscall.ENETUNREACH, want{health.Fail, "unreachable", "connecting to 192.0.2.1:80: network is unreachable"}},
		{"192.0.2.1:80", way, syscall.EHOSTUNREACH, want{health.Fail, "unreachable", ""}},
		{"192.0.2.1:80", way, syscall.EINVAL, want{health.Fail, "connect", ""}},
		{"192.0.2.1:80", way, syscall.EACCES, want{health.Indeterminate, "local", ""}}, // no ICMP message of IPv4 means that
		{"[2001:db8::1]:80", way, syscall.EACCES, want{health.Fail, "unreachable", "a router on the way forbids it"}},
		{"192.0.2.1:80", way, syscall.ECONNREFUSED, want{health.Fail, "refused", ""}},
	}
	for _, test := range tests {
		n.route = test.route
		err := &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(mustAddrPort(test.to)), Err: os.NewSyscallError("connect", test.errno)}
		test.want.check(t, classify(t.Context(), n.explainDial(t.Context(), nil, dialFault(test.to, err))))
	}
	if err := newRoutes().to(net.TCPAddrFromAddrPort(mustAddrPort("127.0.0.1:80"))); err != nil {
		t.Errorf("no route to the own host: %v", err)
	}
	for _, test := range []struct {
		from, to string
		ok       bool
	}{
		{"192.0.2.1", "198.51.100.1", true},
		{"127.0.0.1", "127.0.0.2", true},
		{"127.0.0.1", "0.0.0.0", true},
		{"127.0.0.1", "198.51.100.1", false},
		{"2001:db8::1", "2001:db8::2", true},
		{"::1", "2001:db8::2", false},
		{"fe80::1", "2001:db8::2", false},
		{"fe80::1", "fe80::2", true},
	} {
		if ok := verifySource(net.ParseIP(test.from), net.ParseIP(test.to)) == nil; ok != test.ok {
			t.Errorf("from %s to %s: %v, want %v", test.from, test.to, ok, test.ok)
		}
	}
	if err := newRoutes().to(net.TCPAddrFromAddrPort(mustAddrPort("[fe80::1]:80"))); err == nil {
		t.Error("there is a route to a link that is not named")
	}
}

// TestInterfaceGoesDown has the routes to a target vanish while its answer is awaited.
func TestInterfaceGoesDown(t *testing.T) {
	n := newNetwork(new(net.Dialer).DialContext, new(net.Dialer).DialContext, noNameServers)
	probe, err := called(newHTTP(n, spec200("http://"+serve(t, "127.0.0.1", hang))))
	if err != nil {
		t.Fatal(err)
	}
	run := func() health.Result {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		return probe(ctx)
	}
	want{health.Fail, "timeout", "waiting for the response"}.check(t, run())
	n.route = func(*net.TCPAddr) error { return syscall.ENETUNREACH }
	want{health.Indeterminate, "local", "this host has no route there"}.check(t, run())
}
