package alias

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

var (
	server1 = netip.MustParseAddrPort("192.0.2.53:53")
	server2 = netip.MustParseAddrPort("198.51.100.53:53")
)

// hang is a server that never replies.
func hang(ctx context.Context) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeWait)
	defer cancel()
	<-ctx.Done()
	return nil, os.ErrDeadlineExceeded
}

// asked is which servers were asked.
func asked(r *resolvers, reply func(context.Context, netip.AddrPort, dns.Question) (*dns.Msg, error)) *[]netip.AddrPort {
	var list []netip.AddrPort
	r.exchange = func(ctx context.Context, server netip.AddrPort, q dns.Question) (*dns.Msg, error) {
		list = append(list, server)
		return reply(ctx, server, q)
	}
	return &list
}

// One server after the other is asked, and one that hangs after the others from then on.
func TestOneAfterAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResolvers([]netip.AddrPort{server1, server2})
		list := asked(r, func(ctx context.Context, server netip.AddrPort, q dns.Question) (*dns.Msg, error) {
			if server == server1 {
				return hang(ctx)
			}
			return reply(t, q, dns.RcodeSuccess, oneAddress), nil
		})
		for _, test := range []struct {
			after time.Duration
			asked string
			took  time.Duration
		}{
			{0, fmt.Sprint([]netip.AddrPort{server1, server2}), exchangeWait},
			{time.Second, fmt.Sprint([]netip.AddrPort{server2}), 0},
			{silentFor - 2*time.Second, fmt.Sprint([]netip.AddrPort{server2}), 0},
			{2 * time.Second, fmt.Sprint([]netip.AddrPort{server1, server2}), exchangeWait},
		} {
			time.Sleep(test.after)
			*list = nil
			began := time.Now()
			s := r.lookUp(t.Context(), lb, dns.TypeA)
			if s.kind != found || fmt.Sprint(*list) != test.asked || time.Since(began) != test.took {
				t.Errorf("%s: asked %v in %s, want %s in %s", s.detail, *list, time.Since(began), test.asked, test.took)
			}
		}
	})
}

// A server that replies, but knows nothing, stays in its place.
func TestServerThatFails(t *testing.T) {
	r := newResolvers([]netip.AddrPort{server1, server2})
	list := asked(r, func(_ context.Context, server netip.AddrPort, q dns.Question) (*dns.Msg, error) {
		return reply(t, q, map[netip.AddrPort]int{server1: dns.RcodeServerFailure, server2: dns.RcodeRefused}[server], ""), nil
	})
	for range 2 {
		*list = nil
		s := r.lookUp(t.Context(), lb, dns.TypeA)
		const want = "192.0.2.53:53: SERVFAIL; 198.51.100.53:53: REFUSED"
		if s.kind != failed || s.reason != "servfail" || s.detail != want || len(*list) != 2 || (*list)[0] != server1 {
			t.Errorf("asked %v: %s: %s, want %s", *list, s.reason, s.detail, want)
		}
	}
}

// However many servers hang, a look-up ends.
func TestAllHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var many []netip.AddrPort
		for i := range 100 {
			many = append(many, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 53))
		}
		r := newResolvers(many)
		asked(r, func(ctx context.Context, _ netip.AddrPort, _ dns.Question) (*dns.Msg, error) { return hang(ctx) })
		began := time.Now()
		s := r.lookUp(t.Context(), lb, dns.TypeA)
		if s.kind != failed || s.reason != "timeout" || time.Since(began) != lookupWait {
			t.Errorf("%s after %s: %s", s.reason, time.Since(began), s.detail)
		}
	})
}

// The target of an alias that a server does not follow is asked for, at most maxHops times.
func TestTargets(t *testing.T) {
	for _, test := range []struct {
		hops int // of the chain
		want string
	}{{1, "addresses"}, {maxHops, "addresses"}, {maxHops + 1, "chain"}, {1000, "chain"}} {
		r := newResolvers([]netip.AddrPort{server1})
		list := asked(r, func(_ context.Context, _ netip.AddrPort, q dns.Question) (*dns.Msg, error) {
			n := 0
			fmt.Sscanf(q.Name, "c%d.", &n)
			if n == test.hops {
				return reply(t, q, dns.RcodeSuccess, q.Name+" 40 IN A 192.0.2.1"), nil
			}
			return reply(t, q, dns.RcodeSuccess, fmt.Sprintf("%s %d IN CNAME c%d.example.", q.Name, 100-n, n+1)), nil
		})
		s := r.lookUp(t.Context(), lb, dns.TypeA)
		if s.reason != test.want || len(*list) > maxHops+1 {
			t.Errorf("%d hops: %s after %d queries, want %s", test.hops, s.reason, len(*list), test.want)
		}
		if s.kind == found && s.ttl != 40*time.Second {
			t.Errorf("%d hops: TTL %s", test.hops, s.ttl)
		}
	}
	// The lowest TTL is that of a CNAME which another reply has told.
	r := newResolvers([]netip.AddrPort{server1})
	asked(r, func(_ context.Context, _ netip.AddrPort, q dns.Question) (*dns.Msg, error) {
		if q.Name == lb {
			return reply(t, q, dns.RcodeSuccess, "lb.example.net. 7 IN CNAME b.example."), nil
		}
		return reply(t, q, dns.RcodeSuccess, "b.example. 60 IN A 192.0.2.1"), nil
	})
	if s := r.lookUp(t.Context(), lb, dns.TypeA); s.ttl != 7*time.Second {
		t.Errorf("TTL %s, want 7s", s.ttl)
	}
}

// Which resolvers this host has is read again from time to time. If it can't be read, they stay.
func TestHostResolvers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResolvers(nil)
		readings := 0
		servers, wrong := []netip.AddrPort{server1}, error(nil)
		r.host = func() ([]netip.AddrPort, error) { readings++; return servers, wrong }
		list := asked(r, func(_ context.Context, _ netip.AddrPort, q dns.Question) (*dns.Msg, error) {
			return reply(t, q, dns.RcodeSuccess, oneAddress), nil
		})
		expect := func(want netip.AddrPort, times int) {
			t.Helper()
			*list = nil
			if s := r.lookUp(t.Context(), lb, dns.TypeA); s.kind != found || len(*list) != 1 || (*list)[0] != want || readings != times {
				t.Errorf("%s, asked %v, want %s; %d readings, want %d", s.detail, *list, want, readings, times)
			}
		}
		expect(server1, 1)
		servers = []netip.AddrPort{server2}
		expect(server1, 1)
		time.Sleep(readAgain)
		expect(server2, 2)
		servers, wrong = nil, errors.New("too many open files")
		time.Sleep(readAgain)
		expect(server2, 3)
		if !r.use([]netip.AddrPort{server1}) || r.use([]netip.AddrPort{server1}) {
			t.Error("others are not others, or the same are")
		}
		expect(server1, 3)
	})
}

func TestInOrder(t *testing.T) {
	now := time.Unix(1000, 0)
	var servers []netip.AddrPort
	for i := range 4 {
		servers = append(servers, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 53))
	}
	silent := map[netip.AddrPort]time.Time{servers[0]: now.Add(-time.Second), servers[2]: now.Add(-silentFor), servers[3]: now}
	var got []string
	for _, server := range inOrder(servers, silent, now) {
		got = append(got, strings.TrimSuffix(server.String(), ":53"))
	}
	if want := "192.0.2.1 192.0.2.2 192.0.2.0 192.0.2.3"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}
