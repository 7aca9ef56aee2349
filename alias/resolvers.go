package alias

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"gslb/internal/hostdns"
)

const (
	// lookupWait bounds a look-up: with all resolvers, and all hops of a chain.
	lookupWait = 10 * time.Second

	// silentFor is how long a resolver that gave no reply is asked after the others. Otherwise one
	// that is dead would delay every look-up.
	silentFor = 30 * time.Second

	// readAgain is how often it is looked which resolvers this host has.
	readAgain = 5 * time.Second
)

// resolvers are the servers that are asked. They are safe for concurrent use.
type resolvers struct {
	exchange func(context.Context, netip.AddrPort, dns.Question) (*dns.Msg, error)
	host     func() ([]netip.AddrPort, error)

	mu         sync.Mutex
	configured []netip.AddrPort // empty: those of this host
	silent     map[netip.AddrPort]time.Time

	reading sync.Mutex // one reading of the host's at a time, not under mu: it may take long
	ofHost  []netip.AddrPort
	wrong   error     // of the last reading
	read    time.Time // when that was; zero: it was not
}

func newResolvers(configured []netip.AddrPort) *resolvers {
	return &resolvers{exchange: exchange, host: hostdns.Servers, configured: configured, silent: map[netip.AddrPort]time.Time{}}
}

// use makes other servers be asked from now on. It reports whether they are others.
func (r *resolvers) use(configured []netip.AddrPort) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Equal(r.configured, configured) {
		return false
	}
	r.configured = slices.Clone(configured)
	clear(r.silent)
	return true
}

// lookUp asks for the addresses of a name in one family. It ends within lookupWait.
func (r *resolvers) lookUp(ctx context.Context, name string, qtype uint16) said {
	ctx, cancel := context.WithTimeout(ctx, lookupWait)
	defer cancel()
	q := dns.Question{Name: name, Qtype: qtype, Qclass: dns.ClassINET}
	kept, hops := longest, 0
	for {
		s := r.ask(ctx, q, hops)
		kept = min(kept, s.ttl)
		if s.kind != elsewhere {
			s.ttl = kept
			return s
		}
		q.Name, hops = s.target, s.hops
	}
}

// ask asks one server after another until one says something.
func (r *resolvers) ask(ctx context.Context, q dns.Question, hops int) said {
	servers, err := r.list()
	if err != nil {
		return failure("resolvers", "this host's resolvers are not known: %v", err)
	}
	var all said
	var details []string
	for _, server := range servers {
		reply, err := r.exchange(ctx, server, q)
		if ctx.Err() == nil { // otherwise it did not have its time
			r.note(server, err == nil)
		}
		var s said
		if err != nil {
			s = explain(err)
		} else {
			s = read(q, hops, reply)
		}
		s.detail = server.String() + ": " + s.detail
		if s.kind != failed {
			return s
		}
		if details = append(details, s.detail); len(details) == 1 {
			all = s
		}
		if ctx.Err() != nil {
			break
		}
	}
	all.detail = strings.Join(details, "; ")
	return all
}

// list is the servers, in the order in which they are to be asked.
func (r *resolvers) list() ([]netip.AddrPort, error) {
	r.mu.Lock()
	servers := r.configured
	r.mu.Unlock()
	if len(servers) == 0 {
		var err error
		if servers, err = r.hostServers(time.Now()); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return inOrder(servers, r.silent, time.Now()), nil
}

// inOrder puts servers that gave no reply lately after the others.
func inOrder(servers []netip.AddrPort, silent map[netip.AddrPort]time.Time, now time.Time) []netip.AddrPort {
	isSilent := func(server netip.AddrPort) int {
		if since, ok := silent[server]; ok && now.Sub(since) < silentFor {
			return 1
		}
		return 0
	}
	ordered := slices.Clone(servers)
	slices.SortStableFunc(ordered, func(a, b netip.AddrPort) int { return isSilent(a) - isSilent(b) })
	return ordered
}

// note records whether a server gave a reply.
func (r *resolvers) note(server netip.AddrPort, replied bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if replied {
		delete(r.silent, server)
		return
	}
	now := time.Now()
	maps.DeleteFunc(r.silent, func(_ netip.AddrPort, since time.Time) bool { return now.Sub(since) >= silentFor })
	r.silent[server] = now
}

// hostServers is the resolvers of this host, as they were within readAgain. A reading that fails
// leaves those of the one before.
func (r *resolvers) hostServers(now time.Time) ([]netip.AddrPort, error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	if r.read.IsZero() || now.Sub(r.read) >= readAgain {
		servers, err := r.host()
		if r.read, r.wrong = now, err; err == nil {
			r.ofHost = servers
		}
	}
	if len(r.ofHost) > 0 {
		return r.ofHost, nil
	}
	return nil, r.wrong
}
