package checks

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

var (
	first  = netip.MustParseAddr("192.0.2.1")
	second = netip.MustParseAddr("192.0.2.2")
)

// serveDNS answers each query as handle says, until the test is over.
func serveDNS(t *testing.T, handle func(n int, w dns.ResponseWriter, q *dns.Msg)) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // each query has a goroutine of its own
	n := 0
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		mu.Lock()
		defer mu.Unlock()
		n++
		handle(n, w, q)
	})}
	served := make(chan error)
	go func() { served <- server.ActivateAndServe() }()
	t.Cleanup(func() {
		if err := server.Shutdown(); err != nil {
			t.Error(err)
		}
		<-served
	})
	return netip.MustParseAddrPort(conn.LocalAddr().String())
}

func answer(q *dns.Msg, addr netip.Addr) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.Answer = append(m.Answer, &dns.A{
		Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET},
		A:   addr.AsSlice(),
	})
	return m
}

func TestWatch(t *testing.T) {
	const changes = 5 // with this query
	changed := make(chan time.Time, 1)
	server := serveDNS(t, func(n int, w dns.ResponseWriter, q *dns.Msg) {
		switch {
		case q.RecursionDesired, q.Question[0].Name != steered+".":
			t.Errorf("question %v", q)
		case n == 1:
			late := answer(q, second)
			late.Id++ // to another question
			w.WriteMsg(late)
			w.WriteMsg(answer(q, first))
		case n == changes:
			changed <- time.Now()
			w.WriteMsg(answer(q, second))
		default:
			w.WriteMsg(answer(q, first))
		}
	})
	got, err := watch(t.Context(), server, steered, other(first))
	if err != nil {
		t.Fatal(err)
	}
	if at := <-changed; !only(second)(got.addrs) || got.at.Before(at) {
		t.Errorf("watch = %v, want %v, at %v or later", got, second, at)
	}
}

// TestWatchErrors has no answer at all, and then only errors.
func TestWatchErrors(t *testing.T) {
	refusing := serveDNS(t, func(_ int, w dns.ResponseWriter, q *dns.Msg) {
		w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
	})
	closed, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for server, want := range map[netip.AddrPort]string{
		refusing: "SERVFAIL",
		netip.MustParseAddrPort(closed.LocalAddr().String()): "refused",
	} {
		err := error(nil)
		// Again for longer, where the machine is too busy for an answer in this time.
		for lasts := 20 * time.Millisecond; lasts < time.Minute && (err == nil || !strings.Contains(err.Error(), want)); lasts *= 10 {
			ctx, cancel := context.WithTimeout(t.Context(), lasts)
			_, err = watch(ctx, server, steered, only(first))
			cancel()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("watch: %v, want %q", err, want)
		}
	}
}
