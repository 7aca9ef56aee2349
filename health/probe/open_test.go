package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"gslb/health"
)

// plan is what becomes of one attempt to open a connection: after a time it opens, or
// fails. One that is longer than the probe's timeout is never heard of.
type plan struct {
	after time.Duration
	err   error // nil: it opens
}

// socket is a connection that knows whether it is open.
type socket struct {
	net.Conn
	attempt int
	open    *atomic.Int32
}

func (s *socket) Close() error {
	s.open.Add(-1)
	return nil
}

// planned dials as planned for this attempt. open counts the sockets, also those that are
// not connected yet.
func planned(attempt int, p plan, open, made *atomic.Int32) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		made.Add(1)
		open.Add(1)
		conn := &socket{attempt: attempt, open: open}
		to := net.TCPAddrFromAddrPort(mustAddrPort(address))
		fail := func(err error) (net.Conn, error) {
			conn.Close()
			return nil, &net.OpError{Op: "dial", Net: network, Addr: to, Err: err}
		}
		select {
		case <-ctx.Done():
			return fail(ctx.Err())
		case <-time.After(p.after):
			if p.err != nil {
				return fail(p.err)
			}
			return conn, nil
		}
	}
}

// outcome is what open returned, after what time, how many attempts it made, and how many
// sockets are open then.
type outcome struct {
	attempt
	took       time.Duration
	made, open int32
}

// attempts runs open with a timeout of three seconds, so that the second attempt is due
// after one.
func attempts(first, second plan) outcome {
	var opened, count atomic.Int32
	n := newNetwork(planned(1, first, &opened, &count), planned(2, second, &opened, &count), noNameServers)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	began := time.Now()
	conn, err := n.open(ctx, "tcp", "192.0.2.1:80")
	return outcome{attempt{conn, err}, time.Since(began), count.Load(), opened.Load()}
}

func TestSecondAttempt(t *testing.T) {
	refused, noRoute := os.NewSyscallError("connect", syscall.ECONNREFUSED), os.NewSyscallError("connect", syscall.EHOSTUNREACH)
	noDescriptor := os.NewSyscallError("socket", syscall.EMFILE)
	at := func(d time.Duration, err error) plan { return plan{d, err} }
	never := plan{after: time.Hour}
	const ms = time.Millisecond

	tests := []struct {
		name          string
		first, second plan
		wins          int   // the attempt whose connection is taken; 0: none
		err           error // in that case
		after         time.Duration
		made          int32
	}{
		{"opens at once", at(1*ms, nil), never, 1, nil, 1 * ms, 1},
		{"opens just in time", at(999*ms, nil), never, 1, nil, 999 * ms, 1},
		{"refused at once", at(1*ms, refused), at(1*ms, nil), 0, syscall.ECONNREFUSED, 1 * ms, 1},
		{"no descriptor at once", at(0, noDescriptor), at(1*ms, nil), 0, syscall.EMFILE, 0, 1},

		{"the first is lost", never, at(10*ms, nil), 2, nil, 1010 * ms, 2},
		{"the first is late", at(1500*ms, nil), never, 1, nil, 1500 * ms, 2},
		{"the first is late, the second sooner", at(1500*ms, nil), at(400*ms, nil), 2, nil, 1400 * ms, 2},
		{"the first is late, the second later", at(1500*ms, nil), at(600*ms, nil), 1, nil, 1500 * ms, 2},
		{"both in one moment", at(1500*ms, nil), at(500*ms, nil), 0, nil, 1500 * ms, 2},
		{"both are lost", never, never, 0, context.DeadlineExceeded, 3000 * ms, 2},

		{"the second is refused", never, at(10*ms, refused), 0, syscall.ECONNREFUSED, 1010 * ms, 2},
		{"no way for the second", never, at(10*ms, noRoute), 0, syscall.EHOSTUNREACH, 1010 * ms, 2},
		{"the first is refused late", at(1500*ms, refused), never, 0, syscall.ECONNREFUSED, 1500 * ms, 2},
		{"no descriptor for the second", at(2*time.Second, nil), at(0, noDescriptor), 1, nil, 2 * time.Second, 2},
		{"no descriptor for the second, the first is lost", never, at(0, noDescriptor), 0, context.DeadlineExceeded, 3 * time.Second, 2},
		{"the kernel gives the first up", at(1500*ms, syscall.ETIMEDOUT), at(time.Second, nil), 2, nil, 2 * time.Second, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := attempts(test.first, test.second)
				if got.took != test.after || got.made != test.made {
					t.Errorf("it took %v and %d attempts, want %v and %d", got.took, got.made, test.after, test.made)
				}
				switch s, opened := got.conn.(*socket); {
				case test.err != nil:
					if got.conn != nil || !errors.Is(got.err, test.err) || got.open != 0 {
						t.Errorf("got %v, %v and %d open sockets, want the error %v and none", got.conn, got.err, got.open, test.err)
					}
				case !opened || got.err != nil || got.open != 1:
					t.Errorf("got %v, %v and %d open sockets, want one", got.conn, got.err, got.open)
				case test.wins != 0 && s.attempt != test.wins:
					t.Errorf("attempt %d won, want %d", s.attempt, test.wins)
				}
			})
		})
	}
}

// TestSecondAttemptProperties holds, for whatever becomes of the two attempts: no socket is
// left over, no time is lost, and nothing that opens in time is missed.
func TestSecondAttemptProperties(t *testing.T) {
	errs := []error{nil, nil, syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ETIMEDOUT, syscall.EMFILE}
	rapid.Check(t, func(rt *rapid.T) {
		drawn := func(name string) plan {
			return plan{
				after: time.Duration(rapid.IntRange(0, 4000).Draw(rt, name)) * time.Millisecond,
				err:   rapid.SampledFrom(errs).Draw(rt, name+" ends in"),
			}
		}
		first, second := drawn("first"), drawn("second")
		var problem string
		synctest.Test(t, func(*testing.T) {
			got := attempts(first, second)
			want := int32(0)
			if got.conn != nil {
				want = 1
			}
			silent := first.after > time.Second
			switch {
			case (got.conn == nil) == (got.err == nil):
				problem = "neither a connection nor an error, or both"
			case got.open != want:
				problem = fmt.Sprintf("%d sockets are open, want %d", got.open, want)
			case got.took > 3*time.Second:
				problem = fmt.Sprintf("it took %v", got.took)
			case first.after != time.Second && (got.made == 2) != silent:
				problem = fmt.Sprintf("%d attempts", got.made)
			case silent && first.err == nil && second.err == nil && got.conn == nil && min(first.after, time.Second+second.after) < 3*time.Second:
				problem = "it did not open"
			}
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

// A probe that is canceled ends both attempts.
func TestSecondAttemptIsCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open, made atomic.Int32
		never := plan{after: time.Hour}
		n := newNetwork(planned(1, never, &open, &made), planned(2, never, &open, &made), noNameServers)
		probe, err := called(newHTTP(n, spec200("http://192.0.2.1/")))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		time.AfterFunc(2*time.Second, cancel)
		want{health.Indeterminate, "canceled", ""}.check(t, probe(ctx))
		if made.Load() != 2 || open.Load() != 0 {
			t.Errorf("%d attempts, %d sockets are open", made.Load(), open.Load())
		}
	})
}

// TestLostQuery has a name server lose the first query of each type: the resolver would
// repeat it after five seconds, or after one where resolv.conf says so.
func TestLostQuery(t *testing.T) {
	target := serve(t, "127.0.0.1", answer("HTTP/1.1 200 OK\r\n\r\n"))
	_, port, _ := net.SplitHostPort(target)
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	server := &dns.Server{PacketConn: socket, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if asked.Add(1) <= 2 { // A and AAAA
			return
		}
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1),
			}}
		}
		w.WriteMsg(m)
	})}
	ended := make(chan struct{})
	go func() { defer close(ended); server.ActivateAndServe() }()
	t.Cleanup(func() { socket.Close(); <-ended })

	ask := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", socket.LocalAddr().String())
	}
	probe, err := called(newHTTP(newNetwork(dialerVia(ask), dialerVia(ask), ask), spec200("http://app.example.:"+port)))
	if err != nil {
		t.Fatal(err)
	}
	var got health.Result
	for range 10 { // a busy machine may take all of the time
		asked.Store(0)
		ctx, cancel := context.WithTimeout(t.Context(), 990*time.Millisecond)
		got = probe(ctx)
		cancel()
		if got.Verdict == health.Pass {
			break
		}
	}
	want{health.Pass, "ok", ""}.check(t, got)
}
