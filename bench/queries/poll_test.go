package queries

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestPoll has a server that changes its answers, and loses some queries.
func TestPoll(t *testing.T) {
	old := content{names: 20, pools: 2, groups: 1}
	next := old
	next.shift++
	const after = 200 // queries
	var asked atomic.Int64
	server := serveDNS(t, func(q dns.Question) *dns.A {
		number := asked.Add(1)
		if number%50 == 0 {
			return nil
		}
		c := old
		if number > after {
			c = next
		}
		return &dns.A{
			Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: ttl},
			A:   c.addrs(0)[0].AsSlice(),
		}
	})
	var questions []question
	for name := range next.names {
		questions = append(questions, next.ask(name, dns.TypeA))
	}
	before := time.Now()
	answered, err := poll(t.Context(), server, questions)
	if err != nil {
		t.Fatal(err)
	}
	for i, at := range answered {
		if at.Before(before) {
			t.Errorf("question %d was answered at %v", i, at)
		}
	}
	if n := asked.Load(); n < after+int64(len(questions)) {
		t.Errorf("all are answered after %d queries, the answers changed after %d", n, after)
	}
}

// TestPollEnds has a server whose answers stay as they are.
func TestPollEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	var asked atomic.Int64
	server := serveDNS(t, func(dns.Question) *dns.A {
		if asked.Add(1) == 3 {
			cancel(enough)
		}
		return nil
	})
	if _, err := poll(ctx, server, []question{nonexistent("x")}); !errors.Is(err, enough) {
		t.Errorf("poll = %v, want one that wraps %v", err, enough)
	}
}

// serveDNS answers over UDP until the test ends. Where it has no record, it says nothing.
func serveDNS(t *testing.T, answer func(dns.Question) *dns.A) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		record := answer(query.Question[0])
		if record == nil {
			return
		}
		reply := new(dns.Msg).SetReply(query)
		reply.Authoritative = true
		reply.Answer = []dns.RR{record}
		_ = w.WriteMsg(reply)
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	t.Cleanup(func() {
		if err := errors.Join(server.Shutdown(), <-ended); err != nil {
			t.Error(err)
		}
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}
