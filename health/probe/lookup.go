package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gslb/internal/hostdns"
)

// lookups decides whether a failed lookup says something about the name, or only about this host's
// resolver. It is safe for concurrent use.
//
//	the name server says                        the lookup speaks for
//	the name does not exist (NXDOMAIN)          the name
//	it has no address (NODATA), neither of      the name
//	IPv4 nor of IPv6
//	anything else: SERVFAIL, REFUSED, garbage,  the name, if this host's resolver gives an
//	a lame referral; or nothing in time         answer for another name meanwhile; otherwise
//	                                            the resolver
//	one can't be reached: no route, nobody      the name, if another one is answered for after
//	listens                                     that and this one is still not; otherwise this host
//	this host lacks what it takes to ask, or    this host
//	forbids it
type lookups struct {
	ask *net.Resolver // for the control question and, where need be, for the name again

	mu    sync.Mutex
	heard map[string]time.Time // when a name server last answered for a name
}

// maxHeard is how many names are remembered: enough to have another one at hand.
const maxHeard = 32

// root is the name that every resolver knows the servers of (RFC 8109).
const root = "."

func newLookups(nameServers dialer) *lookups {
	return &lookups{ask: newResolver(nameServers), heard: map[string]time.Time{}}
}

// lookup follows the lookups that a connection to one name needs.
type lookup struct {
	all     *lookups
	name    string
	began   time.Time
	asked   atomic.Bool // a name server; otherwise the hosts file knows the name
	heard   atomic.Bool // an answer
	control *time.Timer
}

// lookupKey is the context's key of the lookup that a name server is asked for.
type lookupKey struct{}

// newResolver returns Go's own resolver, which reaches its name servers by dial. Its sockets are
// closed when their lookup ends. Otherwise each would stay open for the five seconds that a name
// server has to answer, however short the probe is.
func newResolver(dial dialer) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if l, ok := ctx.Value(lookupKey{}).(*lookup); ok {
			l.asked.Store(true)
			traceOf(ctx).ask(address)
		}
		conn, err := dial(ctx, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
		}
		return conn, err
	}}
}

// elsewhere makes a dialer reach the name server after the one that it is told to, as long as
// a lookup has no answer. Go's resolver waits for the first of them for five seconds, unless
// told otherwise: with a probe of less, one that is dead would make this host blind.
func elsewhere(dial dialer) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if l, ok := ctx.Value(lookupKey{}).(*lookup); ok && !l.heard.Load() {
			if servers, err := hostdns.Servers(); err == nil {
				address = serverAfter(servers, address)
			}
		}
		return dial(ctx, network, address)
	}
}

// serverAfter returns the name server that stands after another in this host's list; the other,
// where there is none.
func serverAfter(servers []netip.AddrPort, address string) string {
	server, err := netip.ParseAddrPort(address)
	i := slices.Index(servers, server)
	if err != nil || i < 0 {
		return address
	}
	return servers[(i+1)%len(servers)].String()
}

// follow returns the context for a connection to an address, and a lookup that follows its name
// lookups; nil if the address needs none. The caller must call over.
func (s *lookups) follow(ctx context.Context, address string) (context.Context, *lookup) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return ctx, nil
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return ctx, nil
	}
	l := &lookup{all: s, name: host, began: time.Now()}
	if deadline, ok := ctx.Deadline(); ok {
		// A lookup without an answer by then may never get one, and at the end of the probe it
		// would be too late to ask for another name.
		outer := ctx
		l.control = time.AfterFunc(time.Until(deadline)/3, func() { s.control(outer, host) })
	}
	ctx = context.WithValue(ctx, lookupKey{}, l)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{DNSDone: l.done}), l
}

// done records how a lookup ended.
func (l *lookup) done(info httptrace.DNSDoneInfo) {
	if isWord(info.Err) {
		l.heard.Store(true)
		l.over()
	}
	if info.Err == nil && l.asked.Load() {
		l.all.hear(l.name)
	}
}

// over stops following.
func (l *lookup) over() {
	if l != nil && l.control != nil {
		l.control.Stop()
	}
}

// isWord says whether a lookup ended with an answer: addresses, or the statement that there are
// none.
func isWord(err error) bool {
	var dns *net.DNSError
	return err == nil || errors.As(err, &dns) && dns.IsNotFound
}

func (s *lookups) hear(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard[name] = time.Now()
	if len(s.heard) > maxHeard {
		names := s.othersLocked("")
		delete(s.heard, names[len(names)-1])
	}
}

// othersLocked is the names that were answered for, except one, the latest first.
func (s *lookups) othersLocked(but string) []string {
	var names []string
	for name := range s.heard {
		if name != but {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return s.heard[b].Compare(s.heard[a]) })
	return names
}

// answersOthers says whether a name server has answered for another name since a time.
func (s *lookups) answersOthers(but string, since time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	others := s.othersLocked(but)
	return len(others) > 0 && !s.heard[others[0]].Before(since)
}

// control asks the resolver about something other than a name: for names that it has answered
// before or, if there are none, for the root. The root comes last because an answer from the
// resolver's cache proves little, and the root stays there longest.
func (s *lookups) control(ctx context.Context, but string) {
	s.mu.Lock()
	names := s.othersLocked(but)
	s.mu.Unlock()
	names = slices.DeleteFunc(names, func(name string) bool { return name == root })
	if len(names) == 0 {
		if _, err := s.ask.LookupNS(ctx, root); isWord(err) {
			s.hear(root)
		}
		return
	}
	for _, name := range names[:min(len(names), 2)] {
		if s.look(ctx, name) == nil {
			return
		}
	}
}

// look asks the resolver for a name. It returns nil if there was an answer.
func (s *lookups) look(ctx context.Context, name string) error {
	if _, err := s.ask.LookupNetIP(ctx, "ip", name); err != nil {
		return s.verify(ctx, name, err)
	}
	s.hear(name)
	return nil
}

// verify returns nil if a lookup that ended in an error was answered in all its parts.
// Package net keeps one error for all of them: a name without IPv4 seems not to exist where
// the lookup of its IPv6 fails, and so does one that fails, where it is not known in a domain
// of the search list (resolv.conf(5)), which a resolver may have at hand.
func (s *lookups) verify(ctx context.Context, name string, err error) error {
	if !isWord(err) {
		return err
	}
	absolute := name
	if strings.Contains(name, ".") && !strings.HasSuffix(name, ".") {
		absolute += "."
	}
	for _, family := range []string{"ip4", "ip6"} {
		if _, err := s.ask.LookupNetIP(ctx, family, absolute); !isWord(err) {
			return err
		}
	}
	s.hear(name)
	return nil
}

// errResolver marks a lookup that says nothing of its name: it begins a sentence.
var errResolver = errors.New("this host's resolver")

// explain adds errResolver to a failed lookup where that is the reason. It may ask the
// resolver for the name again, and for something else, as long as the context lasts.
func (l *lookup) explain(ctx context.Context, err *net.DNSError) error {
	if l == nil || isUnsent(err, lacking) {
		return explainUnsent(err)
	}
	if err.IsNotFound {
		part := l.all.verify(ctx, l.name, err)
		if part == nil || ctx.Err() != nil || !errors.As(part, &err) {
			return err
		}
	}
	if isUnsent(err, unreached) {
		// It may be that it starts right now. What it answered before proves nothing.
		since := time.Now()
		l.all.control(ctx, l.name)
		if !l.all.answersOthers(l.name, since) || l.all.look(ctx, l.name) == nil || ctx.Err() != nil {
			return explainUnsent(err)
		}
		return err
	}
	if !l.all.answersOthers(l.name, l.began) && ctx.Err() == nil {
		l.all.control(ctx, l.name)
	}
	if l.all.answersOthers(l.name, l.began) {
		return err
	}
	return fmt.Errorf("%w answers for nothing else either: %w", errResolver, err)
}

// explainUnsent adds errResolver to a lookup that never reached a name server. Otherwise, on a host
// without free file descriptors, every name would seem to be gone.
func explainUnsent(err *net.DNSError) error {
	if isUnsent(err, lacking) || isUnsent(err, unreached) {
		return fmt.Errorf("%w was not reached, the lookup did not get out of this host: %w", errResolver, err)
	}
	return err
}

// isUnsent says whether a system call failed, in one of some ways, that was to ask a name
// server. Package net keeps only its text, so the text is what there is to judge by.
func isUnsent(err *net.DNSError, ways []syscall.Errno) bool {
	return slices.ContainsFunc(ways, func(errno syscall.Errno) bool {
		return strings.HasSuffix(err.Err, ": "+errno.Error())
	})
}

// These are the failures of this host's socket to its resolver: what this host lacks or
// forbids, and where there is no way to a name server, which may be one of several.
var (
	lacking = []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL,
		syscall.EACCES, syscall.EPERM,
	}
	unreached = []syscall.Errno{
		syscall.ECONNREFUSED, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN,
		syscall.EAFNOSUPPORT, syscall.EINVAL,
	}
)
