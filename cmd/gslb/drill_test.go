package main

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/daemon/daemontest"
)

// keptResolver is a resolver that answers app with an address of its own choice: one that keeps answers.
type keptResolver struct {
	address netip.AddrPort
	says    atomic.Value // string
}

func newKeptResolver(t *testing.T, says string) *keptResolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	r := &keptResolver{address: netip.MustParseAddrPort(conn.LocalAddr().String())}
	r.says.Store(says)
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		rr, err := dns.NewRR(q.Question[0].Name + " 1 A " + r.says.Load().(string))
		if err == nil {
			reply.Answer = append(reply.Answer, rr)
		}
		_ = w.WriteMsg(reply)
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown(); <-done })
	return r
}

// follows has the resolver say what a server says, a little later.
func (r *keptResolver) follows(t *testing.T, s *served) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if says := s.ask(); says != "" {
				r.says.Store(says)
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// drillStage is a server that drills are made on: answers have the shortest TTL.
func drillStage(t *testing.T) *served {
	t.Helper()
	s := daemontest.New(t)
	s.More = "ttl = \"1s\"\n"
	return serve(s)
}

// drill makes a drill that watches quickly.
func (s *served) drill(ctx context.Context, args ...string) (out string, err error) {
	s.T.Helper()
	cmd := newDrillCommand(drillTimes{every: 20 * time.Millisecond, steady: 100 * time.Millisecond, patience: 300 * time.Millisecond})
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	return s.execute(ctx, cmd, append([]string{"app.gslb.example.com"}, args...))
}

// undone checks that so many drains were begun, and that all have ended.
func (s *served) undone(drains int) {
	s.T.Helper()
	s.expect(first)
	s.Eventually("the drains in events.log, and their ends", func() bool {
		text, _ := os.ReadFile(filepath.Join(s.State(), "events.log"))
		begun, ended := 0, 0
		for line := range strings.Lines(string(text)) {
			switch {
			case !strings.Contains(line, `"kind":"override"`):
			case strings.Contains(line, `"to":"in force"`):
				begun++
			default:
				ended++
			}
		}
		return begun == drains && ended == drains
	})
}

// A drill of a pair: both are drained and undrained, and a resolver is seen to go and to come back.
func TestDrill(t *testing.T) {
	t.Parallel()
	pair := daemontest.New(t)
	pair.Admin, pair.More = "tokens_file = \"tokens\"", "ttl = \"1s\"\n"
	pair.WriteTokens("pair-token")
	b := serve(pair)
	a := drillStage(t)
	resolver := newKeptResolver(t, first)
	resolver.follows(t, b)
	token := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(token, []byte("pair-token\n"), 0o600))
	out, err := a.drill(t.Context(), "--yes", "--json", "--peer", "http://"+b.AdminListen, "--token-file", token,
		"--resolver", resolver.address.String(), "--resolver", a.Listen)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var r drillReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r.Name != "app.gslb.example.com." || r.Pool != "nyc" || r.Instead != "ams" || r.TTL != 1 || len(r.Servers) != 2 || len(r.Resolvers) != 2 {
		t.Errorf("the report is %s", out)
	}
	for _, w := range r.Resolvers {
		if w.Moved == nil || w.Back == nil {
			t.Errorf("resolver %s has not followed: %s", w.Resolver, out)
		}
	}
	a.undone(1)
	b.undone(1)
}

// A resolver that keeps its answer is named, and the drain is ended all the same.
func TestDrillOfAResolverThatKeeps(t *testing.T) {
	s := drillStage(t)
	resolver := newKeptResolver(t, first)
	out, err := s.drill(t.Context(), "--yes", "--resolver", resolver.address.String())
	if err == nil || !strings.Contains(err.Error(), "has not followed") || exitStatus(true, err) != statusLate {
		t.Errorf("got %v\n%s", err, out)
	}
	for _, want := range []string{"app.gslb.example.com: nyc → ams", "nyc is drained on 1 server", "the drain is ended", "not seen"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	s.undone(1)
}

// A drill that is interrupted ends its drain.
func TestDrillInterrupted(t *testing.T) {
	s := drillStage(t)
	resolver := newKeptResolver(t, first)
	done := make(chan error, 1)
	go func() {
		_, err := s.drill(context.WithoutCancel(t.Context()), "--yes", "--resolver", resolver.address.String())
		done <- err
	}()
	s.eventuallyAnswers(second)
	must(t, syscall.Kill(os.Getpid(), syscall.SIGINT))
	if err := <-done; err == nil || err.Error() != "interrupted" {
		t.Errorf("got %v", err)
	}
	s.undone(1)
}

// Where a drill could do harm or would show nothing, it changes nothing.
func TestDrillRefused(t *testing.T) {
	s := drillStage(t)
	resolver, other := newKeptResolver(t, first).address.String(), newKeptResolver(t, second).address.String()
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"nobody to ask", []string{"--resolver", resolver}, "nothing was done: a drill moves all clients of the pool; say --yes"},
		{"a resolver of somewhere else", []string{"--yes", "--resolver", other}, "resolver " + other + " does not answer app.gslb.example.com with this pool"},
		{"a resolver that is none", []string{"--yes", "--resolver", "x"}, `--resolver: "x" is neither ADDRESS nor ADDRESS:PORT`},
		{"without an end", []string{"--yes", "--for", "forever", "--resolver", resolver}, "a drill does not last forever"},
		{"a server that is gone", []string{"--yes", "--resolver", resolver, "--peer", "http://127.0.0.1:1"}, "no gslb answers at http://127.0.0.1:1"},
	} {
		if out, err := s.drill(t.Context(), test.args...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v\n%s", test.name, err, out)
		}
	}
	s.undone(0)

	// What a person has drained stays so.
	carryOut := func(args ...string) {
		t.Helper()
		if out, err := s.commandLine(args...); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	carryOut("drain", "nyc", "--for", "2h", "--reason", "new disks", "--yes")
	if out, err := s.drill(t.Context(), "--yes", "--resolver", other); err == nil || !strings.Contains(err.Error(), "without ams, 1 name would be left with nothing") {
		t.Errorf("got %v\n%s", err, out)
	}
	s.expect(second)
	carryOut("undrain", "nyc", "--yes")
	carryOut("drain", "ams", "--for", "2h", "--reason", "new disks", "--yes")
	carryOut("pin", "app.gslb.example.com", "nyc", "--for", "2h", "--reason", "test", "--yes")
	if out, err := s.drill(t.Context(), "--yes", "--resolver", resolver); err == nil || !strings.Contains(err.Error(), "is in force already") || !strings.Contains(err.Error(), "(test)") {
		t.Errorf("got %v\n%s", err, out)
	}
}
