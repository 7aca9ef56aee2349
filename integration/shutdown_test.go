//go:build integration

package integration

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestShutdown tells a server to end while queries wait for it, which it has not even read:
// all that was sent before the signal is answered, and the server ends soon and well. Its parts have
// five seconds and more to end: on a machine that is not busy throughout, one round at least takes less.
func TestShutdown(t *testing.T) {
	ctx := begin(t)
	s := setup{Zone: appZone}.serve(t, ctx)
	fastest := time.Hour
	for round := range 3 {
		if round > 0 {
			must(t, s.Start(ctx))
		}
		var all []*burst
		for range 8 {
			all = append(all, newBurst(t, s, "udp"), newBurst(t, s, "tcp"))
		}
		for _, b := range all {
			b.send(t) // while the server runs
		}
		must(t, s.Hang(ctx))
		for range 4 {
			all = append(all, newBurst(t, s, "tcp")) // which it has not accepted yet
		}
		for _, b := range all {
			b.send(t) // to a server that cannot read them before the signal
		}
		s.Signal(syscall.SIGTERM)
		signalled := time.Now()
		s.Resume()
		checkEnded(t, ctx, s, signalled)
		fastest = min(fastest, time.Since(signalled))
		for _, b := range all {
			b.checkReplies(t)
		}
	}
	if fastest > 4*time.Second {
		t.Errorf("the fastest end took %v", fastest)
	}
}

// TestShutdownUnderLoad ends a server while clients ask as fast as they get answers, and go
// on asking.
func TestShutdownUnderLoad(t *testing.T) {
	ctx := begin(t)
	s := setup{Zone: appZone}.serve(t, ctx)
	var asking sync.WaitGroup
	last := make([]lastQuery, 12)
	for i := range last {
		network := []string{"udp", "udp", "tcp"}[i%3]
		conn, err := net.Dial(network, s.Listen.String())
		must(t, err)
		asking.Go(func() {
			defer conn.Close()
			last[i] = askUntilLost(&dns.Conn{Conn: conn})
		})
	}
	const queries = `gslb_dns_responses_total{rcode="NOERROR",server="%v",zone="gslb.example.com."}`
	s.awaitMetric(t, ctx, fmt.Sprintf(queries, s.Listen), 1000)
	signalled := time.Now()
	s.Signal(syscall.SIGTERM)
	checkEnded(t, ctx, s, signalled)
	asking.Wait()
	for i, query := range last {
		if query.sent.Before(signalled) {
			t.Errorf("client %d sent query %d %v before the signal, and it was lost: %v",
				i, query.number, signalled.Sub(query.sent), query.err)
		}
	}
}

// lastQuery is the query that got no reply.
type lastQuery struct {
	number int
	sent   time.Time // once it was with the server's kernel, or refused
	err    error
}

// askUntilLost asks one query after the other until one has no reply.
func askUntilLost(conn *dns.Conn) lastQuery {
	for i := 0; ; i++ {
		query := new(dns.Msg).SetQuestion(app, dns.TypeA)
		err := conn.WriteMsg(query)
		sent := time.Now()
		if err == nil {
			_ = conn.SetReadDeadline(sent.Add(loadWait))
			_, err = conn.ReadMsg()
		}
		if err != nil {
			return lastQuery{number: i, sent: sent, err: err}
		}
	}
}

// checkEnded checks that the server ends soon after the signal, and with status 0.
func checkEnded(t *testing.T, ctx context.Context, s *server, signalled time.Time) {
	t.Helper()
	const soon = 2 * time.Second // a second of it may go into answering
	ctx, cancel := context.WithDeadline(ctx, signalled.Add(soon+slack))
	defer cancel()
	state, err := s.Wait(ctx)
	must(t, err)
	if state.ExitCode() != 0 {
		t.Errorf("the server ended with %v, want status 0", state)
	}
}

// burst is queries that are sent without waiting for their replies, on one connection.
type burst struct {
	conn *dns.Conn
	sent int
}

// burstSize is few enough for every socket's buffer.
const burstSize = 16

func newBurst(t *testing.T, s *server, network string) *burst {
	t.Helper()
	conn, err := net.Dial(network, s.Listen.String())
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	return &burst{conn: &dns.Conn{Conn: conn}}
}

// send sends more. The id of a query is its number.
func (b *burst) send(t *testing.T) {
	t.Helper()
	for range burstSize {
		query := new(dns.Msg).SetQuestion(app, dns.TypeA)
		query.Id = uint16(b.sent)
		must(t, b.conn.WriteMsg(query))
		b.sent++
	}
}

// checkReplies waits for the reply to each query.
func (b *burst) checkReplies(t *testing.T) {
	t.Helper()
	network := b.conn.LocalAddr().Network()
	missing := make(map[uint16]bool)
	for id := range b.sent {
		missing[uint16(id)] = true
	}
	must(t, b.conn.SetReadDeadline(time.Now().Add(loadWait)))
	for len(missing) > 0 {
		reply, err := b.conn.ReadMsg()
		if err != nil {
			t.Errorf("%s: %d of %d queries have no reply: %v", network, len(missing), b.sent, err)
			return
		}
		if region, _, err := regionIn(reply, dns.TypeA); region != "nyc" || !missing[reply.Id] {
			t.Error(fmt.Errorf("%s: reply %d is %s, %w; want nyc, once", network, reply.Id, region, err))
		}
		delete(missing, reply.Id)
	}
}
