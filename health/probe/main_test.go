package probe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"gslb/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// patience is a timeout that no test is meant to reach.
	patience = 2 * time.Minute
	// prompt is how soon a probe must end that has no reason to wait: generous, and still
	// far from the timeout.
	prompt = time.Minute
)

// serve accepts connections at a loopback address and hands each to handle, which need
// not close it. It returns the address. All is over before the test ends.
func serve(t testing.TB, host string, handle func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	var (
		running sync.WaitGroup
		mu      sync.Mutex
		open    []net.Conn
	)
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			running.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for _, conn := range open {
			conn.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return listener.Addr().String()
}

// awaitRequest reads one HTTP request, so that closing the connection is no reset.
func awaitRequest(conn net.Conn) {
	if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
		io.Copy(io.Discard, r.Body)
	}
}

// hang waits until the peer has gone.
func hang(conn net.Conn) { io.Copy(io.Discard, conn) }

// answer sends raw bytes once a request is there, and closes.
func answer(raw string) func(net.Conn) {
	return func(conn net.Conn) {
		awaitRequest(conn)
		io.WriteString(conn, raw)
	}
}

// answerAndHang sends raw bytes once a request is there, and keeps the connection open.
func answerAndHang(raw string) func(net.Conn) {
	return func(conn net.Conn) {
		answer(raw)(conn)
		hang(conn)
	}
}

// refusing returns a loopback address at which nobody listens, or can until the test ends.
func refusing(t testing.TB) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", bound.(*unix.SockaddrInet4).Port)
}

// unmetered is a meter that never measures, so that a busy machine excuses no target.
func unmetered() *meter { return &meter{flying: 1, due: time.Now().Add(24 * time.Hour)} }

// mustMake makes a probe that there must be nothing wrong with. It judges as on a host that is never late.
func mustMake(t testing.TB, o Options, spec health.Spec) health.Probe {
	t.Helper()
	if o.Dial != nil && o.NameServers == nil {
		o.NameServers = noNameServers
	}
	m := newMakers(o)
	m.meter = unmetered()
	probe, err := m.probe(health.Target{ID: "test", Spec: spec})
	if err != nil {
		t.Fatal(err)
	}
	return probe
}

// runPromptly runs a probe that has no reason to wait.
func runPromptly(t testing.TB, probe health.Probe) health.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	result := probe(ctx)
	if took := time.Since(began); took > prompt {
		t.Errorf("the probe took %v, with nothing to wait for", took)
	}
	return result
}

// want is a result, of which the detail is only known in part.
type want struct {
	verdict health.Verdict
	reason  string
	detail  string // is contained in the detail
}

func (w want) check(t testing.TB, got health.Result) {
	t.Helper()
	if got.Verdict != w.verdict || got.Reason != w.reason || !strings.Contains(got.Detail, w.detail) {
		t.Errorf("got  %v %s: %s\nwant %v %s: …%s…", got.Verdict, got.Reason, got.Detail, w.verdict, w.reason, w.detail)
	}
	if strings.ContainsAny(got.Detail, "\r\n") {
		t.Errorf("the detail is more than one line: %q", got.Detail)
	}
}
